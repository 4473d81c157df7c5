#include "translate/series_labels.h"

#include <algorithm>

#include "exposition/writer.h"
#include "model/labels.h"
#include "otlp/value.h"

namespace narthex::translate {

void SeriesLabels::AddAttributes(std::string_view fields, std::string_view prefix) {
  std::vector<otlp::KeyValue> attributes;
  otlp::KeyValues reader(fields);
  while (const auto item = reader.Next()) attributes.push_back(*item);
  std::vector<const otlp::KeyValue*> sorted;
  for (const otlp::KeyValue& item : attributes) sorted.push_back(&item);
  std::ranges::sort(sorted, [](const otlp::KeyValue* a, const otlp::KeyValue* b) {
    return a->key != b->key ? a->key < b->key : a < b;
  });
  for (size_t i = 0; i < sorted.size(); ++i) {
    const bool comes_again = i + 1 < sorted.size() && sorted[i]->key == sorted[i + 1]->key;
    if (comes_again) continue;
    const auto name = otlp::LabelName(sorted[i]->key, strategy_);
    if (!name.has_value()) continue;
    items_.push_back({std::string(prefix) + *name, otlp::Text(sorted[i]->value)});
  }
}

void SeriesLabels::Add(std::string_view name, std::string_view value) {
  items_.push_back({std::string(name), std::string(value)});
}

void SeriesLabels::Add(const SeriesLabels& other) {
  items_.insert(items_.end(), other.items_.begin(), other.items_.end());
}

std::vector<std::pair<std::string, std::string>> SeriesLabels::Sorted() const {
  std::vector<const Item*> sorted;
  sorted.reserve(items_.size());
  for (const Item& item : items_) sorted.push_back(&item);
  std::ranges::sort(sorted, [](const Item* a, const Item* b) {
    return a->name != b->name ? a->name < b->name : a < b;  // Equal names stay in order.
  });
  std::vector<std::pair<std::string, std::string>> out;
  out.reserve(items_.size());
  for (const Item* item : sorted) {
    if (!out.empty() && out.back().first == item->name) {
      out.back().second.append(";").append(item->value);
    } else {
      out.emplace_back(item->name, item->value);
    }
  }
  return out;
}

std::string SeriesLabels::Render(bool escaped) const {
  if (escaped) return Escaped().Render();
  std::string out;
  for (const auto& [name, value] : Sorted()) exposition::AppendLabel(out, name, value);
  return out;
}

SeriesLabels SeriesLabels::Escaped() const {
  SeriesLabels escaped = *this;
  for (Item& item : escaped.items_) {
    item.name =
        otlp::LabelName(item.name, otlp::TranslationStrategy::kUnderscoreEscapingWithSuffixes)
            .value_or("_");
  }
  return escaped;
}

bool SeriesLabels::has_utf8_names() const {
  return std::ranges::any_of(items_,
                             [](const Item& item) { return !model::IsLegacyLabelName(item.name); });
}

}  // namespace narthex::translate
