#include "receivers/statsd/line.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/ascii.h"

namespace narthex::receivers {
namespace {

using base::Code;
using base::Fail;
using base::TakeUntil;
using Type = StatsdLine::Type;

constexpr size_t kTagsMax = 128;
constexpr size_t kValuesMax = 10'000;

std::optional<Type> TypeOf(std::string_view letters) {
  if (letters == "c") return Type::kCounter;
  if (letters == "g") return Type::kGauge;
  if (letters == "ms") return Type::kTiming;
  if (letters == "h") return Type::kHistogram;
  if (letters == "d") return Type::kDistribution;
  if (letters == "s") return Type::kSet;
  return std::nullopt;
}

bool IsNumber(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(value);
}

base::Status ReadTags(std::string_view text, bool simple_tags, StatsdLine& line) {
  while (!text.empty()) {
    std::string_view tag = TakeUntil(text, ',');
    if (tag.empty()) continue;
    const bool has_value = tag.find(':') != std::string_view::npos;
    if (!has_value && !simple_tags) {
      return Fail(Code::kInvalidArgument, "invalid tag format: \"{}\"", tag);
    }
    const std::string_view key = TakeUntil(tag, ':');
    if (key.empty()) return Fail(Code::kInvalidArgument, "a tag has no key");
    if (line.tags.size() >= kTagsMax) return Fail(Code::kInvalidArgument, "too many tags");
    line.tags.emplace_back(key, tag);
  }
  std::ranges::stable_sort(line.tags, {}, &std::pair<std::string, std::string>::first);
  // Of several with one key the first counts.
  const auto twice =
      std::ranges::unique(line.tags, {}, &std::pair<std::string, std::string>::first);
  line.tags.erase(twice.begin(), twice.end());
  return {};
}

base::Status ReadRate(std::string_view text, StatsdLine& line) {
  double rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  if (error != std::errc() || end != text.data() + text.size() || !(rate > 0 && rate <= 1)) {
    return Fail(Code::kInvalidArgument, "\"{}\" is not a sample rate", text);
  }
  line.sample_rate = rate;
  return {};
}

}  // namespace

base::Result<StatsdLine> StatsdLine::Parse(std::string_view text, bool simple_tags) {
  StatsdLine line;
  // A name may hold colons in no dialect, so the first one ends it.
  std::string_view head = TakeUntil(text, '|');
  line.name = TakeUntil(head, ':');
  if (line.name.empty()) return Fail(Code::kInvalidArgument, "the metric has no name");
  const std::string_view letters = TakeUntil(text, '|');
  const std::optional<Type> type = TypeOf(letters);
  if (!type.has_value()) {
    return Fail(Code::kInvalidArgument, "unsupported metric type: \"{}\"", letters);
  }
  line.type = *type;
  do {
    const std::string_view value = TakeUntil(head, ':');
    if (value.empty() || (line.type != Type::kSet && !IsNumber(value))) {
      return Fail(Code::kInvalidArgument, "\"{}\" is not a value", value);
    }
    if (line.values.size() >= kValuesMax) return Fail(Code::kInvalidArgument, "too many values");
    line.values.push_back(value);
  } while (!head.empty());
  while (!text.empty()) {
    std::string_view part = TakeUntil(text, '|');
    if (part.starts_with('@')) {
      RETURN_IF_ERROR(ReadRate(part.substr(1), line));
    } else if (part.starts_with('#')) {
      RETURN_IF_ERROR(ReadTags(part.substr(1), simple_tags, line));
    } else if (!part.starts_with("c:") && !part.starts_with("e:") && !part.starts_with('T')) {
      // Container, external data and time of DogStatsD say nothing that is kept.
      return Fail(Code::kInvalidArgument, "unrecognized message part: \"{}\"", part);
    }
  }
  return line;
}

std::string_view NameOf(Type type) {
  switch (type) {
    case Type::kCounter:
      return "counter";
    case Type::kGauge:
      return "gauge";
    case Type::kTiming:
      return "timing";
    case Type::kHistogram:
      return "histogram";
    case Type::kDistribution:
      return "distribution";
    case Type::kSet:
      return "set";
  }
  return "";
}

}  // namespace narthex::receivers
