#include "extensions/pprof/cpu_profile.h"

#include <execinfo.h>
#include <signal.h>
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "compress/compress.h"
#include "otlp/writer.h"

namespace narthex::extensions {
namespace {

constexpr int kFramesMax = 64;
constexpr int kOwnFrames = 2;  // The handler and the kernel's way into it.
constexpr size_t kSamplesMax = 100'000;
constexpr int64_t kPeriodNs = 10'000'000;

struct Sample {
  std::atomic<int> frames{0};  // Written last.
  void* addresses[kFramesMax];
};

// What the signal's handler writes into; it takes a place and never waits.
struct Samples {
  std::atomic<size_t> taken{0};
  std::vector<Sample> all{kSamplesMax};
};

// A handler knows nothing but what is global.
std::atomic<Samples*> current{nullptr};
std::atomic<int> handlers_running{0};

void OnSignal(int) {
  const int saved = errno;
  handlers_running.fetch_add(1);
  if (Samples* samples = current.load(); samples != nullptr) {
    const size_t place = samples->taken.fetch_add(1);
    if (place < kSamplesMax) {
      Sample& sample = samples->all[place];
      // libgcc 12 unwinds without locks or memory, once it has been loaded.
      sample.frames = backtrace(sample.addresses, kFramesMax);
    }
  }
  handlers_running.fetch_sub(1);
  errno = saved;
}

void SetTimer(std::chrono::microseconds period) {
  itimerval timer{};
  timer.it_interval.tv_usec = timer.it_value.tv_usec = period.count();
  setitimer(ITIMER_PROF, &timer, nullptr);
}

// An executable part of the address space.
struct Mapping {
  uint64_t start = 0, limit = 0, offset = 0;
  std::string file;
};

// "start-end perms offset device inode path" per line. Source: proc(5), /proc/pid/maps.
std::vector<Mapping> ReadMappings(base::FileSystem& files) {
  std::vector<Mapping> mappings;
  const auto text = base::ReadFile(files, "/proc/self/maps");
  if (!text.has_value()) return mappings;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    Mapping mapping;
    const char* at = line.data();
    const char* const end = line.data() + line.size();
    const auto hex = [&](uint64_t& value) { at = std::from_chars(at, end, value, 16).ptr + 1; };
    hex(mapping.start);
    if (at >= end) continue;
    hex(mapping.limit);
    if (at + 5 >= end || at[2] != 'x') continue;
    at += 5;
    hex(mapping.offset);
    const size_t path = line.find('/');
    if (path != std::string_view::npos) mapping.file = line.substr(path);
    mappings.push_back(std::move(mapping));
  }
  return mappings;
}

// Puts a profile together.
class ProfileWriter {
 public:
  explicit ProfileWriter(std::vector<Mapping> mappings) : mappings_(std::move(mappings)) {
    Text("");
  }

  std::string Write(const std::map<std::vector<uint64_t>, uint64_t>& stacks, int64_t time_ns,
                    int64_t duration_ns) {
    ValueType(1, "samples", "count");
    ValueType(1, "cpu", "nanoseconds");
    for (const auto& [stack, count] : stacks) WriteSample(stack, count);
    for (size_t i = 0; i < mappings_.size(); ++i) WriteMapping(i);
    for (const auto& [address, id] : locations_) WriteLocation(address, id);
    writer_.Varint(9, static_cast<uint64_t>(time_ns));
    writer_.Varint(10, static_cast<uint64_t>(duration_ns));
    ValueType(11, "cpu", "nanoseconds");
    writer_.Varint(12, kPeriodNs);
    for (const std::string& text : texts_) writer_.Bytes(6, text);
    return writer_.Take();
  }

 private:
  uint64_t Text(const std::string& text) {
    const auto [place, is_new] = text_ids_.try_emplace(text, texts_.size());
    if (is_new) texts_.push_back(text);
    return place->second;
  }

