#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "model/labels.h"

namespace narthex::promql {

// True for the labels that describe a metric rather than a series, and go with its name.
inline bool IsMetadataLabel(std::string_view name) {
  return name == model::kMetricName || name == "__type__" || name == "__unit__";
}

model::Labels DropName(const model::Labels& labels);

// The part of a label set that by, without, on and ignoring look at. Immutable.
class LabelSubset {
 public:
  enum class Keep {
    kOnly,      // by, on: these labels
    kWithout,   // all but these and what goes with the name
    kIgnoring,  // all but these and the name itself
  };
  LabelSubset(std::vector<std::string> names, Keep keep);

  // Replaces `key` by bytes that are equal for equal subsets.
  void Key(const model::Labels& labels, std::string& key) const;
  model::Labels Select(const model::Labels& labels) const;

 private:
  template <class Visit>
  void ForEach(const model::Labels& labels, Visit&& visit) const;

  std::vector<std::string> names_;  // Sorted, unique.
  Keep keep_;
};

// Numbers the different subsets in order of appearance. One thread at a time.
class GroupIds {
 public:
  explicit GroupIds(LabelSubset subset) : subset_(std::move(subset)) {}

  size_t Of(const model::Labels& labels);
  // SIZE_MAX when there is none.
  size_t Find(const model::Labels& labels);
  size_t size() const { return ids_.size(); }
  const LabelSubset& subset() const { return subset_; }

 private:
  LabelSubset subset_;
  std::string key_;
  std::unordered_map<std::string, size_t> ids_;
  const std::pair<const std::string, size_t>* last_ = nullptr;  // In ids_, whose entries stay.
};

}  // namespace narthex::promql
