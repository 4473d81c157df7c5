#include "server/active_queries.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "json/writer.h"

namespace narthex::server {
namespace {

constexpr size_t kSlotBytes = 1000;
constexpr size_t kNoSlot = SIZE_MAX;

// Cut where it would not fit; never within a character.
std::string EntryOf(std::string_view query, int64_t seconds) {
  for (size_t size = std::min(query.size(), kSlotBytes);; size = size * 3 / 4) {
    while (size < query.size() && size > 0 && (query[size] & 0xC0) == 0x80) --size;
    std::string entry = "{\"query\":";
    json::AppendString(entry, query.substr(0, size));
    fmt::format_to(std::back_inserter(entry), ",\"timestamp_sec\":{}}},", seconds);
    if (entry.size() <= kSlotBytes) return entry;
  }
}

}  // namespace

base::Result<std::string> ActiveQueries::Open(base::FileSystem& files, const std::string& path) {
  std::string unfinished;
  if (auto left = base::ReadFile(files, path); left) {
    unfinished = *std::move(left);
    std::erase(unfinished, '\0');
  }
  // "[" alone where all have ended.
  if (unfinished.size() > 1 && unfinished.back() == ',') {
    unfinished.back() = ']';
  } else {
    unfinished.clear();
  }
  ASSIGN_OR_RETURN(auto memory, base::FileMemory::Create(path, 1 + slots_ * kSlotBytes));
  memory->bytes()[0] = '[';
  base::MutexLock lock(mutex_);
  memory_ = std::move(memory);
  for (size_t slot = slots_; slot-- > 0;) free_.push_back(slot);
  return unfinished;
}

size_t ActiveQueries::Began(std::string_view text) {
  const std::string entry = EntryOf(text, clock_.WallMs() / 1000);
  base::MutexLock lock(mutex_);
  if (free_.empty()) return kNoSlot;
  const size_t slot = free_.back();
  free_.pop_back();
  std::memcpy(memory_->bytes().data() + 1 + slot * kSlotBytes, entry.data(), entry.size());
  return slot;
}

void ActiveQueries::Ended(size_t slot) {
  if (slot == kNoSlot) return;
  base::MutexLock lock(mutex_);
  std::memset(memory_->bytes().data() + 1 + slot * kSlotBytes, 0, kSlotBytes);
  free_.push_back(slot);
}

}  // namespace narthex::server
