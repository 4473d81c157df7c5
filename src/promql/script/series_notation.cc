#include "promql/script/series_notation.h"

#include <charconv>

#include "model/duration.h"
#include "model/matcher.h"
#include "model/number.h"
#include "model/sample.h"
#include "promql/parser/lexer.h"
#include "promql/parser/literal.h"

namespace narthex::promql {
namespace {

using base::Code;
using base::Fail;

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// Where the metric ends: the first blank or end outside of braces and quotes.
size_t MetricLength(std::string_view line) {
  char quote = 0;
  int braces = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == '\\' && quote != '`') ++i;
      if (c == quote) quote = 0;
      continue;
    }
    if (c == '"' || c == '\'' || c == '`') quote = c;
    if (c == '{') ++braces;
    if (c == '}' && --braces == 0) return i + 1;
    // A blank may stand between the name and its braces.
    if (IsBlank(c) && braces == 0) {
      const size_t next = line.find_first_not_of(" \t", i);
      if (next != std::string_view::npos && line[next] == '{' && line.substr(next, 2) != "{{") {
        i = next - 1;
        continue;
      }
      return i;
    }
  }
  return line.size();
}

base::Result<model::Labels> ParseMetric(std::string_view text) {
  const auto tokens = Tokenize(text);
  if (!tokens) return Fail(Code::kInvalidArgument, "{}", tokens.error().message);
  std::vector<model::Label> labels;
  const auto word = [&](const Token& token) {
    return text.substr(token.position.begin, token.position.end - token.position.begin);
  };
  const auto plain = [&](const Token& token) {
    if (token.kind != TokenKind::kString) return std::string(word(token));
    return Unquote(word(token)).value_or("");
  };
  for (size_t i = 0; i < tokens->size(); ++i) {
    const Token& token = (*tokens)[i];
    if (token.kind != TokenKind::kIdentifier && token.kind != TokenKind::kString) continue;
    if ((*tokens)[i + 1].kind == TokenKind::kEqual) {
      labels.push_back({plain(token), plain((*tokens)[i + 2])});
      i += 2;
    } else {
      labels.push_back({std::string(model::kMetricName), plain(token)});
    }
  }
  return model::Labels::From(std::move(labels));
}

struct Repetition {
  std::string_view what;
  size_t times = 0;
};

// "3x5" to "3" and 5.
std::optional<Repetition> SplitRepetition(std::string_view item) {
  const size_t x = item.rfind('x');
  if (x == std::string_view::npos || x == 0 || x + 1 == item.size()) return std::nullopt;
  Repetition repetition{item.substr(0, x), 0};
  const char* const end = item.data() + item.size();
  const auto parsed = std::from_chars(item.data() + x + 1, end, repetition.times);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return repetition;
}

// The sign between a and b of "a+b", past the sign of a and of exponents.
size_t FindStep(std::string_view text) {
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] != '+' && text[i] != '-') continue;
    if (text[i - 1] != 'e' && text[i - 1] != 'E') return i;
  }
  return std::string_view::npos;
}

using Values = std::vector<std::optional<ScriptValue>>;

std::optional<std::vector<double>> ParseList(std::string_view text) {
  if (!text.starts_with('[') || !text.ends_with(']')) return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::vector<double> numbers;
  while (true) {
    const size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return numbers;
    text.remove_prefix(begin);
    const size_t end = std::min(text.find_first_of(" \t"), text.size());
    const auto number = ParseScriptNumber(text.substr(0, end));
    if (!number) return std::nullopt;
    numbers.push_back(*number);
    text.remove_prefix(end);
  }
}

std::optional<model::ResetHint> ParseHint(std::string_view text) {
  if (text == "unknown") return model::ResetHint::kUnknown;
  if (text == "reset") return model::ResetHint::kReset;
  if (text == "not_reset") return model::ResetHint::kNotReset;
  if (text == "gauge") return model::ResetHint::kGauge;
  return std::nullopt;
}

