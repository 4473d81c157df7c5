#include "tsdb/head/batch.h"

#include <algorithm>
#include <array>
#include <utility>

namespace narthex::tsdb {

using model::FloatHistogram;
using model::IntegerHistogram;
using wal::RecordType;

namespace {

constexpr std::array kForms = {RecordType::kHistograms, RecordType::kCustomHistograms,
                               RecordType::kFloatHistograms, RecordType::kCustomFloatHistograms};

RecordType FormOf(const chunk::Value& value) {
  if (const auto* const whole = std::get_if<IntegerHistogram>(&value)) {
    return whole->schema == model::kCustomBucketsSchema ? RecordType::kCustomHistograms
                                                        : RecordType::kHistograms;
  }
  return std::get<FloatHistogram>(value).custom() ? RecordType::kCustomFloatHistograms
                                                  : RecordType::kFloatHistograms;
}

}  // namespace

void Batch::Clear() {
  numbers_.clear();
  more_.clear();
  exemplars.clear();
  metadata.clear();
  forms_.clear();
  part_ = 0;
  noted_ = 0;
}

void Batch::NextPart() {
  ++part_;
  forms_.clear();
  noted_ = 0;
}

void Batch::NoteNumbers() {
  const std::vector<Head::Entry>& numbers = CurrentNumbers();
  for (; noted_ < numbers.size(); ++noted_) forms_[numbers[noted_].slot] = RecordType::kSamples;
}

void Batch::BeginPartFor(Slot slot) {
  const auto form = forms_.find(slot);
  if (form != forms_.end() && form->second != RecordType::kSamples) NextPart();
}

void Batch::AddHistogram(Head::HistogramEntry histogram) {
  NoteNumbers();
  const RecordType form = FormOf(histogram.value);
  const auto before = forms_.find(histogram.slot);
  if (before != forms_.end() && before->second != form) {
    // Histograms stand behind the numbers of their part as it is.
    if (before->second != RecordType::kSamples) NextPart();
  }
  forms_[histogram.slot] = form;
  if (more_.size() <= part_) more_.emplace_back();
  more_[part_].histograms.push_back(std::move(histogram));
}

const Head::HistogramEntry* Batch::LastHistogram(Slot slot) const {
  if (more_.empty() || more_.back().histograms.empty()) return nullptr;
  const Head::HistogramEntry& last = more_.back().histograms.back();
  return last.slot == slot ? &last : nullptr;
}

void SortByForm(std::vector<Head::HistogramEntry>& histograms) {
  std::ranges::stable_sort(histograms, {}, [](const Head::HistogramEntry& entry) {
    return std::ranges::find(kForms, FormOf(entry.value));
  });
}

std::vector<std::string> HistogramRecords(const Head& head,
                                          const std::vector<Head::HistogramEntry>& histograms) {
  std::vector<std::string> records;
  for (const RecordType type : kForms) {
    wal::HistogramsRecord record;
    for (const Head::HistogramEntry& entry : histograms) {
      if (FormOf(entry.value) != type) continue;
      const wal::Ref ref = head.RefOf(entry.slot);
      if (const auto* const whole = std::get_if<IntegerHistogram>(&entry.value)) {
        record.Add(wal::HistogramEntry{ref, entry.t, *whole});
      } else {
        record.Add(wal::FloatHistogramEntry{ref, entry.t, std::get<FloatHistogram>(entry.value)});
      }
    }
    if (!record.empty()) records.emplace_back(record.bytes());
  }
  return records;
}

}  // namespace narthex::tsdb
