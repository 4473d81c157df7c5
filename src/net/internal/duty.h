#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>

#include "base/mutex.h"

namespace narthex::net::internal {

// Which of two threads serves a loop. While the one on duty runs a function that may take long, the
// other looks now and then whether it still does, and then takes the duty over: short functions
// cost no change of threads, and long ones hold nobody up. Thread-safe.
class Duty {
 public:
  // A function is left behind after one to two of these. The watcher looks as often; it sleeps when
  // there was nothing to watch for some of them.
  static constexpr std::chrono::milliseconds kPatience{4};
  static constexpr int kQuietLooks = 4;

  // Waits until thread `slot`, 0 or 1, is on duty; 0 is at first. False after Stop.
  bool Await(size_t slot);
  // Ends both threads' Await, now and later.
  void Stop();

  // True on the thread on duty, which stays so until it calls Run. Called within a function of Run
  // it ends the watch: true where the duty is still its thread's.
  bool OnDuty();
  // Calls `function` at once where this thread is on duty and the other one watches. False: not
  // called.
  bool Run(std::move_only_function<void()>& function);

 private:
  // Functions begun << 2 | one is running << 1 | who is on duty. Only the thread on duty changes
  // it, and the one that takes over while a function is running.
  static constexpr uint64_t kSlot = 1, kRunning = 2, kBegun = 4;

  std::atomic<uint64_t> state_{0};
  std::array<std::atomic<std::thread::id>, 2> ids_{};
  std::atomic<bool> watched_{false};
  std::atomic<bool> asleep_{false};  // The watcher waits for the next function.
  base::Mutex mutex_;
  base::CondVar wake_;
  bool stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace narthex::net::internal
