#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include "base/clock.h"
#include "base/mutex.h"

namespace narthex::pipeline {

// Calls something at equal intervals, in a thread of its own. What was missed during a long call,
// or while the machine slept, is not made up for. Thread-safe.
class Beat {
 public:
  Beat(const base::Clock& clock, std::chrono::nanoseconds interval, std::function<void()> call)
      : clock_(clock), interval_(interval), call_(std::move(call)) {}
  ~Beat() { Stop(); }

  // The first call comes after `delay`. REQUIRES: not started before.
  void Start(std::chrono::nanoseconds delay);
  void Start() { Start(interval_); }
  // No call is under way when it returns, and none comes afterwards. Works twice, or without Start.
  void Stop();

 private:
  void Run(int64_t due_ns);

  const base::Clock& clock_;
  const std::chrono::nanoseconds interval_;
  const std::function<void()> call_;
  base::Mutex mutex_;
  base::CondVar stopping_;
  bool stop_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace narthex::pipeline
