#include "net/internal/worker_pool.h"

#include <utility>

namespace narthex::net::internal {

void WorkerPool::Run(std::move_only_function<void()> function) {
  base::MutexLock lock(mutex_);
  if (stopped_) return;
  queue_.push_back(std::move(function));
  if (queue_.size() > free_ && threads_.size() < threads_max_) {
    threads_.emplace_back([this] { Work(); });
  }
  wake_.NotifyOne();
}

void WorkerPool::Stop() {
  std::deque<std::move_only_function<void()>> dropped;
  std::vector<std::thread> threads;
  {
    base::MutexLock lock(mutex_);
    stopped_ = true;
    dropped.swap(queue_);
    threads.swap(threads_);
    wake_.NotifyAll();
  }
  for (std::thread& thread : threads) thread.join();
}

void WorkerPool::Work() {
  while (true) {
    std::move_only_function<void()> function;
    {
      base::MutexLock lock(mutex_);
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

}  // namespace narthex::net::internal
