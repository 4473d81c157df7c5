#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "model/exemplar.h"
#include "model/metadata.h"
#include "tsdb/head/head.h"
#include "wal/histogram_records.h"

namespace narthex::tsdb {

// What one appender has collected, in an order that the log can keep: numbers first, histograms
// behind them, and a further part where a series changes its form, since a record holds samples of
// one form. One thread at a time.
class Batch {
 public:
  void Add(const Head::Entry& number) {
    if (!forms_.empty()) [[unlikely]] {
      BeginPartFor(number.slot);
    }
    CurrentNumbers().push_back(number);
  }
  void AddHistogram(Head::HistogramEntry histogram);
  void Clear();

  // Of the first part; most batches have no other.
  std::vector<Head::Entry>& numbers() { return numbers_; }
  std::vector<Head::BatchPart>& more() { return more_; }
  // Has no samples.
  bool empty() const { return numbers_.empty() && more_.empty(); }
  // The newest sample if it is of this series, else null.
  const Head::Entry* LastNumber(Slot slot) {
    const std::vector<Head::Entry>& numbers = CurrentNumbers();
    return numbers.empty() || numbers.back().slot != slot ? nullptr : &numbers.back();
  }
  const Head::HistogramEntry* LastHistogram(Slot slot) const;

  struct ExemplarEntry {
    Slot slot;
    model::Labels series;
    model::Exemplar exemplar;  // With a time.
  };
  struct MetadataEntry {
    Slot slot;
    model::Metadata metadata;
  };
  std::vector<ExemplarEntry> exemplars;
  std::vector<MetadataEntry> metadata;

 private:
  std::vector<Head::Entry>& CurrentNumbers() {
    return part_ == 0 ? numbers_ : more_[part_ - 1].numbers;
  }
  void BeginPartFor(Slot slot);
  void NextPart();
  void NoteNumbers();

  std::vector<Head::Entry> numbers_;
  std::vector<Head::BatchPart> more_;
  size_t part_ = 0;   // The numbers of part i are in more_[i - 1], its histograms in more_[i].
  size_t noted_ = 0;  // Numbers of the part that are in forms_.
  boost::unordered_flat_map<Slot, wal::RecordType>
      forms_;  // Of the part; empty before a histogram.
};

// Puts histograms into the order of the records that HistogramRecords makes of them.
void SortByForm(std::vector<Head::HistogramEntry>& histograms);
// The records of a part, one for each form that it has, in the order in which they apply. Numbers
// are not among them.
std::vector<std::string> HistogramRecords(const Head& head,
                                          const std::vector<Head::HistogramEntry>& histograms);

}  // namespace narthex::tsdb
