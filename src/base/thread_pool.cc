#include "base/thread_pool.h"

#include <utility>

namespace narthex::base {

void ThreadPool::Run(std::move_only_function<void()> function) {
  MutexLock lock(mutex_);
  if (stopped_) return;
  queue_.push_back(std::move(function));
  if (queue_.size() > free_ && threads_.size() < threads_max_) {
    threads_.emplace_back([this] { Work(); });
  }
  wake_.NotifyOne();
}

void ThreadPool::Stop() {
  std::deque<std::move_only_function<void()>> dropped;
  std::vector<std::thread> threads;
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    dropped.swap(queue_);
    threads.swap(threads_);
    wake_.NotifyAll();
  }
  for (std::thread& thread : threads) thread.join();
}

void ThreadPool::Work() {
  while (true) {
    std::move_only_function<void()> function;
    {
      MutexLock lock(mutex_);
      ++free_;
      while (queue_.empty() && !stopped_) wake_.Wait(mutex_);
      --free_;
      if (stopped_) return;
      function = std::move(queue_.front());
      queue_.pop_front();
    }
    function();
  }
}

}  // namespace narthex::base
