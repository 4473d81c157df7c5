#include "otlp/naming.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "base/ascii.h"

namespace narthex::otlp {
namespace {

using base::Code;
using base::Fail;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlphanumeric(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool IsNameCharacter(char c) { return IsAlphanumeric(c) || c == ':'; }

std::string_view LookUp(std::string_view unit,
                        std::span<const std::pair<std::string_view, std::string_view>> table) {
  for (const auto& [symbol, word] : table) {
    if (symbol == unit) return word;
  }
  return unit;
}

constexpr std::pair<std::string_view, std::string_view> kUnits[] = {
    {"d", "days"},
    {"h", "hours"},
    {"min", "minutes"},
    {"s", "seconds"},
    {"ms", "milliseconds"},
    {"us", "microseconds"},
    {"ns", "nanoseconds"},
    {"By", "bytes"},
    {"KiBy", "kibibytes"},
    {"MiBy", "mebibytes"},
    {"GiBy", "gibibytes"},
    {"TiBy", "tibibytes"},
    {"KBy", "kilobytes"},
    {"MBy", "megabytes"},
    {"GBy", "gigabytes"},
    {"TBy", "terabytes"},
    {"m", "meters"},
    {"V", "volts"},
    {"A", "amperes"},
    {"J", "joules"},
    {"W", "watts"},
    {"g", "grams"},
    {"Cel", "celsius"},
    {"Hz", "hertz"},
    {"1", ""},
    {"%", "percent"},
};

constexpr std::pair<std::string_view, std::string_view> kPerUnits[] = {
    {"s", "second"}, {"m", "minute"}, {"h", "hour"}, {"d", "day"},
    {"w", "week"},   {"mo", "month"}, {"y", "year"},
};

struct UnitSuffixes {
  std::string main;  // "bytes"
  std::string per;   // "per_second"
};

UnitSuffixes SuffixesOf(std::string_view unit) {
  const size_t slash = unit.find('/');
  const auto is_annotation = [](std::string_view half) {
    return half.find_first_of("{}") != std::string_view::npos;
  };
  UnitSuffixes suffixes;
  const std::string_view main = base::Trim(unit.substr(0, slash));
  if (!main.empty() && !is_annotation(main)) suffixes.main = LookUp(main, kUnits);
  if (slash != std::string_view::npos) {
    const std::string_view per = base::Trim(unit.substr(slash + 1));
    if (!per.empty() && !is_annotation(per)) {
      suffixes.per = std::string("per_") + std::string(LookUp(per, kPerUnits));
    }
  }
  return suffixes;
}

// Invalid characters to underscores, runs of them to one, none in front.
std::string CleanSuffix(std::string_view suffix) {
  std::string out;
  for (const char c : suffix) {
    const char clean = IsNameCharacter(c) ? c : '_';
    if (clean == '_' && (out.empty() || out.back() == '_')) continue;
    out += clean;
  }
  return out;
}

template <class Keep>
std::vector<std::string_view> Tokens(std::string_view name, Keep keep) {
  std::vector<std::string_view> tokens;
  size_t from = 0;
  for (size_t i = 0; i <= name.size(); ++i) {
    if (i < name.size() && keep(name[i])) continue;
    if (i > from) tokens.push_back(name.substr(from, i - from));
    from = i + 1;
  }
  return tokens;
}

std::string Join(const std::vector<std::string_view>& tokens) {
  std::string out;
  for (const std::string_view token : tokens) {
    if (!out.empty()) out += '_';
    out += token;
  }
  return out;
}

void MoveToEnd(std::vector<std::string_view>& tokens, std::string_view token) {
  std::erase(tokens, token);
  tokens.push_back(token);
}

std::string EscapedWithSuffixes(const MetricNameInput& input, std::string_view prefix) {
  std::vector<std::string_view> tokens = Tokens(input.name, IsNameCharacter);
  const UnitSuffixes raw = SuffixesOf(input.unit);
  const std::string main = CleanSuffix(raw.main), per = CleanSuffix(raw.per);
  for (const std::string_view suffix : {std::string_view(main), std::string_view(per)}) {
    const bool is_named = std::ranges::find(tokens, suffix) != tokens.end();
    if (!suffix.empty() && !is_named) tokens.push_back(suffix);
  }
  if (input.is_monotonic_sum) MoveToEnd(tokens, "total");
  if (input.is_gauge && input.unit == "1") MoveToEnd(tokens, "ratio");
  if (!prefix.empty()) tokens.insert(tokens.begin(), prefix);
  std::string name = Join(tokens);
  if (!name.empty() && IsDigit(name[0])) name.insert(0, 1, '_');
  return name;
}

std::string EscapedWithoutSuffixes(const MetricNameInput& input, std::string_view prefix) {
  std::string name =
      Join(Tokens(input.name, [](char c) { return IsNameCharacter(c) || c == '_'; }));
  if (!prefix.empty()) return std::string(prefix) + '_' + name;
  if (!name.empty() && IsDigit(name[0])) name.insert(0, 1, '_');
  return name;
}

void AppendSuffix(std::string& name, std::string_view suffix) {
  if (suffix.empty()) return;
  if (name.ends_with(suffix)) name.resize(name.size() - suffix.size());
  if (!name.empty() && name.back() != '_') name += '_';
  name += suffix;
}

std::string Utf8WithSuffixes(const MetricNameInput& input, std::string_view prefix) {
  std::string name(input.name);
  if (!prefix.empty()) name = std::string(prefix) + '_' + name;
  const UnitSuffixes suffixes = SuffixesOf(input.unit);
  AppendSuffix(name, suffixes.main);
  AppendSuffix(name, suffixes.per);
  if (input.is_monotonic_sum) AppendSuffix(name, "total");
  if (input.is_gauge && input.unit == "1") AppendSuffix(name, "ratio");
  return name;
}

bool IsOnlyUnderscores(std::string_view name) {
  return name.find_first_not_of('_') == std::string_view::npos;
}

}  // namespace

std::optional<TranslationStrategy> StrategyFromName(std::string_view name) {
  if (name == "UnderscoreEscapingWithSuffixes") {
    return TranslationStrategy::kUnderscoreEscapingWithSuffixes;
  }
  if (name == "UnderscoreEscapingWithoutSuffixes") {
    return TranslationStrategy::kUnderscoreEscapingWithoutSuffixes;
  }
  if (name == "NoUTF8EscapingWithSuffixes") return TranslationStrategy::kNoUtf8EscapingWithSuffixes;
  if (name == "NoTranslation") return TranslationStrategy::kNoTranslation;
  return std::nullopt;
}

base::Result<std::string> MetricName(const MetricNameInput& input, TranslationStrategy strategy,
                                     std::string_view prefix) {
  std::string name;
  switch (strategy) {
    case TranslationStrategy::kUnderscoreEscapingWithSuffixes:
      name = EscapedWithSuffixes(input, prefix);
      break;
    case TranslationStrategy::kUnderscoreEscapingWithoutSuffixes:
      name = EscapedWithoutSuffixes(input, prefix);
      break;
    case TranslationStrategy::kNoUtf8EscapingWithSuffixes:
      name = Utf8WithSuffixes(input, prefix);
      break;
    case TranslationStrategy::kNoTranslation:
      name = prefix.empty() ? std::string(input.name)
                            : std::string(prefix) + '_' + std::string(input.name);
      break;
  }
  if (IsOnlyUnderscores(name)) {
    return Fail(Code::kInvalidArgument, "metric name \"{}\" has no usable characters", input.name);
  }
  return name;
}

base::Result<std::string> LabelName(std::string_view key, TranslationStrategy strategy) {
  if (strategy == TranslationStrategy::kNoUtf8EscapingWithSuffixes ||
      strategy == TranslationStrategy::kNoTranslation) {
    if (key.empty()) return Fail(Code::kInvalidArgument, "label name is empty");
    return std::string(key);
  }
  std::string name;
  const bool is_reserved = key.size() >= 4 && key.starts_with("__") && key.ends_with("__");
  const std::string_view inner = is_reserved ? key.substr(2, key.size() - 4) : key;
  for (const char c : inner) {
    const char clean = IsAlphanumeric(c) ? c : '_';
    if (clean == '_' && !name.empty() && name.back() == '_') continue;
    name += clean;
  }
  if (is_reserved) name = "__" + name + "__";
  if (IsOnlyUnderscores(name)) {
    return Fail(Code::kInvalidArgument, "label name \"{}\" has no usable characters", key);
  }
  if (IsDigit(name[0])) name.insert(0, "key_");
  return name;
}

}  // namespace narthex::otlp