// The inside of `{{schema:1 buckets:[1 2]}}`.
base::Result<ScriptValue> ParseHistogram(std::string_view text) {
  model::FloatHistogram h;
  ScriptValue value;
  int32_t offset = 0;
  int32_t negative_offset = 0;
  while (true) {
    const size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) break;
    text.remove_prefix(begin);
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos) return Fail(Code::kInvalidArgument, "bad histogram");
    const std::string_view key = text.substr(0, colon);
    text.remove_prefix(colon + 1);
    const bool is_list = text.starts_with('[');
    const size_t end = is_list ? std::min(text.find(']'), text.size() - 1) + 1
                               : std::min(text.find_first_of(" \t"), text.size());
    const std::string_view what = text.substr(0, end);
    text.remove_prefix(end);
    if (key == "counter_reset_hint") {
      const auto hint = ParseHint(what);
      if (!hint) return Fail(Code::kInvalidArgument, "bad hint {}", what);
      h.hint = *hint;
      value.hint_given = true;
      continue;
    }
    if (is_list) {
      auto list = ParseList(what);
      if (!list) return Fail(Code::kInvalidArgument, "bad list {}", what);
      if (key == "buckets") {
        h.positive = *std::move(list);
      } else if (key == "n_buckets") {
        h.negative = *std::move(list);
      } else if (key == "custom_values") {
        h.custom_bounds = *std::move(list);
      } else {
        return Fail(Code::kInvalidArgument, "bad key {}", key);
      }
      continue;
    }
    const auto number = ParseScriptNumber(what);
    if (!number) return Fail(Code::kInvalidArgument, "bad value {}", what);
    if (key == "schema") {
      h.schema = static_cast<int32_t>(*number);
    } else if (key == "count") {
      h.count = *number;
    } else if (key == "sum") {
      h.sum = *number;
    } else if (key == "z_bucket") {
      h.zero_count = *number;
    } else if (key == "z_bucket_w") {
      h.zero_threshold = *number;
    } else if (key == "offset") {
      offset = static_cast<int32_t>(*number);
    } else if (key == "n_offset") {
      negative_offset = static_cast<int32_t>(*number);
    } else {
      return Fail(Code::kInvalidArgument, "bad key {}", key);
    }
  }
  if (!h.positive.empty()) h.positive_spans = {{offset, static_cast<uint32_t>(h.positive.size())}};
  if (!h.negative.empty()) {
    h.negative_spans = {{negative_offset, static_cast<uint32_t>(h.negative.size())}};
  }
  value.histogram = std::make_shared<const model::FloatHistogram>(std::move(h));
  return value;
}

// `{{…}}`, `{{…}}x3`, `{{…}}+{{…}}x3`.
base::Status AddHistograms(std::string_view item, Values& values) {
  const size_t end = item.find("}}");
  if (end == std::string_view::npos) return Fail(Code::kInvalidArgument, "bad histogram {}", item);
  ASSIGN_OR_RETURN(ScriptValue value, ParseHistogram(item.substr(2, end - 2)));
  std::string_view rest = item.substr(end + 2);
  if (rest.empty()) {
    values.push_back(std::move(value));
    return {};
  }
  const char sign = rest[0];
  std::optional<ScriptValue> step;
  if (sign == '+' || sign == '-') {
    const size_t step_end = rest.find("}}");
    if (!rest.substr(1).starts_with("{{") || step_end == std::string_view::npos) {
      return Fail(Code::kInvalidArgument, "bad histogram {}", item);
    }
    ASSIGN_OR_RETURN(step, ParseHistogram(rest.substr(3, step_end - 3)));
    rest.remove_prefix(step_end + 2);
  }
  size_t times = 0;
  if (!rest.starts_with('x') ||
      std::from_chars(rest.data() + 1, rest.data() + rest.size(), times).ec != std::errc()) {
    return Fail(Code::kInvalidArgument, "bad repetition {}", item);
  }
  for (size_t i = 0; i <= times; ++i) {
    values.push_back(value);
    if (!step) continue;
    model::FloatHistogram next = *value.histogram;
    const model::ResetHint hint = next.hint;
    if (next.custom() != step->histogram->custom()) {
      return Fail(Code::kInvalidArgument, "incompatible histograms in {}", item);
    }
    if (sign == '+') {
      model::Add(next, *step->histogram);
    } else {
      model::Subtract(next, *step->histogram);
    }
    next.hint = hint;
    value.histogram = std::make_shared<const model::FloatHistogram>(std::move(next));
  }
  return {};
}

