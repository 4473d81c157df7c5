#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "chunk/series_encoder.h"
#include "model/sample.h"

namespace narthex::tsdb {

// Deleted stretches of time of one series: sorted, apart from each other. A value.
class Intervals {
 public:
  // Joins what overlaps or touches. REQUIRES: range.min <= range.max.
  void Add(model::TimeRange range);

  // One interval holds all of `range`.
  bool Cover(model::TimeRange range) const;
  bool Overlap(model::TimeRange range) const;
  // Takes deleted samples out of `samples`, from the one at `begin` on.
  void RemoveFrom(model::SampleColumns& samples, size_t begin) const;
  // The same; the number of those taken out.
  size_t RemoveFrom(std::vector<chunk::TimedValue>& samples) const;

  bool empty() const { return ranges_.empty(); }
  std::span<const model::TimeRange> ranges() const { return ranges_; }

 private:
  std::vector<model::TimeRange> ranges_;
};

// What is deleted in a block: series number to intervals. A value. docs/format/tombstones.md.
// Source: Prometheus, tsdb/docs/format/tombstones.md.
class Tombstones {
 public:
  // Error: kDataLoss.
  static base::Result<Tombstones> Decode(std::string_view bytes);
  std::string Encode() const;

  void Add(uint64_t series, model::TimeRange range) { series_[series].Add(range); }
  const Intervals* Find(uint64_t series) const;  // Null without any.

  bool empty() const { return series_.empty(); }
  uint64_t count() const;  // Intervals of all series.
  const std::map<uint64_t, Intervals>& series() const { return series_; }

 private:
  std::map<uint64_t, Intervals> series_;
};

}  // namespace narthex::tsdb
