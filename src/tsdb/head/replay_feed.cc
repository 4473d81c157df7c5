#include "tsdb/head/replay_feed.h"

#include <algorithm>

#include "base/check.h"

namespace narthex::tsdb {
namespace {

constexpr Slot kSlotsPerPart = 4096;

}  // namespace

ReplayFeed::ReplayFeed(Head& head, size_t threads)
    : head_(head), helpers_(threads - 1), pool_(std::max<size_t>(helpers_, 1)) {
  CHECK(threads > 0);
}

ReplayFeed::~ReplayFeed() { Drain(); }

bool ReplayFeed::Add(const std::vector<Head::Entry>& batch) {
  for (const Head::Entry& entry : batch) {
    const size_t part = entry.slot / kSlotsPerPart;
    if (part >= collecting_.size()) collecting_.resize(part + 1);
    collecting_[part].push_back(entry);
  }
  collected_ += batch.size();
  if (collected_ < window_) return false;
  Hand();
  return true;
}

void ReplayFeed::Hand() {
  Wait();
  for (std::vector<Head::Entry>& part : working_) part.clear();
  working_.swap(collecting_);
  collected_ = 0;
  // Some samples of each series at once, in bounded memory.
  constexpr size_t kWindowMin = 1 << 16;
  constexpr size_t kWindowMax = 1 << 21;
  window_ = std::clamp<size_t>(2 * head_.statistics().series, kWindowMin, kWindowMax);
  next_ = 0;
  {
    base::MutexLock lock(mutex_);
    workers_ = helpers_;
  }
  for (size_t i = 0; i < helpers_; ++i) {
    pool_.Run([this] {
      Work();
      base::MutexLock lock(mutex_);
      if (--workers_ == 0) idle_.NotifyAll();
    });
  }
}

void ReplayFeed::Work() {
  Head::Scratch scratch;
  for (size_t part = next_++; part < working_.size(); part = next_++) {
    head_.AppendReplayed(working_[part], scratch);
  }
}

void ReplayFeed::Wait() {
  Work();
  base::MutexLock lock(mutex_);
  while (workers_ > 0) idle_.Wait(mutex_);
}

void ReplayFeed::Drain() {
  Hand();
  Wait();
}

}  // namespace narthex::tsdb
