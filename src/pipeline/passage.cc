#include "pipeline/passage.h"

#include <algorithm>

#include "base/mutex.h"

namespace narthex::pipeline {
namespace {

// What several requests, or one that took several ways, came to.
struct Gathering {
  base::Mutex mutex;
  size_t left GUARDED_BY(mutex);
  PassedAnswer answer GUARDED_BY(mutex);
  Passage::Done done GUARDED_BY(mutex);

  Gathering(size_t requests, Passage::Done when_done)
      : left(requests), done(std::move(when_done)) {}

  void Add(PassedAnswer one) {
    PassedAnswer all;
    Passage::Done tell;
    {
      base::MutexLock lock(mutex);
      // The first error, and the longest wait that any of them asks for.
      one.retry_after = std::max(one.retry_after, answer.retry_after);
      if (answer.status.has_value()) {
        answer = std::move(one);
      } else {
        answer.retry_after = one.retry_after;
      }
      if (--left > 0) return;
      all = std::move(answer);
      tell = std::move(done);
    }
    tell(std::move(all));
  }
};

}  // namespace

std::string_view NameOf(Signal signal) {
  switch (signal) {
    case Signal::kMetrics:
      return "metrics";
    case Signal::kTraces:
      return "traces";
    case Signal::kLogs:
      return "logs";
  }
  return "";
}

std::string_view ItemsOf(Signal signal) {
  switch (signal) {
    case Signal::kMetrics:
      return "metric_points";
    case Signal::kTraces:
      return "spans";
    case Signal::kLogs:
      return "log_records";
  }
  return "";
}

bool PassageFanOut::TakesJson() const {
  return std::ranges::all_of(next_, [](const Passage* next) { return next->TakesJson(); });
}

void PassageFanOut::Pass(PassedRequest request, Done done) {
  const auto gather = GatherAnswers(next_.size(), std::move(done));
  for (Passage* next : next_) next->Pass(request, gather);
}

std::function<void(PassedAnswer)> GatherAnswers(size_t requests, Passage::Done done) {
  const auto gathering = std::make_shared<Gathering>(requests, std::move(done));
  return [gathering](PassedAnswer answer) { gathering->Add(std::move(answer)); };
}

}  // namespace narthex::pipeline
