#pragma once

#include <memory>
#include <optional>

#include "promql/exec/operator.h"

namespace narthex::promql {

// What comes out of one part of a source.
struct PartOutput {
  Tile tile;
  Annotations annotations;
  // Of the first series that has samples, where the source says so.
  std::optional<model::Labels> first_series;
};

// Rows that can be made in parts, each for itself: a stretch of the series of a selector with
// everything that is done to each series alone.
class PartSource {
 public:
  virtual ~PartSource() = default;
  virtual size_t series() const = 0;
  // Appends the rows of series [begin, end) in order. Thread-safe. REQUIRES: the tile is empty and
  // has room for as many rows.
  virtual base::Status Fill(size_t begin, size_t end, PartOutput& out) const = 0;
};

// Reads the parts of a source in order. Where the query may use several threads and what is left
// after the first parts is worth it, parts are made ahead on them: what is read is the same for any
// number of threads. One thread at a time.
class PartReader {
 public:
  // `source` must outlive it.
  PartReader(QueryContext& context, const PartSource& source, size_t steps);
  // Waits for the parts that are being made.
  ~PartReader();
  PartReader(const PartReader&) = delete;
  PartReader& operator=(const PartReader&) = delete;

  // Replaces `out` by the next part that has rows or a first series; its annotations are added to
  // the query's. False behind the last.
  base::Result<bool> Next(PartOutput& out);
  // For Next.
  PartOutput MakeOutput() const;

 private:
  class Ahead;
  base::Status Make(PartOutput& out);
  void CallHelp();

  QueryContext& context_;
  const PartSource& source_;
  const size_t steps_;
  size_t series_per_part_;
  size_t parts_;
  size_t next_ = 0;
  uint64_t work_done_ = 0;        // Samples and steps, before there was help.
  std::shared_ptr<Ahead> ahead_;  // Null on one thread, and for work that is not worth more.
};

}  // namespace narthex::promql
