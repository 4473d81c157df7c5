#include "promql/exec/context.h"

#include <algorithm>

#include "promql/parser/parser.h"

namespace narthex::promql {

base::Status Budget::Check() {
  constexpr uint64_t kCallsPerClockReading = 8;
  if (options_.stop.stop_requested()) {
    return base::Fail(base::Code::kCancelled, "query was canceled in expression evaluation");
  }
  if (memory_.exceeded()) return TooMuchMemory(memory_.bytes_max());
  if (calls_.fetch_add(1, std::memory_order_relaxed) % kCallsPerClockReading == 0) LookAtClock();
  if (late_.load(std::memory_order_relaxed)) {
    return base::Fail(base::Code::kDeadlineExceeded, "query timed out in expression evaluation");
  }
  return {};
}

bool Budget::Ended() {
  LookAtClock();
  return KnownToHaveEnded();
}

bool Budget::KnownToHaveEnded() const {
  return late_.load(std::memory_order_relaxed) || options_.stop.stop_requested() ||
         memory_.exceeded();
}

void Budget::LookAtClock() {
  if (options_.clock->MonotonicNs() <= options_.deadline_ns) return;
  late_.store(true, std::memory_order_relaxed);
}

base::Status Budget::Charge(size_t samples) {
  return Admit(held_.fetch_add(samples, std::memory_order_relaxed) + samples);
}

base::Status Budget::ChargeBriefly(size_t samples, size_t bytes) {
  memory_.Touch(bytes);
  return Admit(held_.load(std::memory_order_relaxed) + samples);
}

base::Status Budget::Admit(uint64_t held) {
  uint64_t peak = peak_.load(std::memory_order_relaxed);
  while (held > peak && !peak_.compare_exchange_weak(peak, held, std::memory_order_relaxed)) {
  }
  if (memory_.exceeded()) return TooMuchMemory(memory_.bytes_max());
  if (held <= options_.samples_max) return {};
  return base::Fail(base::Code::kFailedPrecondition,
                    "query processing would load too many samples into memory in query execution");
}

base::Status Budget::AdmitBytes(size_t bytes) const {
  return memory_.WouldExceed(bytes) ? TooMuchMemory(memory_.bytes_max()) : base::Status{};
}

base::Status TooMuchMemory(uint64_t bytes_max) {
  return base::Fail(base::Code::kFailedPrecondition,
                    "query processing would hold more than {} bytes in memory", bytes_max);
}

void Annotations::Add(std::vector<std::string>& list, std::string_view level, Position at,
                      std::string_view text) {
  std::string line =
      fmt::format("PromQL {}: {} ({})", level, text, LineAndColumn(query_, at.begin));
  if (seen_.insert(line).second) list.push_back(std::move(line));
}

void Annotations::AddAll(const Annotations& other) {
  for (const std::string& line : other.warnings_) {
    if (seen_.insert(line).second) warnings_.push_back(line);
  }
  for (const std::string& line : other.infos_) {
    if (seen_.insert(line).second) infos_.push_back(line);
  }
}

void Annotations::Clear() {
  if (seen_.empty()) return;
  warnings_.clear();
  infos_.clear();
  seen_.clear();
}

}  // namespace narthex::promql
