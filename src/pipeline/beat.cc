#include "pipeline/beat.h"

#include <algorithm>

namespace narthex::pipeline {

void Beat::Start(std::chrono::nanoseconds delay) {
  thread_ = std::thread([this, due_ns = clock_.MonotonicNs() + delay.count()] { Run(due_ns); });
}

void Beat::Stop() {
  {
    base::MutexLock lock(mutex_);
    stop_ = true;
    stopping_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void Beat::Run(int64_t due_ns) {
  for (;;) {
    {
      base::MutexLock lock(mutex_);
      if (stop_) return;
      const int64_t left_ns = due_ns - clock_.MonotonicNs();
      if (left_ns > 0) {
        stopping_.WaitFor(mutex_, std::chrono::nanoseconds(left_ns));
        continue;
      }
    }
    due_ns += interval_.count();
    call_();
    due_ns = std::max(due_ns, clock_.MonotonicNs());
  }
}

}  // namespace narthex::pipeline
