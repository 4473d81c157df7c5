#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/histogram.h"
#include "model/sample.h"
#include "wal/records.h"

namespace narthex::wal {

// Samples that are native histograms, with whole or float counts.
struct HistogramEntry {
  Ref ref;
  model::Timestamp t;
  model::IntegerHistogram histogram;
};
struct FloatHistogramEntry {
  Ref ref;
  model::Timestamp t;
  model::FloatHistogram histogram;
};

// Builds a histogram record: types 7 and 8, or 9 and 10 where the first entry has custom buckets.
// Times and references are stored relative to the first entry. One thread at a time.
// Source: Prometheus, tsdb/record.
class HistogramsRecord {
 public:
  // REQUIRES: all entries have whole (or all float) counts, and all (or none) custom buckets.
  void Add(const HistogramEntry& entry);
  void Add(const FloatHistogramEntry& entry);
  bool empty() const { return bytes_.empty(); }
  std::string_view bytes() const { return bytes_; }
  void Clear() { bytes_.clear(); }

 private:
  void Begin(RecordType type, Ref ref, model::Timestamp t);

  std::string bytes_;
  Ref base_ref_ = 0;
  model::Timestamp base_time_ = 0;
};

// Decoders take a whole record, type byte included, and append to `out`: also of the types 12 and
// 13, whose start times are dropped. Error: kDataLoss with the offset inside the record; entries
// before it are in `out`. What they yield is not validated.
base::Status DecodeHistograms(std::string_view record, std::vector<HistogramEntry>& out);
base::Status DecodeFloatHistograms(std::string_view record, std::vector<FloatHistogramEntry>& out);

}  // namespace narthex::wal