  void ValueType(uint32_t field, const char* type, const char* unit) {
    const uint64_t type_id = Text(type), unit_id = Text(unit);
    const auto mark = writer_.Begin(field);
    writer_.Varint(1, type_id);
    writer_.Varint(2, unit_id);
    writer_.End(mark);
  }

  void WriteSample(const std::vector<uint64_t>& stack, uint64_t count) {
    const auto mark = writer_.Begin(2);
    const auto ids = writer_.Begin(1);
    for (const uint64_t address : stack) {
      writer_.PutVarint(locations_.try_emplace(address, locations_.size() + 1).first->second);
    }
    writer_.End(ids);
    const auto values = writer_.Begin(2);
    writer_.PutVarint(count);
    writer_.PutVarint(count * kPeriodNs);
    writer_.End(values);
    writer_.End(mark);
  }

  void WriteMapping(size_t index) {
    const Mapping& mapping = mappings_[index];
    const uint64_t file = Text(mapping.file);
    const auto mark = writer_.Begin(3);
    writer_.Varint(1, index + 1);
    writer_.Varint(2, mapping.start);
    writer_.Varint(3, mapping.limit);
    writer_.Varint(4, mapping.offset);
    writer_.Varint(5, file);
    writer_.End(mark);
  }

  void WriteLocation(uint64_t address, uint64_t id) {
    const auto mark = writer_.Begin(4);
    writer_.Varint(1, id);
    for (size_t i = 0; i < mappings_.size(); ++i) {
      if (address >= mappings_[i].start && address < mappings_[i].limit) writer_.Varint(2, i + 1);
    }
    writer_.Varint(3, address);
    writer_.End(mark);
  }

  const std::vector<Mapping> mappings_;
  otlp::Writer writer_;
  std::vector<std::string> texts_;
  std::map<std::string, uint64_t> text_ids_;
  std::map<uint64_t, uint64_t> locations_;  // By address.
};

std::map<std::vector<uint64_t>, uint64_t> StacksOf(const Samples& samples) {
  std::map<std::vector<uint64_t>, uint64_t> stacks;
  const size_t count = std::min(samples.taken.load(), kSamplesMax);
  for (size_t i = 0; i < count; ++i) {
    const Sample& sample = samples.all[i];
    std::vector<uint64_t> stack;
    for (int frame = kOwnFrames; frame < sample.frames; ++frame) {
      const auto address = reinterpret_cast<uint64_t>(sample.addresses[frame]);
      // But for the innermost, these are return addresses: the call is the instruction before.
      stack.push_back(frame == kOwnFrames ? address : address - 1);
    }
    if (!stack.empty()) ++stacks[std::move(stack)];
  }
  return stacks;
}

void WaitFor(std::chrono::milliseconds duration, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait_for(lock, stop, duration, [] { return false; });
}

}  // namespace

base::Result<std::string> RecordCpuProfile(base::Env env, std::chrono::milliseconds duration,
                                           std::stop_token stop) {
  auto samples = std::make_unique<Samples>();
  void* loaded[1];
  backtrace(loaded, 1);  // Loads the unwinder: no handler has to.
  Samples* none = nullptr;
  if (!current.compare_exchange_strong(none, samples.get())) {
    return base::Fail(base::Code::kUnavailable, "a profile is being taken already");
  }
  struct sigaction action{};
  action.sa_handler = &OnSignal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGPROF, &action, nullptr);
  const int64_t started_ns = env.clock.WallNs();
  SetTimer(
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::nanoseconds(kPeriodNs)));
  WaitFor(duration, stop);
  SetTimer(std::chrono::microseconds(0));
  current = nullptr;
  // A signal on its way finds no place to write to; a handler at work is waited for.
  while (handlers_running.load() > 0) {
  }
  // The handler stays: without it a late signal would end the process.
  const int64_t duration_ns = env.clock.WallNs() - started_ns;
  return compress::GzipEncode(
      ProfileWriter(ReadMappings(env.files)).Write(StacksOf(*samples), started_ns, duration_ns));
}

}  // namespace narthex::extensions
