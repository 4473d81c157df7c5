#include "promql/exec/operator.h"

#include <unordered_map>

namespace narthex::promql {
namespace {

void CopyValues(const Row& from, size_t steps, Watch& watch, Row& to) {
  watch.InStretches(0, steps, [&](size_t begin, size_t end) {
    std::copy_n(from.values + begin, end - begin, to.values + begin);
  });
  std::copy_n(from.present, PresenceWords(steps), to.present);
}

class RowsOperator final : public VectorOperator {
 public:
  RowsOperator(Rows rows, Budget& budget) : rows_(std::move(rows)), watch_(budget) {}

  base::Result<bool> Next(Tile& tile) override {
    tile.Clear();
    const size_t steps = tile.steps();
    for (; next_ < rows_.rows.size() && !tile.full(); ++next_) {
      Row& from = *rows_.rows[next_];
      Row& to = tile.Add(std::move(from.labels), from.drop_name);
      CopyValues(from, steps, watch_, to);
      to.histograms = std::move(from.histograms);
    }
    return !tile.empty();
  }

 private:
  Rows rows_;
  Watch watch_;
  size_t next_ = 0;
};

}  // namespace

base::Result<Rows> ReadAll(VectorOperator& input, size_t steps, Budget& budget) {
  Rows all;
  all.labels_held = HeldBytes(budget.memory());
  while (true) {
    Tile tile(steps, budget.memory());
    ASSIGN_OR_RETURN(const bool more, input.Next(tile));
    if (!more) break;
    size_t samples = 0;
    size_t label_bytes = 0;
    for (const Row& row : tile) {
      samples += SamplesIn(row, steps);
      label_bytes += row.labels.bytes().size();
    }
    all.labels_held.Add(label_bytes);
    RETURN_IF_ERROR(budget.Charge(samples));
    all.tiles.push_back(std::move(tile));
  }
  for (Tile& tile : all.tiles) {
    for (Row& row : tile) all.rows.push_back(&row);
  }
  return all;
}

size_t SamplesIn(const Row& row, size_t steps) {
  size_t samples = CountPresent(row, steps);
  if (!row.HasHistograms()) return samples;
  ForEachPresent(row.present, steps, [&](size_t step) {
    if (row.IsHistogram(step)) samples += row.histograms[step]->SizeInSamples();
  });
  return samples;
}

Rows CopyRows(const Rows& rows, size_t steps, Budget& budget) {
  RowBuilder copies(steps, budget.memory());
  Watch watch(budget);
  for (const Row* row : rows.rows) {
    Row& copy = copies.Add(row->labels, row->drop_name);
    CopyValues(*row, steps, watch, copy);
    copy.histograms = row->histograms;
  }
  return copies.Take();
}

VectorOperatorPtr MakeRowsOperator(Rows rows, Budget& budget) {
  return std::make_unique<RowsOperator>(std::move(rows), budget);
}

base::Result<Rows> MergeEqualRows(Rows rows, size_t steps, Budget& budget) {
  Watch watch(budget);
  std::unordered_map<model::Labels, Row*> by_labels;
  std::vector<Row*> merged;
  const size_t words = PresenceWords(steps);
  for (Row* row : rows.rows) {
    const auto [at, is_new] = by_labels.try_emplace(row->labels, row);
    if (is_new) {
      merged.push_back(row);
      continue;
    }
    Row& into = *at->second;
    for (size_t word = 0; word < words; ++word) {
      if ((into.present[word] & row->present[word]) != 0) {
        return base::Fail(base::Code::kFailedPrecondition,
                          "vector cannot contain metrics with the same labelset");
      }
    }
    ForEachPresent(row->present, steps, watch,
                   [&](size_t step) { into.SetFrom(*row, step, steps); });
  }
  rows.rows = std::move(merged);
  return rows;
}

Row& RowBuilder::Add(model::Labels labels, bool drop_name) {
  if (rows_.tiles.empty() || rows_.tiles.back().full()) rows_.tiles.emplace_back(steps_, memory_);
  Row& row = rows_.tiles.back().Add(std::move(labels), drop_name);
  rows_.rows.push_back(&row);
  return row;
}

Rows RowBuilder::Take() {
  std::erase_if(rows_.rows, [this](const Row* row) { return IsEmpty(*row, steps_); });
  return std::move(rows_);
}

}  // namespace narthex::promql
