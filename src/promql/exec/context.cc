#include "promql/exec/context.h"

#include <algorithm>

#include "promql/parser/parser.h"

namespace narthex::promql {

base::Status Budget::Check() {
  constexpr uint64_t kCallsPerClockReading = 8;
  if (calls_++ % kCallsPerClockReading != 0) return {};
  if (options_.stop.stop_requested()) {
    return base::Fail(base::Code::kCancelled, "query was canceled in expression evaluation");
  }
  if (options_.clock->MonotonicNs() > options_.deadline_ns) {
    return base::Fail(base::Code::kDeadlineExceeded, "query timed out in expression evaluation");
  }
  return {};
}

base::Status Budget::Charge(size_t samples) {
  held_ += samples;
  peak_ = std::max(peak_, held_);
  if (held_ <= options_.samples_max) return {};
  return base::Fail(base::Code::kFailedPrecondition,
                    "query processing would load too many samples into memory in query execution");
}

void Annotations::Add(std::vector<std::string>& list, std::string_view level, Position at,
                      std::string_view text) {
  std::string line =
      fmt::format("PromQL {}: {} ({})", level, text, LineAndColumn(query_, at.begin));
  if (seen_.insert(line).second) list.push_back(std::move(line));
}

}  // namespace narthex::promql
