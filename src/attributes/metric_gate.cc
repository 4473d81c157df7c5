#include "attributes/metric_gate.h"

#include <re2/re2.h>

#include <algorithm>

#include "otlp/value.h"

namespace narthex::attributes {

MetricMatcher::Word MetricMatcher::MakeWord(const std::string& text, bool is_regexp,
                                            config::MapReader& reader, std::string_view key) {
  Word word{.text = text};
  if (!is_regexp) return word;
  word.pattern = std::make_shared<const re2::RE2>(text, re2::RE2::Quiet);
  if (!word.pattern->ok()) reader.Report(key, word.pattern->error());
  return word;
}

bool MetricMatcher::Word::Matches(std::string_view value) const {
  if (pattern == nullptr) return value == text;
  return re2::RE2::PartialMatch(re2::StringPiece(value.data(), value.size()), *pattern);
}

MetricMatcher MetricMatcher::Read(const config::Node& node, config::Diagnostics& diagnostics) {
  MetricMatcher matcher;
  std::string type;
  std::vector<std::string> names;
  config::MapReader reader(node, diagnostics);
  const config::KeyGroup group(reader, "Choice of metrics");
  reader.Read("match_type", type, "`strict` or `regexp`, which matches anywhere; required");
  reader.Read("metric_names", names, "Their names");
  (void)reader.TakeWithoutEffect({"regexp"});  // The size of a cache that we do without.
  const bool is_regexp = type == "regexp";
  if (type == "expr") {
    reader.Report("match_type", "expr is not supported; conditions can say the same");
  } else if (type != "strict" && !is_regexp) {
    reader.Report("match_type", "must be strict or regexp");
  }
  for (const std::string& name : names) {
    matcher.names_.push_back(MakeWord(name, is_regexp, reader, "metric_names"));
  }
  for (const char* key : {"resources", "resource_attributes"}) {
    const config::Node* list =
        reader.Take(key, "Or those whose resources have all of these attributes", "list");
    if (list == nullptr) continue;
    for (const config::Node& item : list->items) {
      std::string name, value;
      config::MapReader item_reader(item, diagnostics);
      item_reader.Read("key", name, "The attribute's name");
      item_reader.Read("value", value, "Its value");
      item_reader.Finish();
      matcher.resources_.emplace_back(name, MakeWord(value, is_regexp, reader, key));
    }
  }
  reader.Finish();
  if (matcher.names_.empty() && matcher.resources_.empty()) {
    reader.Report("metric_names", "at least one metric name or resource has to be given");
  }
  return matcher;
}

bool MetricMatcher::Matches(const otlp::Metric& metric,
                            std::string_view resource_attributes) const {
  for (const auto& [key, word] : resources_) {
    const auto value = otlp::FindAttribute(resource_attributes, key);
    if (!value.has_value() || !word.Matches(otlp::Text(*value))) return false;
  }
  if (names_.empty()) return true;
  return std::ranges::any_of(names_, [&](const Word& word) { return word.Matches(metric.name); });
}

MetricGate MetricGate::Read(config::MapReader& reader, config::Diagnostics& diagnostics) {
  MetricGate gate;
  if (const config::Node* node = reader.Take("include", "Only these metrics")) {
    gate.include_ = MetricMatcher::Read(*node, diagnostics);
  }
  if (const config::Node* node = reader.Take("exclude", "Not these metrics")) {
    gate.exclude_ = MetricMatcher::Read(*node, diagnostics);
  }
  return gate;
}

bool MetricGate::Passes(const otlp::Metric& metric, std::string_view resource_attributes) const {
  if (include_.has_value() && !include_->Matches(metric, resource_attributes)) return false;
  return !exclude_.has_value() || !exclude_->Matches(metric, resource_attributes);
}

}  // namespace narthex::attributes
