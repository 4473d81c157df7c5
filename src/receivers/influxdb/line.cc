#include "receivers/influxdb/line.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace narthex::receivers {
namespace {

constexpr size_t kTagsMax = 1'000;
constexpr size_t kFieldsMax = 10'000;

template <class T>
std::optional<T> ParseWhole(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Plain decimals with an exponent, as the protocol has them: neither names nor hexadecimals.
std::optional<double> ParseDecimal(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const std::optional<double> value = ParseWhole<double>(text);
  return value.has_value() && std::isfinite(*value) ? value : std::nullopt;
}

std::optional<bool> ParseBoolean(std::string_view text) {
  for (const std::string_view word : {"t", "T", "true", "True", "TRUE"}) {
    if (text == word) return true;
  }
  for (const std::string_view word : {"f", "F", "false", "False", "FALSE"}) {
    if (text == word) return false;
  }
  return std::nullopt;
}

std::optional<InfluxLine::Value> ParseValue(std::string_view text) {
  if (const auto boolean = ParseBoolean(text)) return *boolean;
  std::string_view digits = text;
  if (!digits.empty()) digits.remove_suffix(1);
  if (text.ends_with('i')) {
    if (const auto whole = ParseWhole<int64_t>(digits)) return *whole;
  } else if (text.ends_with('u')) {
    if (const auto whole = ParseWhole<uint64_t>(digits)) return *whole;
  } else if (const auto decimal = ParseDecimal(text)) {
    return *decimal;
  }
  return std::nullopt;
}

}  // namespace

base::Error InfluxReader::ErrorOf(std::string_view what) const {
  return {base::Code::kInvalidArgument, fmt::format("line {}: {}", line_, what)};
}

bool InfluxReader::Take(char c) {
  if (!rest_.starts_with(c)) return false;
  rest_.remove_prefix(1);
  return true;
}

// To the first character of a line that has a point.
bool InfluxReader::SkipToLine() {
  while (!rest_.empty()) {
    ++line_;
    const size_t first = rest_.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) return false;
    if (rest_[first] != '\n' && rest_[first] != '#') {
      rest_.remove_prefix(first);
      return true;
    }
    const size_t end = std::min(rest_.find('\n'), rest_.size());
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
  }
  return false;
}

std::string InfluxReader::TakeText(std::string_view ends, std::string_view escapable) {
  std::string text;
  size_t at = 0;
  for (; at < rest_.size() && ends.find(rest_[at]) == std::string_view::npos; ++at) {
    const bool is_escape = rest_[at] == '\\' && at + 1 < rest_.size() &&
                           escapable.find(rest_[at + 1]) != std::string_view::npos;
    if (is_escape) ++at;
    text += rest_[at];
  }
  rest_.remove_prefix(at);
  return text;
}

base::Result<std::optional<InfluxLine>> InfluxReader::Next() {
  if (!SkipToLine()) return std::optional<InfluxLine>();
  InfluxLine line;
  line.measurement = TakeText(", \n", ", ");
  if (line.measurement.empty()) return std::unexpected(ErrorOf("the measurement has no name"));
  RETURN_IF_ERROR(ReadTags(line));
  if (!Take(' ')) return std::unexpected(ErrorOf("there are no fields"));
  RETURN_IF_ERROR(ReadFields(line));
  RETURN_IF_ERROR(ReadTime(line));
  return std::optional(std::move(line));
}

base::Status InfluxReader::ReadTags(InfluxLine& line) {
  while (Take(',')) {
    std::string key = TakeText(",= \n", ",= ");
    if (key.empty() || !Take('=')) return std::unexpected(ErrorOf("a tag has no key or no value"));
    std::string value = TakeText(",= \n", ",= ");
    if (value.empty()) return std::unexpected(ErrorOf("a tag has no value"));
    if (rest_.starts_with('=')) return std::unexpected(ErrorOf("a tag has two values"));
    if (line.tags.size() >= kTagsMax) return std::unexpected(ErrorOf("too many tags"));
    line.tags.emplace_back(std::move(key), std::move(value));
  }
  return {};
}

base::Status InfluxReader::ReadFields(InfluxLine& line) {
  while (Take(' ')) continue;
  do {
    std::string key = TakeText(",= \n", ",= ");
    if (key.empty() || !Take('=')) {
      return std::unexpected(ErrorOf("a field has no key or no value"));
    }
    if (line.fields.size() >= kFieldsMax) return std::unexpected(ErrorOf("too many fields"));
    ASSIGN_OR_RETURN(InfluxLine::Value value, ReadValue());
    line.fields.emplace_back(std::move(key), std::move(value));
  } while (Take(','));
  return {};
}

base::Result<InfluxLine::Value> InfluxReader::ReadValue() {
  if (Take('"')) {
    ASSIGN_OR_RETURN(std::string text, ReadQuoted());
    return text;
  }
  const size_t end = std::min(rest_.find_first_of(", \r\n"), rest_.size());
  const std::string_view text = rest_.substr(0, end);
  const std::optional<InfluxLine::Value> value = ParseValue(text);
  if (!value.has_value()) {
    return std::unexpected(
        ErrorOf(fmt::format("\"{}\" is no value of a field", text.substr(0, 100))));
  }
  rest_.remove_prefix(end);
  return *value;
}

// Behind the opening quote; line ends are part of the text.
base::Result<std::string> InfluxReader::ReadQuoted() {
  std::string text;
  for (size_t at = 0; at < rest_.size(); ++at) {
    char c = rest_[at];
    if (c == '"') {
      line_ += static_cast<size_t>(std::ranges::count(rest_.substr(0, at), '\n'));
      rest_.remove_prefix(at + 1);
      return text;
    }
    const bool is_escape =
        c == '\\' && at + 1 < rest_.size() && (rest_[at + 1] == '"' || rest_[at + 1] == '\\');
    if (is_escape) c = rest_[++at];
    text += c;
  }
  return std::unexpected(ErrorOf("a text does not end"));
}

base::Status InfluxReader::ReadTime(InfluxLine& line) {
  const size_t end = std::min(rest_.find('\n'), rest_.size());
  std::string_view text = rest_.substr(0, end);
  const size_t first = text.find_first_not_of(" \r\t");
  if (first != std::string_view::npos) {
    const bool has_blank = text.front() == ' ';
    text = text.substr(first, text.find_last_not_of(" \r\t") - first + 1);
    line.time = ParseWhole<int64_t>(text);
    if (!line.time.has_value() || !has_blank) {
      return std::unexpected(ErrorOf(fmt::format("\"{}\" is no timestamp", text.substr(0, 100))));
    }
  }
  rest_.remove_prefix(std::min(end + 1, rest_.size()));
  return {};
}

}  // namespace narthex::receivers
