#include "base/mapping_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mutex>

#include "base/check.h"

namespace narthex::base {

struct MappingGuard::Slot {
  std::atomic<bool> taken{false};
  std::atomic<bool> lost{false};
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0};
};

namespace {

// What the handler looks through: tables that are only ever added, so that it needs no lock.
struct Table {
  static constexpr size_t kSlots = 64;
  MappingGuard::Slot slots[kSlots];
  std::atomic<Table*> next{nullptr};
};

struct Handler {
  Table first;
  struct sigaction before = {};
  uintptr_t page_bytes = 0;
};

// Made by Install, before the handler can run.
Handler* handler = nullptr;

// Only what is safe in a handler: atomics, and system calls that take no lock of ours.
void OnBusError(int, siginfo_t* info, void*) {
  const auto at = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Table* table = &handler->first; table != nullptr; table = table->next.load()) {
    for (MappingGuard::Slot& slot : table->slots) {
      const uintptr_t begin = slot.begin.load();
      if (begin == 0 || at < begin || at >= slot.end.load()) continue;
      slot.lost.store(true);
      void* const page = reinterpret_cast<void*>(at & ~(handler->page_bytes - 1));
      if (::mmap(page, handler->page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                 0) != MAP_FAILED) {
        return;  // The read is tried again and finds zeros.
      }
    }
  }
  // Not ours: the read is tried again under the handler before this one.
  ::sigaction(SIGBUS, &handler->before, nullptr);
}

void Install() {
  static std::once_flag once;
  std::call_once(once, [] {
    handler = new Handler;  // Until the process ends.
    handler->page_bytes = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    struct sigaction action = {};
    action.sa_sigaction = OnBusError;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    CHECK(::sigaction(SIGBUS, &action, &handler->before) == 0);
  });
}

MappingGuard::Slot* Claim() {
  Install();
  for (Table* table = &handler->first;;) {
    for (MappingGuard::Slot& slot : table->slots) {
      if (!slot.taken.exchange(true)) return &slot;
    }
    if (Table* const next = table->next.load()) {
      table = next;
      continue;
    }
    auto* const added = new Table;
    Table* expected = nullptr;
    if (!table->next.compare_exchange_strong(expected, added)) delete added;
  }
}

}  // namespace

MappingGuard::MappingGuard(std::string_view mapped) : slot_(Claim()) {
  const auto begin = reinterpret_cast<uintptr_t>(mapped.data());
  slot_->lost.store(false);
  slot_->end.store(begin + mapped.size());
  slot_->begin.store(begin);
}

MappingGuard::~MappingGuard() {
  slot_->begin.store(0);
  slot_->end.store(0);
  slot_->taken.store(false);
}

bool MappingGuard::intact() const { return !slot_->lost.load(); }

}  // namespace narthex::base
