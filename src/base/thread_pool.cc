#include "base/thread_pool.h"

#include <algorithm>
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
    if (left_.joinable()) threads.push_back(std::move(left_));
    wake_.NotifyAll();
  }
  dropped.clear();
  for (std::thread& thread : threads) thread.join();
}

size_t ThreadPool::threads() const {
  SharedLock lock(mutex_);
  return threads_.size();
}

// False when the thread is to end.
bool ThreadPool::AwaitWork() {
  while (queue_.empty() && !stopped_) {
    if (idle_max_ == std::chrono::milliseconds::max()) {
      wake_.Wait(mutex_);
    } else if (!wake_.WaitFor(mutex_, idle_max_) && queue_.empty()) {
      return false;
    }
  }
  return !stopped_;
}

void ThreadPool::Leave() {
  // After Stop took the list it joins this thread itself.
  const auto own = std::ranges::find(threads_, std::this_thread::get_id(), &std::thread::get_id);
  if (own == threads_.end()) return;
  // The one that left before has nothing to do any more: joining it takes no time.
  if (left_.joinable()) left_.join();
  left_ = std::move(*own);
  threads_.erase(own);
}

void ThreadPool::Work() {
  while (true) {
    std::move_only_function<void()> function;
    {
      MutexLock lock(mutex_);
      ++free_;
      const bool more = AwaitWork();
      --free_;
      if (!more) return Leave();
      function = std::move(queue_.front());
      queue_.pop_front();
    }
    function();
  }
}

}  // namespace narthex::base
