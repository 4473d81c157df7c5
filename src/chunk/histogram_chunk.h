#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "chunk/bit_string.h"
#include "chunk/start_times.h"
#include "model/histogram.h"
#include "model/sample.h"

namespace narthex::chunk {

// Growing chunks of native histograms in Prometheus's encodings 2 (whole counts) and 3 (float
// counts), or 5 and 6, which are the same with start times: docs/format/histogram-chunk.md.
// Source: Prometheus, tsdb/chunkenc. One thread at a time.

// How a chunk began; the top bits of its third byte.
enum class ResetHeader : uint8_t {
  kUnknown = 0b00,
  kNotReset = 0b01,
  kReset = 0b10,
  kGauge = 0b11,
};

// Chunks with start times keep how they began in the top bits of the number of samples.
inline constexpr uint16_t kCountMaxWithStarts = 0x3fff;

// The state of a value that is stored as XOR with the one before.
struct XorState {
  uint64_t bits = 0;
  uint8_t leading = 0xff;  // No window yet.
  uint8_t trailing = 0;
};

template <class Histogram, class Bucket>
class BasicHistogramChunk {
 public:
  // `with_starts`: of the encodings with start times.
  explicit BasicHistogramChunk(ResetHeader header = ResetHeader::kUnknown, bool with_starts = false)
      : header_(header), with_starts_(with_starts) {}

  // False when the sample has another layout than the chunk, or the chunk is full: the caller
  // begins a new one. A stale marker (by its sum) fits always, and nothing else after it.
  // REQUIRES: t is larger than the last one; `start` is 0 without start times.
  bool Append(model::Timestamp t, const Histogram& h, model::Timestamp start = 0);

  uint16_t count() const { return count_; }
  std::string_view bytes() const { return out_.bytes(); }
  ResetHeader header() const { return header_; }
  bool with_starts() const { return with_starts_; }
  uint16_t count_max() const { return with_starts_ ? kCountMaxWithStarts : 0xffff; }
  // REQUIRES: count() > 0.
  model::Timestamp last_time() const { return last_time_; }
  const Histogram& last() const { return last_; }

 private:
  void PutLayout(const Histogram& h);

  ResetHeader header_;
  bool with_starts_;
  StartTimeWriter starts_;
  BitString out_;
  Histogram last_;  // Its layout is that of the chunk.
  model::Timestamp last_time_ = 0;
  int64_t time_delta_ = 0;
  // Count, zero count, then the buckets: differences of whole counts, XOR states of float ones.
  std::vector<int64_t> deltas_;
  std::vector<XorState> xors_;
  XorState sum_;
  uint16_t count_ = 0;
};

using HistogramChunk = BasicHistogramChunk<model::IntegerHistogram, int64_t>;
using FloatHistogramChunk = BasicHistogramChunk<model::FloatHistogram, double>;

// Whether a chunk is of the encodings 5 and 6.
enum class StartTimes : bool { kNone, kPresent };

// Append the samples of a chunk that lie in `range` to `out`; all but the first of a chunk say that
// there was no reset. Error: kDataLoss where the bytes do not fit; what came before is in `out`.
base::Status DecodeHistograms(std::string_view bytes, model::TimeRange range,
                              model::SampleColumns& out, StartTimes starts = StartTimes::kNone);
base::Status DecodeFloatHistograms(std::string_view bytes, model::TimeRange range,
                                   model::SampleColumns& out,
                                   StartTimes starts = StartTimes::kNone);

// The same with whole counts kept whole, which floats hold up to 2^53 only. Of a chunk that says it
// began with a reset, the first sample says so.
template <class Histogram>
struct HistogramSample {
  model::Timestamp t;
  Histogram histogram;
  model::Timestamp start = 0;  // 0: none known.
};
base::Status DecodeExactly(std::string_view bytes, model::TimeRange range,
                           std::vector<HistogramSample<model::IntegerHistogram>>& out,
                           StartTimes starts = StartTimes::kNone);
base::Status DecodeExactly(std::string_view bytes, model::TimeRange range,
                           std::vector<HistogramSample<model::FloatHistogram>>& out,
                           StartTimes starts = StartTimes::kNone);

}  // namespace narthex::chunk
