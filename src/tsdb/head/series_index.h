#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/labels.h"
#include "model/matcher.h"
#include "tsdb/head/stable_array.h"
#include "tsdb/head/symbol_table.h"

namespace narthex::tsdb {

// A series' dense number in the head, in order of creation.
using Slot = uint32_t;

// Which series there are: labels to slot, slot to labels, matchers to slots. Labels are kept as a
// schema (the list of names, shared by many series) and value numbers: some 20 bytes for eight
// labels. Guarded by its owner: one writer, or many readers.
class SeriesIndex {
 public:
  SeriesIndex();
  ~SeriesIndex();

  std::optional<Slot> Find(const model::Labels& labels) const;
  // REQUIRES: not there yet. Slots count up from 0.
  Slot Add(const model::Labels& labels);

  // Takes series out. Their slots are never used again. REQUIRES: ascending, in the index.
  void Remove(std::span<const Slot> slots);

  // Series in the index, removed ones not counted.
  size_t size() const { return size_; }
  model::Labels LabelsOf(Slot slot) const;
  // Slots of the series that match all, ascending. Every series when there is no matcher.
  std::vector<Slot> Select(std::span<const model::Matcher> matchers) const;
  // Puts slots into label order.
  void SortByLabels(std::vector<Slot>& slots) const;

  // Sorted. With a list of slots, only what occurs in those series.
  std::vector<std::string> LabelNames(const std::vector<Slot>* slots) const;
  std::vector<std::string> LabelValues(std::string_view name, const std::vector<Slot>* slots) const;

  // Every name and value of these series, sorted. Valid as long as the index.
  std::vector<std::string_view> SymbolsOf(std::span<const Slot> slots) const;

  // Cardinality, for the status page.
  struct Count {
    std::string name;
    uint64_t value;
  };
  struct Statistics {
    uint64_t label_pairs = 0;
    std::vector<Count> series_by_metric;
    std::vector<Count> values_by_label;
    std::vector<Count> bytes_by_label;
    std::vector<Count> series_by_pair;
  };
  // Bytes by purpose.
  struct Memory {
    uint64_t records = 0;
    uint64_t identity = 0;
    uint64_t postings = 0;
    uint64_t symbols = 0;
  };
  Memory memory() const;
  // The `limit` largest of each kind, largest first.
  Statistics Analyze(size_t limit) const;

 private:
  using SymbolId = SymbolTable::Id;
  struct Postings;  // Series by (name, value); values by name.
  struct Identity;  // Labels to slot.

  uint32_t SchemaOf(const std::vector<SymbolId>& names);
  size_t RecordBytes(Slot slot) const;
  bool Equals(Slot slot, const model::Labels& labels) const;
  // Calls visit(name, value) for each label in order until it returns false.
  template <class Visit>
  void VisitLabels(Slot slot, Visit visit) const;
  // The value of `name` in a series; nullopt when absent.
  std::optional<SymbolId> ValueOf(Slot slot, SymbolId name) const;

  SymbolTable symbols_;
  std::vector<std::vector<SymbolId>> schemas_;  // Names in label order.
  std::map<std::vector<SymbolId>, uint32_t> schema_ids_;
  // By slot. Blocks of old slots go when all their series are gone.
  struct Row {
    uint64_t record;  // Offset in records_; kRemoved for a removed series.
    uint64_t hash;
  };
  static constexpr uint64_t kRemoved = ~uint64_t{0};

  void CompactRecords();

  std::string records_;  // Per series: uvarint schema, uvarint value per name.
  uint64_t removed_record_bytes_ = 0;
  StableArray<Row> rows_;
  size_t size_ = 0;
  Slot first_row_ = 0;  // Rows before it have been given back.
  std::unique_ptr<Postings> postings_;
  std::unique_ptr<Identity> identity_;
};

}  // namespace narthex::tsdb
