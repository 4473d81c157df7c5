#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "base/thread_pool.h"
#include "tsdb/head/head.h"

namespace narthex::tsdb {

// Samples of a log on their way into a head: collected for a while and sorted by series, they are
// appended part by part, each part by one thread, while the next ones are read. Parts are small
// enough for a core's own cache. What a series gets, and in which order, does not depend on the
// number of threads. One thread at a time.
class ReplayFeed {
 public:
  // `threads` append, the caller's among them.
  ReplayFeed(Head& head, size_t threads);
  ~ReplayFeed();

  // True where parts were handed over: a good time for what is to be done now and then.
  bool Add(const std::vector<Head::Entry>& batch);
  // All that was added is in the head.
  void Drain();

 private:
  using Parts = std::vector<std::vector<Head::Entry>>;
  void Hand();
  void Wait();
  void Work();

  Head& head_;
  Parts collecting_;
  size_t collected_ = 0;
  size_t window_ = 0;
  Parts working_;  // Read by workers while next_ is below its size.
  std::atomic<size_t> next_{0};
  base::Mutex mutex_;
  base::CondVar idle_;
  size_t workers_ GUARDED_BY(mutex_) = 0;
  const size_t helpers_;
  base::ThreadPool pool_;  // The last: its threads use the others.
};

}  // namespace narthex::tsdb
