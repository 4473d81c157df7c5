#include "translate/config.h"

#include <fmt/format.h>

#include <algorithm>

namespace narthex::translate {
namespace {

// `*` stands for any run of characters.
bool MatchesPattern(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool MatchesAny(const std::vector<std::string>& patterns, std::string_view text) {
  return std::ranges::any_of(
      patterns, [&](const std::string& pattern) { return MatchesPattern(pattern, text); });
}

}  // namespace

bool ResourceLabels::Takes(std::string_view attribute) const {
  if (MatchesAny(excluded, attribute)) return false;
  return included.empty() ? !excluded.empty() : MatchesAny(included, attribute);
}

ResourceLabels ReadResourceLabels(config::MapReader& reader, config::Diagnostics& diagnostics) {
  ResourceLabels labels;
  bool is_enabled = false, without_service = false;
  if (const config::Node* node =
          reader.Take("resource_to_telemetry_conversion", "Resource attributes as labels")) {
    config::MapReader inner(*node, diagnostics);
    inner.Read("enabled", is_enabled, "All of them");
    inner.Read("exclude_service_attributes", without_service,
               "But for those that make `job` and `instance`");
    inner.Finish();
  }
  if (const config::Node* node =
          reader.Take("resource_constant_labels", "Some of them, by name with `*`")) {
    config::MapReader inner(*node, diagnostics);
    inner.Read("included", labels.included, "These");
    inner.Read("excluded", labels.excluded, "All but these; wins over `included`");
    inner.Finish();
    if (is_enabled) {
      reader.Report("resource_constant_labels",
                    "may not be combined with resource_to_telemetry_conversion");
    }
  }
  if (!is_enabled) return labels;
  labels.included = {"*"};
  if (without_service) {
    labels.excluded = {"service.name", "service.namespace", "service.instance.id"};
  }
  return labels;
}

otlp::TranslationStrategy ReadStrategy(config::MapReader& reader) {
  using otlp::TranslationStrategy;
  bool with_suffixes = true;
  std::string name;
  reader.Read("add_metric_suffixes", with_suffixes,
              "Units and `_total` in names, where `translation_strategy` says nothing");
  reader.Read("translation_strategy", name,
              "`UnderscoreEscapingWithSuffixes`, `UnderscoreEscapingWithoutSuffixes`, "
              "`NoUTF8EscapingWithSuffixes` or `NoTranslation`");
  if (!name.empty()) {
    if (const auto strategy = otlp::StrategyFromName(name)) return *strategy;
    reader.Report("translation_strategy", "invalid translation_strategy: " + name);
  }
  return with_suffixes ? TranslationStrategy::kUnderscoreEscapingWithSuffixes
                       : TranslationStrategy::kUnderscoreEscapingWithoutSuffixes;
}

}  // namespace narthex::translate
