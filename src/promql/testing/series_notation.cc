#include "promql/testing/series_notation.h"

#include <charconv>

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

base::Status AddItem(std::string_view item, std::vector<std::optional<double>>& values) {
  if (item == "_") {
    values.push_back(std::nullopt);
    return {};
  }
  if (item == "stale") {
    values.push_back(model::StaleNan());
    return {};
  }
  if (item.starts_with("{{")) {
    return Fail(Code::kUnimplemented, "native histograms cannot be stored yet");
  }
  const auto repetition = SplitRepetition(item);
  if (!repetition) {
    const auto value = ParseScriptNumber(item);
    if (!value) return Fail(Code::kInvalidArgument, "bad value {}", item);
    values.push_back(*value);
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
    values.push_back(value);
    value += *step;
  }
  return {};
}

// The next item; histograms contain blanks.
std::string_view TakeItem(std::string_view& rest) {
  while (!rest.empty() && IsBlank(rest[0])) rest.remove_prefix(1);
  size_t length = 0;
  if (rest.starts_with("{{")) {
    length = std::min(rest.find("}}"), rest.size() - 2) + 2;
  }
  while (length < rest.size() && !IsBlank(rest[length])) ++length;
  const std::string_view item = rest.substr(0, length);
  rest.remove_prefix(length);
  return item;
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
  const size_t length = MetricLength(line);
  SeriesLine series;
  ASSIGN_OR_RETURN(series.labels, ParseMetric(line.substr(0, length)));
  std::string_view rest = line.substr(length);
  while (true) {
    const std::string_view item = TakeItem(rest);
    if (item.empty()) return series;
    RETURN_IF_ERROR(AddItem(item, series.values));
  }
}

}  // namespace narthex::promql
