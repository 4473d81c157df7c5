#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "chunk/bit_string.h"
#include "chunk/histogram_chunk.h"
#include "chunk/start_times.h"
#include "model/sample.h"

namespace narthex::chunk {

// A growing chunk of float samples with start times, encoding 4: docs/format/xor2-chunk.md. Only
// samples that have start times are worth it. Its bytes() are complete after every Append. One
// thread at a time. Source: Prometheus, tsdb/chunkenc/xor2.go.
class Xor2Chunk {
 public:
  static constexpr uint16_t kSamplesMax = 0xffff;

  Xor2Chunk();
  // `start` is 0 where none is known. REQUIRES: t is larger than the last one, count() <
  // kSamplesMax.
  void Append(model::Timestamp t, double v, model::Timestamp start);

  uint16_t count() const { return count_; }
  model::Timestamp last_time() const { return last_time_; }
  double last_value() const { return last_value_; }
  std::string_view bytes() const { return out_.bytes(); }

 private:
  void PutValue(double v);

  BitString out_;
  StartTimeWriter starts_;
  XorState value_;  // Of the last sample that was no stale marker.
  model::Timestamp last_time_ = 0;
  double last_value_ = 0;
  int64_t delta_ = 0;
  uint16_t count_ = 0;
};

// Appends the samples of a chunk that lie in `range` to `out`, start times included. Error:
// kDataLoss where the bytes do not fit; what came before is in `out`.
base::Status DecodeXor2(std::string_view bytes, model::TimeRange range, model::SampleColumns& out);

}  // namespace narthex::chunk
