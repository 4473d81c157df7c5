#pragma once

#include <cstdint>

#include "chunk/bit_stream.h"
#include "chunk/bit_string.h"
#include "model/sample.h"

namespace narthex::chunk {

// Start times of samples inside a chunk: the third byte says whether the first sample has one and
// from which sample on they are written; each stands behind its sample, as the difference to the
// time of the sample before. docs/format/xor2-chunk.md. 0 is none. One thread at a time.

// Where that byte is.
inline constexpr size_t kStartHeaderOffset = 2;

class StartTimeReader {
 public:
  explicit StartTimeReader(uint8_t header);

  // What follows sample `number`, at `t`, behind one at `before`.
  void Read(BitReader& reader, unsigned number, model::Timestamp t, model::Timestamp before) {
    if (!first_known_ && changes_at_ == 0) [[likely]] {
      return;
    }
    ReadPresent(reader, number, t, before);
  }
  // Of the sample read last.
  model::Timestamp start() const { return start_; }

 private:
  void ReadPresent(BitReader& reader, unsigned number, model::Timestamp t, model::Timestamp before);

  const bool first_known_;
  const unsigned changes_at_;  // 0: nowhere.
  model::Timestamp start_ = 0;
  int64_t difference_ = 0;
};

class StartTimeWriter {
 public:
  // Behind sample `number`; the header is in `out`.
  void Put(BitString& out, unsigned number, model::Timestamp t, model::Timestamp before,
           model::Timestamp start);

 private:
  unsigned changes_at_ = 0;
  model::Timestamp start_ = 0;
  int64_t difference_ = 0;
};

}  // namespace narthex::chunk
