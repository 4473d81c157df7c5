#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "chunk/histogram_chunk.h"
#include "chunk/xor2_chunk.h"
#include "chunk/xor_chunk.h"
#include "model/histogram.h"
#include "model/sample.h"

namespace narthex::chunk {

// A sample as chunks keep it: whole counts stay whole.
using Value = std::variant<double, model::IntegerHistogram, model::FloatHistogram>;
struct TimedValue {
  model::Timestamp t;
  Value value;
  model::Timestamp start = 0;  // When what it counts began; 0: unknown.
};

// Bit for bit; histograms whatever their layout and hint.
bool SameValue(const Value& a, const Value& b);

// Appends the samples of a chunk that lie in `range` to `out`. Errors: kDataLoss as the decoders of
// each encoding, kUnimplemented for one that is not read here; exact values are valid, else
// kDataLoss.
base::Status Decode(Encoding encoding, std::string_view bytes, model::TimeRange range,
                    model::SampleColumns& out);
base::Status Decode(Encoding encoding, std::string_view bytes, model::TimeRange range,
                    std::vector<TimedValue>& out);

// The number of samples of a chunk, as its header says; 0 without one.
uint16_t CountSamples(Encoding encoding, std::string_view bytes);

struct FinishedChunk {
  Encoding encoding;
  model::Timestamp min;
  model::Timestamp max;  // Included.
  uint16_t samples;
  std::string bytes;
};

// Turns the samples of one series, numbers and native histograms mixed, into chunks. A histogram
// chunk ends where a counter was reset, where a sample has another schema, zero bucket or custom
// bounds, where gauge and counter change, and behind a stale marker; it is written anew with more
// buckets where only those are missing. One thread at a time.
// Source: Prometheus, tsdb/chunkenc/histogram.go and float_histogram.go.
class SeriesEncoder {
 public:
  struct Limits {
    uint16_t samples = 120;
    // Histogram chunks end at this size instead, once they have a few samples.
    size_t histogram_bytes = 1024;
    int64_t range_ms = 0;  // Chunks do not cross its multiples; 0: they may.
  };
  explicit SeriesEncoder(Limits limits) : limits_(limits) {}

  // A stale marker among histograms becomes one of theirs. Where a sample has a start time, not 0,
  // it goes into a chunk of an encoding that keeps those. REQUIRES: t is larger than the last one;
  // histograms are valid.
  void Append(model::Timestamp t, const Value& value, model::Timestamp start = 0);

  // Goes on with what was the open chunk of another encoder. False where it cannot: then the chunk
  // has to stay as it is, and the next sample begins another. Error: kDataLoss. REQUIRES: nothing
  // was appended.
  base::Result<bool> Resume(const FinishedChunk& open);

  // Chunks that are done since the last call, in time order.
  std::vector<FinishedChunk> TakeFinished();
  // Ends the open chunk.
  void Finish();

  // The open chunk. Its bytes are complete after every Append.
  bool has_open() const { return !std::holds_alternative<std::monostate>(open_); }
  Encoding encoding() const;
  model::Timestamp open_min() const { return open_min_; }
  model::Timestamp last_time() const { return last_time_; }
  uint16_t count() const;
  std::string_view bytes() const;
  // Whether `value` is what the open chunk ends with, bit for bit.
  bool EndsWith(const Value& value) const;

 private:
  void AppendNumber(model::Timestamp t, double v, model::Timestamp start);
  template <class Chunk, class Histogram>
  void AppendHistogram(model::Timestamp t, const Histogram& h, model::Timestamp start);
  // Whether the open chunk takes a sample with that start time.
  bool Takes(model::Timestamp start) const;
  bool Full(model::Timestamp t) const;

  const Limits limits_;
  std::variant<std::monostate, XorChunk, Xor2Chunk, HistogramChunk, FloatHistogramChunk> open_;
  model::Timestamp open_min_ = 0;
  model::Timestamp last_time_ = 0;
  std::vector<FinishedChunk> finished_;
  bool resuming_ = false;  // No chunk is full.
};

// The chunks of these samples, which are in time order, as one series' own. No chunk has more than
// `samples` numbers.
std::vector<FinishedChunk> Encode(const std::vector<TimedValue>& values,
                                  uint16_t samples = XorChunk::kSamplesMax);

}  // namespace narthex::chunk
