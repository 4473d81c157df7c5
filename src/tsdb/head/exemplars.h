#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/mutex.h"
#include "model/exemplar.h"
#include "model/matcher.h"
#include "storage/storage.h"

namespace narthex::tsdb {

// The newest exemplars of all series, a fixed number of them: one more pushes out the oldest.
// Within a series they are in time order. Thread-safe. Source: Prometheus, tsdb/exemplar.go.
class ExemplarRing {
 public:
  // Characters that names and values of an exemplar may have together. Source: OpenMetrics 1.0.0.
  static constexpr size_t kLabelCharactersMax = 128;

  explicit ExemplarRing(size_t max) : max_(max) {}

  // The verdict on one that has not been judged or has: kNotKept where the ring has no room at all.
  storage::Appended Judge(const model::Labels& series, const model::Exemplar& exemplar) const
      EXCLUDES_LOCK(mutex_);
  // Adds it unless Judge has anything against it, and counts.
  storage::Appended Add(const model::Labels& series, const model::Exemplar& exemplar)
      EXCLUDES_LOCK(mutex_);

  std::vector<storage::ExemplarSeries> Select(
      std::span<const std::vector<model::Matcher>> selectors, model::TimeRange range) const
      EXCLUDES_LOCK(mutex_);

  // All, oldest first: added in this order to an empty ring they make the same one.
  std::vector<std::pair<model::Labels, model::Exemplar>> All() const EXCLUDES_LOCK(mutex_);

  // Keeps the newest. 0 keeps none.
  void SetMax(size_t max) EXCLUDES_LOCK(mutex_);
  bool enabled() const { return max_ != 0; }
  // Counts one that Judge refused.
  void NoteOutOfOrder() { ++out_of_order_; }

  struct Statistics {
    uint64_t max = 0;
    uint64_t exemplars = 0;
    uint64_t series = 0;
    uint64_t appended = 0;
    uint64_t out_of_order = 0;
    std::optional<model::Timestamp> oldest;  // Time of the one that goes next.
  };
  Statistics statistics() const EXCLUDES_LOCK(mutex_);

 private:
  using BySeries = std::map<model::Labels, std::deque<model::Exemplar>>;

  storage::Appended JudgeLocked(const model::Labels& series, const model::Exemplar& exemplar) const
      REQUIRES_SHARED_LOCK(mutex_);
  void DropOldest() REQUIRES_LOCK(mutex_);

  mutable base::Mutex mutex_;
  std::atomic<size_t> max_;  // Changed under mutex_.
  BySeries series_ GUARDED_BY(mutex_);
  std::deque<BySeries::iterator> order_ GUARDED_BY(mutex_);  // Whose is the oldest, and so on.
  uint64_t appended_ GUARDED_BY(mutex_) = 0;
  std::atomic<uint64_t> out_of_order_{0};
};

}  // namespace narthex::tsdb
