#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/check.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "promql/exec/grid.h"
#include "promql/exec/memory.h"
#include "promql/exec/watch.h"

namespace narthex::promql {

// One series of a result: a value per step and a bit per step that says whether there is one. The
// memory belongs to a Tile. Some of the values may be native histograms; most rows have none and
// pay nothing for them.
struct Row {
  model::Labels labels;
  // The name is to go from the final result, but operators above still see it.
  bool drop_name = false;
  double* values = nullptr;
  uint64_t* present = nullptr;
  // Empty where all values are numbers, else one per step, null for numbers and where there is no
  // value.
  std::vector<model::HistogramPtr> histograms;

  bool Has(size_t step) const { return (present[step / 64] >> (step % 64)) & 1; }
  void Set(size_t step, double value) {
    values[step] = value;
    present[step / 64] |= uint64_t{1} << (step % 64);
  }
  // Of values that have been written: which steps have one. Steps that had one keep it.
  void SetPresent(std::span<const uint64_t> words) {
    for (size_t i = 0; i < words.size(); ++i) present[i] |= words[i];
  }
  void Clear(size_t step) { present[step / 64] &= ~(uint64_t{1} << (step % 64)); }

  bool HasHistograms() const { return !histograms.empty(); }
  bool IsHistogram(size_t step) const { return !histograms.empty() && histograms[step] != nullptr; }
  // `steps`: of the tile.
  void SetHistogram(size_t step, model::HistogramPtr histogram, size_t steps) {
    if (histograms.empty()) histograms.resize(steps);
    Set(step, histogram->sum);
    histograms[step] = std::move(histogram);
  }
  // In place of a histogram; Set alone leaves it there.
  void SetNumber(size_t step, double value) {
    if (!histograms.empty()) histograms[step].reset();
    Set(step, value);
  }
  // The value of another row at this step.
  void SetFrom(const Row& other, size_t step, size_t steps) {
    if (other.IsHistogram(step)) {
      SetHistogram(step, other.histograms[step], steps);
    } else {
      SetNumber(step, other.values[step]);
    }
  }
  // Leaves numbers only. True when there was a histogram.
  bool DropHistograms();
};

inline bool Row::DropHistograms() {
  if (histograms.empty()) [[likely]]
    return false;
  bool any = false;
  for (size_t step = 0; step < histograms.size(); ++step) {
    if (histograms[step] == nullptr) continue;
    any |= Has(step);
    Clear(step);
  }
  histograms.clear();
  return any;
}

inline size_t PresenceWords(size_t steps) { return (steps + 63) / 64; }

// Calls visit(step) for every bit of some steps that is set, in order.
template <class Visit>
void ForEachPresent(const uint64_t* present, StepRange steps, Visit&& visit) {
  for (size_t word = steps.begin / 64; word < PresenceWords(steps.end); ++word) {
    for (uint64_t bits = present[word]; bits != 0; bits &= bits - 1) {
      visit(word * 64 + static_cast<size_t>(std::countr_zero(bits)));
    }
  }
}
// The same for all steps; no more of them when the query has ended.
template <class Visit>
void ForEachPresent(const uint64_t* present, size_t steps, Watch& watch, Visit&& visit) {
  watch.InStretches(0, steps, [&](size_t from, size_t to) {
    ForEachPresent(present, StepRange{from, to}, visit);
  });
}
// For few steps, or such a visit as looks at the watch itself.
template <class Visit>
void ForEachPresent(const uint64_t* present, size_t steps, Visit&& visit) {
  ForEachPresent(present, StepRange{0, steps}, std::forward<Visit>(visit));
}

// Up to kRowsMax series with all their steps, about a megabyte: what operators hand to each other.
// Reused from batch to batch. Move-only, one thread at a time.
class Tile {
 public:
  static constexpr size_t kRowsMax = 256;
  static constexpr size_t kValuesMax = size_t{1} << 17;

  Tile(size_t steps, MemoryAccount& memory)
      : steps_(steps),
        capacity_(std::clamp<size_t>(kValuesMax / steps, 1, kRowsMax)),
        held_(memory) {}

  // A row without values. REQUIRES: !full(). References to rows live as long as the tile.
  Row& Add(model::Labels labels, bool drop_name) {
    Row& row = Add(drop_name);
    row.labels = std::move(labels);
    return row;
  }
  // One whose labels are anything: the caller sets them, and may use their memory again.
  Row& Add(bool drop_name) {
    DCHECK(!full());
    if (values_ == nullptr) Allocate();
    if (size_ == rows_.size()) AppendRow();
    Row& row = rows_[size_++];
    row.drop_name = drop_name;
    row.histograms.clear();
    std::memset(row.values, 0, steps_ * sizeof(double));
    std::memset(row.present, 0, PresenceWords(steps_) * sizeof(uint64_t));
    return row;
  }
  void RemoveLast() { --size_; }
  void Clear() { size_ = 0; }
  size_t steps() const { return steps_; }
  size_t capacity() const { return capacity_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == capacity_; }
  Row& operator[](size_t i) { return rows_[i]; }
  const Row& operator[](size_t i) const { return rows_[i]; }
  Row* begin() { return rows_.data(); }
  Row* end() { return rows_.data() + size_; }
  const Row* begin() const { return rows_.data(); }
  const Row* end() const { return rows_.data() + size_; }

 private:
  void Allocate() {
    const size_t words = PresenceWords(steps_);
    held_.Set(capacity_ * (steps_ * sizeof(double) + words * sizeof(uint64_t) + sizeof(Row)));
    values_ = std::make_unique_for_overwrite<double[]>(capacity_ * steps_);
    present_ = std::make_unique_for_overwrite<uint64_t[]>(capacity_ * words);
    rows_.reserve(capacity_);  // So that none moves.
  }
  void AppendRow() {
    Row& row = rows_.emplace_back();
    row.values = values_.get() + size_ * steps_;
    row.present = present_.get() + size_ * PresenceWords(steps_);
  }

  size_t steps_;
  size_t capacity_;
  size_t size_ = 0;
  HeldBytes held_;
  std::unique_ptr<double[]> values_;
  std::unique_ptr<uint64_t[]> present_;
  std::vector<Row> rows_;
};

}  // namespace narthex::promql
