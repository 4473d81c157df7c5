#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>

// Clang's thread-safety analysis; nothing under other compilers.
#if defined(__clang__)
#define NARTHEX_TSA(x) __attribute__((x))
#else
#define NARTHEX_TSA(x)
#endif
#define CAPABILITY(x) NARTHEX_TSA(capability(x))
#define SCOPED_CAPABILITY NARTHEX_TSA(scoped_lockable)
#define GUARDED_BY(x) NARTHEX_TSA(guarded_by(x))
#define REQUIRES_LOCK(...) NARTHEX_TSA(requires_capability(__VA_ARGS__))
#define REQUIRES_SHARED_LOCK(...) NARTHEX_TSA(requires_shared_capability(__VA_ARGS__))
#define EXCLUDES_LOCK(...) NARTHEX_TSA(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) NARTHEX_TSA(acquire_capability(__VA_ARGS__))
#define ACQUIRE_SHARED(...) NARTHEX_TSA(acquire_shared_capability(__VA_ARGS__))
#define RELEASE(...) NARTHEX_TSA(release_capability(__VA_ARGS__))
#define RELEASE_GENERIC(...) NARTHEX_TSA(release_generic_capability(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS NARTHEX_TSA(no_thread_safety_analysis)

namespace narthex::base {

// std::shared_mutex that the analysis knows. Thread-safe.
class CAPABILITY("mutex") Mutex {
 public:
  void Lock() ACQUIRE() { mutex_.lock(); }
  void Unlock() RELEASE() { mutex_.unlock(); }
  void LockShared() ACQUIRE_SHARED() { mutex_.lock_shared(); }
  void UnlockShared() RELEASE_GENERIC() { mutex_.unlock_shared(); }
  // The names that std::condition_variable_any looks for.
  void lock() ACQUIRE() { Lock(); }
  void unlock() RELEASE() { Unlock(); }

 private:
  std::shared_mutex mutex_;
};

class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

class SCOPED_CAPABILITY SharedLock {
 public:
  explicit SharedLock(Mutex& mutex) ACQUIRE_SHARED(mutex) : mutex_(mutex) { mutex_.LockShared(); }
  ~SharedLock() RELEASE_GENERIC() { mutex_.UnlockShared(); }
  SharedLock(const SharedLock&) = delete;
  SharedLock& operator=(const SharedLock&) = delete;

 private:
  Mutex& mutex_;
};

// A condition variable for a Mutex that the caller holds exclusively.
class CondVar {
 public:
  void Wait(Mutex& mutex) REQUIRES_LOCK(mutex) { cv_.wait(mutex); }
  // False on time-out. The condition must be tested again either way.
  bool WaitFor(Mutex& mutex, std::chrono::nanoseconds timeout) REQUIRES_LOCK(mutex) {
    return cv_.wait_for(mutex, timeout) == std::cv_status::no_timeout;
  }
  void NotifyOne() { cv_.notify_one(); }
  void NotifyAll() { cv_.notify_all(); }

 private:
  std::condition_variable_any cv_;
};

}  // namespace narthex::base
