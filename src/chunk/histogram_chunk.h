#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/histogram.h"
#include "model/sample.h"

namespace narthex::chunk {

// Growing chunks of native histograms in Prometheus's encodings 2 (whole counts) and 3 (float
// counts): the number of samples (2 bytes), a byte whose top bits say how the chunk began, the
// layout that all samples share, then per sample the differences to the one before.
// Source: Prometheus, tsdb/chunkenc. One thread at a time.

// How a chunk began; the top bits of its third byte.
enum class ResetHeader : uint8_t {
  kUnknown = 0b00,
  kNotReset = 0b01,
  kReset = 0b10,
  kGauge = 0b11,
};

// Appends bits from the highest to the lowest of each byte.
class BitString {
 public:
  // REQUIRES: count <= 64.
  void Put(uint64_t value, unsigned count);
  std::string& bytes() { return bytes_; }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  unsigned free_ = 0;  // Bits of the last byte.
};

// The state of a value that is stored as XOR with the one before.
struct XorState {
  uint64_t bits = 0;
  uint8_t leading = 0xff;  // No window yet.
  uint8_t trailing = 0;
};

template <class Histogram, class Bucket>
class BasicHistogramChunk {
 public:
  explicit BasicHistogramChunk(ResetHeader header = ResetHeader::kUnknown) : header_(header) {}

  // False when the sample has another layout than the chunk, or the chunk is full: the caller
  // begins a new one. A stale marker (by its sum) fits always, and nothing else after it.
  // REQUIRES: t is larger than the last one.
  bool Append(model::Timestamp t, const Histogram& h);

  uint16_t count() const { return count_; }
  std::string_view bytes() const { return out_.bytes(); }
  ResetHeader header() const { return header_; }
  // REQUIRES: count() > 0.
  model::Timestamp last_time() const { return last_time_; }
  const Histogram& last() const { return last_; }

 private:
  void PutLayout(const Histogram& h);

  ResetHeader header_;
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

// Append the samples of a chunk that lie in `range` to `out`; all but the first of a chunk say that
// there was no reset. Error: kDataLoss where the bytes do not fit; what came before is in `out`.
base::Status DecodeHistograms(std::string_view bytes, model::TimeRange range,
                              model::SampleColumns& out);
base::Status DecodeFloatHistograms(std::string_view bytes, model::TimeRange range,
                                   model::SampleColumns& out);

// The same with whole counts kept whole, which floats hold up to 2^53 only. Of a chunk that says it
// began with a reset, the first sample says so.
template <class Histogram>
struct HistogramSample {
  model::Timestamp t;
  Histogram histogram;
};
base::Status DecodeExactly(std::string_view bytes, model::TimeRange range,
                           std::vector<HistogramSample<model::IntegerHistogram>>& out);
base::Status DecodeExactly(std::string_view bytes, model::TimeRange range,
                           std::vector<HistogramSample<model::FloatHistogram>>& out);

}  // namespace narthex::chunk
