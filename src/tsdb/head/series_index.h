#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "tsdb/head/identity_table.h"
#include "tsdb/head/posting_list.h"
#include "tsdb/head/series_records.h"
#include "tsdb/head/symbol_table.h"

namespace narthex::tsdb {

class ImageFile;
class ImageWriter;

// Which series there are: labels to slot, slot to labels, matchers to slots. Labels are kept as a
// schema (the list of names, shared by many series) and value numbers: for eight labels some 40
// bytes with all that finds them. Names and values go with their last series. Guarded by its owner:
// one writer, or many readers.
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

  // Every name and value of these series, sorted. Valid until the next Remove.
  std::vector<std::string_view> SymbolsOf(std::span<const Slot> slots) const;

  // Symbols, schemas and the labels of these series, as sections of an image, in which they are
  // numbered anew, from 0. Errors: those of the disk.
  base::Status Save(std::span<const Slot> slots, ImageWriter& writer) const;
  // The sections again, known to be well formed. Refers to the bytes of the file.
  struct Image {
    std::vector<std::string_view> symbols;
    std::vector<std::vector<SymbolTable::Id>> schemas;
    std::string_view records;
    uint32_t series = 0;
  };
  // Error: kDataLoss.
  static base::Result<Image> Check(const ImageFile& file, uint32_t series);
  // REQUIRES: an empty index.
  void Load(const Image& image);

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
  struct Schema {
    std::vector<SymbolId> names;  // In label order.
    uint32_t series = 0;
  };

  uint32_t SchemaOf(const std::vector<SymbolId>& names);
  void ReleaseSchema(uint32_t id);
  bool Equals(Slot slot, const model::Labels& labels) const;
  // Calls visit(name, value) for each label in order until it returns false.
  template <class Visit>
  void VisitLabels(Slot slot, Visit visit) const;
  // The value of `name` in a series; nullopt when absent.
  std::optional<SymbolId> ValueOf(Slot slot, SymbolId name) const;

  SymbolTable symbols_;
  std::vector<Schema> schemas_;
  std::vector<uint32_t> free_schemas_;
  std::map<std::vector<SymbolId>, uint32_t> schema_ids_;
  SeriesRecords records_;  // Per series: uvarint schema, uvarint value per name.
  size_t size_ = 0;
  std::unique_ptr<Postings> postings_;
  IdentityTable identity_;
  std::vector<SymbolId> names_;  // Of the series that Add is adding, with its values and record.
  std::vector<SymbolId> values_;
  std::string record_;
};

}  // namespace narthex::tsdb
