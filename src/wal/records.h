#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/sample.h"

namespace narthex::wal {

// The payload of one WAL record: a type byte and a body, as docs/format/wal.md lays out.
// Source: Prometheus, tsdb/docs/format/wal.md and tsdb/record.
enum class RecordType : uint8_t {
  kSeries = 1,
  kSamples = 2,
  kTombstones = 3,
  kExemplars = 4,
  kMmapMarkers = 5,
  kMetadata = 6,
  kHistograms = 7,
  kFloatHistograms = 8,
  kCustomHistograms = 9,
  kCustomFloatHistograms = 10,
  kSamplesV2 = 11,
  kHistogramsV2 = 12,
  kFloatHistogramsV2 = 13,
};
inline constexpr uint8_t kRecordTypeMax = 13;
// What stands in the records of types 11 to 13 for the start time of a sample: 0 none, 1 that of
// the sample before, and
inline constexpr uint8_t kExplicitStart = 2;  // a varint difference to that of the first one.

// Of those with histograms: whole counts, or float ones.
constexpr bool HasWholeCounts(RecordType type) {
  return type == RecordType::kHistograms || type == RecordType::kCustomHistograms ||
         type == RecordType::kHistogramsV2;
}

// A series reference that lives as long as the WAL: Prometheus's HeadSeriesRef.
using Ref = uint64_t;

struct SeriesEntry {
  Ref ref;
  model::Labels labels;
};

struct SampleEntry {
  Ref ref;
  model::Timestamp t;
  double v;
};

// A deleted range of a series, ends included.
struct TombstoneEntry {
  Ref ref;
  model::TimeRange range;
};

// Empties a buffer that will be filled again, and gives its memory back where it has become larger
// than those mostly are: the first scrape of a large target is some ten times the size of the
// others.
inline void Reuse(std::string& buffer) {
  constexpr size_t kKeptBytesMax = 4 << 20;
  if (buffer.capacity() > kKeptBytesMax) {
    buffer = {};
  } else {
    buffer.clear();
  }
}

// Builds a series record entry by entry. One thread at a time.
class SeriesRecord {
 public:
  void Add(Ref ref, const model::Labels& labels);
  bool empty() const { return bytes_.empty(); }
  std::string_view bytes() const { return bytes_; }
  void Clear() { Reuse(bytes_); }

 private:
  std::string bytes_;
};

// Builds a samples record (type 2): times and references are stored relative to the first entry.
class SamplesRecord {
 public:
  void Add(const SampleEntry& sample);
  bool empty() const { return size_ == 0; }
  std::string_view bytes() const { return std::string_view(buffer_).substr(0, size_); }
  void Clear() { size_ = 0; }

 private:
  std::string buffer_;  // With room behind the record: one check per sample, and no copy.
  size_t size_ = 0;
  Ref base_ref_ = 0;
  model::Timestamp base_time_ = 0;
};

// Builds a tombstones record (type 3).
class TombstonesRecord {
 public:
  void Add(const TombstoneEntry& entry);
  bool empty() const { return bytes_.empty(); }
  std::string_view bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Decoders take a whole record, type byte included, and append to `out`. Error: kDataLoss with the
// offset inside the record; entries before it are in `out`.
base::Status DecodeSeries(std::string_view record, std::vector<SeriesEntry>& out);
// Types 2 and 11; start times are dropped.
base::Status DecodeSamples(std::string_view record, std::vector<SampleEntry>& out);
base::Status DecodeTombstones(std::string_view record, std::vector<TombstoneEntry>& out);

}  // namespace narthex::wal
