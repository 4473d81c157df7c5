#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <optional>
#include <vector>

#include "tsdb/head/series_index.h"
#include "wal/records.h"

namespace narthex::tsdb {

// Series by the references that a log gives them. Both count up from 1, so that most lie in an
// array; those far above the number of series are in a map. One thread at a time, or many readers.
class SlotsByRef {
 public:
  std::optional<Slot> Find(wal::Ref ref) const {
    if (ref < dense_.size()) {
      return dense_[ref] == kNone ? std::nullopt : std::optional(dense_[ref]);
    }
    const auto found = sparse_.find(ref);
    return found == sparse_.end() ? std::nullopt : std::optional(found->second);
  }
  // True for a new one; else the slot replaces the other.
  bool Set(wal::Ref ref, Slot slot) {
    constexpr size_t kAheadMax = 1 << 16;
    if (ref >= dense_.size() && ref < dense_.size() + kAheadMax && !sparse_.contains(ref)) {
      dense_.resize(ref + 1, kNone);
      // Whoever was ahead before.
      for (auto at = sparse_.begin(); at != sparse_.end();) {
        if (at->first >= dense_.size()) {
          ++at;
          continue;
        }
        dense_[at->first] = at->second;
        sparse_.erase(at++);
      }
    }
    if (ref >= dense_.size()) return sparse_.insert_or_assign(ref, slot).second;
    const bool is_new = dense_[ref] == kNone;
    dense_[ref] = slot;
    return is_new;
  }

 private:
  static constexpr Slot kNone = ~Slot{0};
  std::vector<Slot> dense_;
  boost::unordered_flat_map<wal::Ref, Slot> sparse_;
};

}  // namespace narthex::tsdb
