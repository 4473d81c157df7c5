#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/sample.h"
#include "promql/exec/context.h"
#include "promql/exec/tile.h"

namespace narthex::promql {

// A node of a running query that yields an instant vector over all steps, series by series, in
// tiles. One thread at a time.
class VectorOperator {
 public:
  virtual ~VectorOperator() = default;
  // Replaces `tile` by the next rows. False, with an empty tile, behind the last; and again then.
  virtual base::Result<bool> Next(Tile& tile) = 0;

  // Tells that whoever reads the rows looks at no names: they need not be dropped. REQUIRES: before
  // the first Next.
  virtual void LeaveNames() {}

  // All rows have the same name, or none: dropping it cannot make two of them equal.
  bool one_name = false;
};
using VectorOperatorPtr = std::unique_ptr<VectorOperator>;

// Of a sample in columns: its time and its value.
inline constexpr size_t kBytesPerSample = 16;

// The samples of one series for a function over a range.
struct RangeSeries {
  model::Labels labels;
  bool drop_name = false;
  model::SampleColumns samples;  // Without stale markers.
};

// A node that yields a range vector. One thread at a time.
class MatrixOperator {
 public:
  virtual ~MatrixOperator() = default;
  // False behind the last series; and again then.
  virtual base::Result<bool> Next(RangeSeries& series) = 0;

  // Where each series can be read for itself: how many there are, else 0. Then Next is not called.
  virtual size_t readable() const { return 0; }
  // Series `i`; false where it has no samples. Thread-safe. Whoever calls it tells the budget how
  // many samples were read, for many series at once. REQUIRES: i < readable().
  virtual base::Result<bool> Read(size_t, RangeSeries&) const { return false; }

  Windows windows;
  bool one_name = false;
};
using MatrixOperatorPtr = std::unique_ptr<MatrixOperator>;

// All rows of an operator, in order. The samples stay charged to the query's budget.
struct Rows {
  std::vector<Tile> tiles;
  std::vector<Row*> rows;
  HeldBytes labels_held;
};
base::Result<Rows> ReadAll(VectorOperator& input, size_t steps, Budget& budget);

// What a row weighs against the query's budget: histograms count by their size.
size_t SamplesIn(const Row& row, size_t steps);

// A query that ends meanwhile gets part of it.
Rows CopyRows(const Rows& rows, size_t steps, Budget& budget);

// Yields rows that are already there. `rows` may be a selection, in any order.
VectorOperatorPtr MakeRowsOperator(Rows rows, Budget& budget);

// Makes one row of rows with equal labels. Error: kFailedPrecondition, upstream's words, where two
// of them have a value at the same step.
base::Result<Rows> MergeEqualRows(Rows rows, size_t steps, Budget& budget);

// Rows to be filled, in tiles that are added as needed.
class RowBuilder {
 public:
  RowBuilder(size_t steps, MemoryAccount& memory) : steps_(steps), memory_(memory) {}
  Row& Add(model::Labels labels, bool drop_name);
  // Forgets rows without any value.
  Rows Take();

 private:
  const size_t steps_;
  MemoryAccount& memory_;
  Rows rows_;
};

inline bool IsEmpty(const Row& row, size_t steps) {
  return std::all_of(row.present, row.present + PresenceWords(steps),
                     [](uint64_t word) { return word == 0; });
}
inline size_t CountPresent(const Row& row, size_t steps) {
  size_t count = 0;
  for (size_t i = 0; i < PresenceWords(steps); ++i) {
    count += static_cast<size_t>(std::popcount(row.present[i]));
  }
  return count;
}

}  // namespace narthex::promql
