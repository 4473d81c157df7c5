#include "tsdb/head/exemplars.h"

#include <algorithm>
#include <bit>

namespace narthex::tsdb {

using model::Exemplar;
using model::Labels;
using storage::Appended;

namespace {

size_t Characters(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

}  // namespace

Appended ExemplarRing::JudgeLocked(const Labels& series, const Exemplar& exemplar) const {
  if (max_ == 0) return Appended::kNotKept;
  if (!exemplar.timestamp) return Appended::kInvalid;
  size_t characters = 0;
  for (const model::LabelView label : exemplar.labels) {
    characters += Characters(label.name) + Characters(label.value);
  }
  if (characters > kLabelCharactersMax) return Appended::kInvalid;
  const auto found = series_.find(series);
  if (found == series_.end()) return Appended::kYes;
  const Exemplar& last = found->second.back();
  const bool same_value =
      std::bit_cast<uint64_t>(exemplar.value) == std::bit_cast<uint64_t>(last.value);
  if (exemplar.timestamp == last.timestamp && same_value && exemplar.labels == last.labels) {
    return Appended::kSameAgain;
  }
  // Some order among equal times, so that a resent batch adds nothing.
  const bool older =
      *exemplar.timestamp < *last.timestamp ||
      (exemplar.timestamp == last.timestamp &&
       (exemplar.value < last.value || (same_value && exemplar.labels < last.labels)));
  return older ? Appended::kOutOfOrder : Appended::kYes;
}

Appended ExemplarRing::Judge(const Labels& series, const Exemplar& exemplar) const {
  base::SharedLock lock(mutex_);
  return JudgeLocked(series, exemplar);
}

Appended ExemplarRing::Add(const Labels& series, const Exemplar& exemplar) {
  base::MutexLock lock(mutex_);
  const Appended verdict = JudgeLocked(series, exemplar);
  if (verdict == Appended::kOutOfOrder) ++out_of_order_;
  if (verdict != Appended::kYes) return verdict;
  if (order_.size() >= max_) DropOldest();
  const auto at = series_.try_emplace(series).first;
  at->second.push_back(exemplar);
  order_.push_back(at);
  ++appended_;
  return verdict;
}

void ExemplarRing::DropOldest() {
  const auto at = order_.front();
  order_.pop_front();
  at->second.pop_front();
  if (at->second.empty()) series_.erase(at);
}

std::vector<storage::ExemplarSeries> ExemplarRing::Select(
    std::span<const std::vector<model::Matcher>> selectors, model::TimeRange range) const {
  base::SharedLock lock(mutex_);
  std::vector<storage::ExemplarSeries> found;
  for (const auto& [labels, exemplars] : series_) {
    const bool wanted = std::ranges::any_of(
        selectors, [&](const auto& matchers) { return model::AllMatch(matchers, labels); });
    if (!wanted) continue;
    storage::ExemplarSeries series{labels, {}};
    for (const Exemplar& exemplar : exemplars) {
      if (range.Contains(*exemplar.timestamp)) series.exemplars.push_back(exemplar);
    }
    if (!series.exemplars.empty()) found.push_back(std::move(series));
  }
  return found;
}

void ExemplarRing::SetMax(size_t max) {
  base::MutexLock lock(mutex_);
  max_ = max;
  while (order_.size() > max_) DropOldest();
}

std::vector<std::pair<model::Labels, model::Exemplar>> ExemplarRing::All() const {
  base::SharedLock lock(mutex_);
  std::vector<std::pair<model::Labels, model::Exemplar>> all;
  // The k-th time that a series has its turn it is its k-th.
  std::map<const model::Labels*, size_t> given;
  for (const auto& at : order_) {
    all.emplace_back(at->first, at->second[given[&at->first]++]);
  }
  return all;
}

ExemplarRing::Statistics ExemplarRing::statistics() const {
  base::SharedLock lock(mutex_);
  Statistics result{.max = max_,
                    .exemplars = order_.size(),
                    .series = series_.size(),
                    .appended = appended_,
                    .out_of_order = out_of_order_};
  if (!order_.empty()) result.oldest = order_.front()->second.front().timestamp;
  return result;
}

}  // namespace narthex::tsdb
