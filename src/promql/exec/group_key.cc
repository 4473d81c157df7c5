#include "promql/exec/group_key.h"

#include <algorithm>
#include <cstdint>

#include "base/bytes.h"

namespace narthex::promql {

model::Labels DropName(const model::Labels& labels) {
  std::vector<model::LabelView> kept;
  for (const model::LabelView label : labels) {
    if (!IsMetadataLabel(label.name)) kept.push_back(label);
  }
  return model::Labels::FromSorted(kept);
}

LabelSubset::LabelSubset(std::vector<std::string> names, Keep keep)
    : names_(std::move(names)), keep_(keep) {
  std::ranges::sort(names_);
  const auto repeated = std::ranges::unique(names_);
  names_.erase(repeated.begin(), repeated.end());
}

template <class Visit>
void LabelSubset::ForEach(const model::Labels& labels, Visit&& visit) const {
  auto name = names_.begin();
  for (const model::LabelView label : labels) {
    while (name != names_.end() && *name < label.name) ++name;
    if (keep_ == Keep::kOnly && name == names_.end()) return;
    const bool listed = name != names_.end() && *name == label.name;
    if (keep_ == Keep::kOnly) {
      if (listed) visit(label);
      continue;
    }
    const bool hidden =
        keep_ == Keep::kWithout ? IsMetadataLabel(label.name) : label.name == model::kMetricName;
    if (!listed && !hidden) visit(label);
  }
}

void LabelSubset::Key(const model::Labels& labels, std::string& key) const {
  key.clear();
  ForEach(labels, [&](const model::LabelView& label) {
    base::PutUvarintString(key, label.name);
    base::PutUvarintString(key, label.value);
  });
}

model::Labels LabelSubset::Select(const model::Labels& labels) const {
  std::vector<model::LabelView> kept;
  ForEach(labels, [&](const model::LabelView& label) { kept.push_back(label); });
  return model::Labels::FromSorted(kept);
}

size_t GroupIds::Of(const model::Labels& labels) {
  subset_.Key(labels, key_);
  // Series come in label order, so that a group's mostly follow each other.
  if (last_ != nullptr && last_->first == key_) return last_->second;
  last_ = &*ids_.try_emplace(key_, ids_.size()).first;
  return last_->second;
}

size_t GroupIds::Find(const model::Labels& labels) {
  subset_.Key(labels, key_);
  const auto found = ids_.find(key_);
  return found == ids_.end() ? SIZE_MAX : found->second;
}

}  // namespace narthex::promql