base::Status AddItem(std::string_view item, Values& values) {
  const auto add = [&values](double number) { values.push_back(ScriptValue{number, nullptr}); };
  if (item == "_") {
    values.push_back(std::nullopt);
    return {};
  }
  if (item == "stale") {
    add(model::StaleNan());
    return {};
  }
  if (item.starts_with("{{")) return AddHistograms(item, values);
  const auto repetition = SplitRepetition(item);
  if (!repetition) {
    const auto value = ParseScriptNumber(item);
    if (!value) return Fail(Code::kInvalidArgument, "bad value {}", item);
    add(*value);
    return {};
  }
  if (repetition->what == "_") {
    values.insert(values.end(), repetition->times, std::nullopt);
    return {};
  }
  const size_t sign = FindStep(repetition->what);
  const auto first = ParseScriptNumber(repetition->what.substr(0, sign));
  const auto step = sign == std::string_view::npos
                        ? std::optional<double>(0)
                        : ParseScriptNumber(repetition->what.substr(sign));
  if (!first || !step) return Fail(Code::kInvalidArgument, "bad value {}", item);
  double value = *first;
  for (size_t i = 0; i <= repetition->times; ++i) {
    add(value);
    value += *step;
  }
  return {};
}

// The next item; histograms contain blanks.
std::string_view TakeItem(std::string_view& rest) {
  while (!rest.empty() && IsBlank(rest[0])) rest.remove_prefix(1);
  size_t length = 0;
  while (rest.substr(length).starts_with("{{")) {
    length = std::min(rest.find("}}", length), rest.size() - 2) + 2;
    // The step of a sequence follows its sign at once.
    const bool goes_on = length < rest.size() && (rest[length] == '+' || rest[length] == '-');
    if (goes_on && rest.substr(length + 1).starts_with("{{")) ++length;
  }
  while (length < rest.size() && !IsBlank(rest[length])) ++length;
  const std::string_view item = rest.substr(0, length);
  rest.remove_prefix(length);
  return item;
}

std::optional<int64_t> ParseSignedDuration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const auto ms = model::ParseDuration(text);
  if (!ms) return std::nullopt;
  return negative ? -*ms : *ms;
}

// `_`, `-30s`, `-30sx2` or `-30s-1mx2`.
base::Status AddStarts(std::string_view item, Values& values) {
  const auto repetition = SplitRepetition(item);
  const std::string_view what = repetition ? repetition->what : item;
  if (what == "_") {
    values.insert(values.end(), repetition ? repetition->times : 1, std::nullopt);
    return {};
  }
  const size_t sign = repetition ? FindStep(what) : std::string_view::npos;
  const auto first = ParseSignedDuration(what.substr(0, sign));
  const auto step = sign == std::string_view::npos ? 0 : ParseSignedDuration(what.substr(sign));
  if (!first || !step) return Fail(Code::kInvalidArgument, "bad start {}", item);
  for (size_t i = 0; i <= (repetition ? repetition->times : 0); ++i) {
    const int64_t start = *first + static_cast<int64_t>(i) * *step;
    values.push_back(ScriptValue{static_cast<double>(start), nullptr});
  }
  return {};
}

constexpr std::string_view kStartMark = "@st";

// The metric of a line, then `add` for each of its items.
base::Result<SeriesLine> ParseLine(std::string_view line, std::string_view mark,
                                   base::Status (*add)(std::string_view, Values&)) {
  // Without braces the mark reads like a part of the name.
  size_t length = MetricLength(line);
  if (!mark.empty() && line.substr(0, length).ends_with(mark)) length -= mark.size();
  SeriesLine series;
  ASSIGN_OR_RETURN(series.labels, ParseMetric(line.substr(0, length)));
  std::string_view rest = line.substr(std::min(length + mark.size(), line.size()));
  while (true) {
    const std::string_view item = TakeItem(rest);
    if (item.empty()) return series;
    RETURN_IF_ERROR(add(item, series.values));
  }
}

}  // namespace

std::optional<double> ParseScriptNumber(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  const auto value = ParseNumber(text);
  if (!value) return std::nullopt;
  return negative ? -*value : *value;
}

base::Result<SeriesLine> ParseSeriesLine(std::string_view line) {
  return ParseLine(line, {}, &AddItem);
}

bool IsStartLine(std::string_view line) {
  const size_t length = MetricLength(line);
  const std::string_view behind = line.substr(length, kStartMark.size());
  return behind == kStartMark || line.substr(0, length).ends_with(kStartMark);
}

base::Result<SeriesLine> ParseStartLine(std::string_view line) {
  return ParseLine(line, kStartMark, &AddStarts);
}

}  // namespace narthex::promql
