#include "exposition/parser.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <vector>

#include "model/number.h"

namespace narthex::exposition {
namespace {

using base::Code;
using model::LabelView;
using model::MetricType;

bool IsNameByte(char c, bool colon, bool first) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':') ||
         (!first && c >= '0' && c <= '9');
}

// The first of these bytes from `at` on, or `end`. Eight bytes at a time, since label values are
// mostly longer.
template <char... kBytes>
const char* FirstOf(const char* at, const char* end) {
  if constexpr (std::endian::native == std::endian::little) {
    constexpr uint64_t kOnes = 0x0101010101010101;
    // The lowest top bit is that of the first zero byte; above it there may be others.
    const auto zeros = [](uint64_t word) { return (word - kOnes) & ~word & kOnes << 7; };
    for (; end - at >= 8; at += 8) {
      uint64_t word;
      std::memcpy(&word, at, sizeof(word));
      const uint64_t hits = (zeros(word ^ kOnes * static_cast<uint8_t>(kBytes)) | ...);
      if (hits != 0) return at + std::countr_zero(hits) / 8;
    }
  }
  while (at != end && ((*at != kBytes) && ...)) ++at;
  return at;
}

// Undoes `\\` and `\n` (and `\"` where quotes are), leaving other escapes as they stand.
std::string Unescape(std::string_view text, bool quotes) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      const char next = text[i + 1];
      if (next == '\\' || next == 'n' || (quotes && next == '"')) {
        out += next == 'n' ? '\n' : next;
        ++i;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

// "1" to "1.0". Source: OpenMetrics, canonical numbers.
void CanonicalNumber(std::string& text) {
  const std::optional<double> value = model::ParseFloat(text);
  if (!value) return;
  text.clear();
  model::AppendCompactFloat(text, *value);
  if (std::isfinite(*value) && text.find_first_of(".e") == std::string::npos) text += ".0";
}

}  // namespace

Parser::Parser(std::string_view body, Format format, KnownSeries* known)
    : format_(format),
      known_(known),
      begin_(body.data()),
      end_(body.data() + body.size()),
      at_(begin_) {}

Parser::Failure Parser::Fail(std::string_view wanted) const {
  const auto line = 1 + std::count(begin_, at_, '\n');
  const char* line_begin = at_;
  while (line_begin != begin_ && line_begin[-1] != '\n') --line_begin;
  const char* line_end = std::find(at_, end_, '\n');
  constexpr ptrdiff_t kShownMax = 120;
  std::string shown(line_begin, std::min(line_end, line_begin + kShownMax));
  return base::Fail(Code::kInvalidArgument, "{}:{}: {} in \"{}\"", line, at_ - line_begin + 1,
                    wanted, shown);
}

void Parser::SkipBlanks() {
  while (at_ != end_ && (*at_ == ' ' || *at_ == '\t')) ++at_;
}

std::string_view Parser::TakeName(bool colon) {
  const char* const begin = at_;
  while (at_ != end_ && IsNameByte(*at_, colon, at_ == begin)) ++at_;
  return {begin, at_};
}

base::Status Parser::TakeQuoted(std::string& out) {
  const char* const begin = ++at_;
  bool escaped = false;
  for (; at_ != end_ && *at_ != '"'; ++at_) {
    if (*at_ != '\\') continue;
    escaped = true;
    if (++at_ == end_) break;
  }
  if (at_ == end_) return Fail("unterminated quoted text");
  const std::string_view raw(begin, at_);
  if (!model::IsValidUtf8(raw)) return Fail("invalid UTF-8 in quoted text");
  ++at_;
  if (escaped) {
    out = Unescape(raw, true);
  } else {
    out = raw;
  }
  return {};
}

base::Result<std::optional<Parser::Entry>> Parser::Next() {
  return format_ == Format::kText ? NextInText() : NextInOpenMetrics();
}

base::Result<Parser::Found> Parser::NextInText() {
  for (;;) {
    SkipBlanks();
    if (at_end()) return Found();
    if (*at_ == '\n') {
      ++at_;
      continue;
    }
    if (*at_ != '#') return TakeSeries();
    const char* const line = at_;
    const char* const line_end = std::find(at_, end_, '\n');
    ++at_;
    if (Peek() == ' ' || Peek() == '\t') {
      SkipBlanks();
      const std::string_view rest(at_, line_end);
      for (const std::string_view keyword : {"HELP", "TYPE"}) {
        if (rest.size() > 4 && rest.starts_with(keyword) && (rest[4] == ' ' || rest[4] == '\t')) {
          at_ += 4;
          SkipBlanks();
          return TakeMetadata(keyword);
        }
      }
    }
    text_ = std::string_view(line, line_end);
    at_ = line_end;
    return Entry::kComment;
  }
}

base::Result<Parser::Found> Parser::NextInOpenMetrics() {
  if (at_end()) {
    if (seen_eof_) return Found();
    return Fail("data does not end with # EOF");
  }
  if (*at_ != '#') return TakeSeries();
  const std::string_view rest(at_, end_);
  if (rest.starts_with("# EOF")) {
    if (rest != "# EOF" && rest != "# EOF\n") return Fail("unexpected data after # EOF");
    seen_eof_ = true;
    at_ = end_;
    return Found();
  }
  for (const std::string_view keyword : {"HELP", "TYPE", "UNIT"}) {
    if (rest.starts_with("# ") && rest.substr(2).starts_with(keyword) && rest.size() > 6 &&
        rest[6] == ' ') {
      at_ += 7;
      return TakeMetadata(keyword);
    }
  }
  return Fail("expected # HELP, # TYPE, # UNIT, # EOF or a metric");
}

base::Result<Parser::Found> Parser::TakeMetadata(std::string_view keyword) {
  if (Peek() == '"') {
    RETURN_IF_ERROR(TakeQuoted(family_unquoted_));
    family_ = family_unquoted_;
  } else {
    family_ = TakeName(true);
    if (family_.empty()) return Fail("expected a metric name after " + std::string(keyword));
  }
  const char* const line_end = std::find(at_, end_, '\n');
  const bool open_metrics = format_ == Format::kOpenMetrics;
  if (open_metrics) {
    if (Peek() != ' ') return Fail("expected text in " + std::string(keyword));
    ++at_;
  } else {
    if (at_ != line_end && *at_ != ' ' && *at_ != '\t') {
      return Fail("expected a blank after the metric name");
    }
    SkipBlanks();
  }
  const std::string_view text(at_, line_end);
  if (keyword == "TYPE") {
    type_ = model::MetricTypeFromName(text);
    const bool untyped = text == (open_metrics ? "unknown" : "untyped");
    const bool text_type = type_ == MetricType::kCounter || type_ == MetricType::kGauge ||
                           type_ == MetricType::kHistogram || type_ == MetricType::kSummary;
    if (!untyped && (type_ == MetricType::kUnknown || (!open_metrics && !text_type))) {
      return Fail("invalid metric type \"" + std::string(text) + "\"");
    }
  } else if (keyword == "HELP") {
    if (!model::IsValidUtf8(text)) return Fail("help text is not valid UTF-8");
    text_ = Unescape(text, open_metrics);
  } else {
    const bool is_suffix =
        text.empty() || (family_.size() > text.size() && family_.ends_with(text) &&
                         family_[family_.size() - text.size() - 1] == '_');
    if (!is_suffix) {
      return Fail("unit \"" + std::string(text) + "\" is not a suffix of the metric's name");
    }
    text_ = text;
  }
  at_ = line_end;
  if (!at_end()) ++at_;
  return keyword == "TYPE" ? Entry::kType : keyword == "HELP" ? Entry::kHelp : Entry::kUnit;
}

base::Status Parser::FindSeriesEnd() {
  const char* const begin = at_;
  if (known_ != nullptr) {
    if (const size_t length = known_->Match({at_, end_}); length != 0) {
      at_ += length;
      series_ = {begin, at_};
      return {};
    }
  }
  while (at_ != end_ && IsNameByte(*at_, true, at_ == begin)) ++at_;
  const char* series_end = at_;
  if (format_ == Format::kText) SkipBlanks();
  if (Peek() == '{') {
    for (at_ = FirstOf<'"', '}', '\n'>(at_ + 1, end_); at_ != end_ && *at_ == '"';
         at_ = FirstOf<'"', '}', '\n'>(at_ + 1, end_)) {
      at_ = FirstOf<'"', '\\'>(at_ + 1, end_);
      while (at_ != end_ && *at_ == '\\') {
        at_ = FirstOf<'"', '\\'>(std::min(at_ + 2, end_), end_);
      }
      if (at_ == end_) return Fail("unterminated quoted text");
    }
    if (Peek() != '}') return Fail("expected a closing brace");
    series_end = ++at_;
  }
  if (series_end == begin) return Fail("expected a metric name");
  series_ = {begin, series_end};
  return {};
}

base::Result<double> Parser::TakeNumber() {
  const auto is_end = [this](const char* at) {
    return at == end_ || *at == ' ' || *at == '\n' || (*at == '\t' && format_ == Format::kText);
  };
  // Counters are mostly short whole numbers.
  constexpr ptrdiff_t kExactDigits = 15;
  const char* const begin = at_;
  const bool negative = begin != end_ && *begin == '-';
  const char* const digits = begin + (negative ? 1 : 0);
  int64_t whole = 0;
  const char* at = digits;
  for (; at != end_ && *at >= '0' && *at <= '9' && at - digits < kExactDigits; ++at) {
    whole = whole * 10 + (*at - '0');
  }
  if (at != digits && is_end(at) && (whole != 0 || !negative)) {
    at_ = at;
    return static_cast<double>(negative ? -whole : whole);
  }
  while (!is_end(at_)) ++at_;
  const std::string_view text(begin, at_);
  const std::optional<double> value = model::ParseFloat(text);
  if (!value) {
    at_ = begin;
    return Fail("\"" + std::string(text) + "\" is not a number");
  }
  return std::isnan(*value) ? model::NormalNan() : *value;
}

base::Result<Parser::Found> Parser::TakeSeries() {
  const bool open_metrics = format_ == Format::kOpenMetrics;
  exemplar_.reset();
  timestamp_.reset();
  RETURN_IF_ERROR(FindSeriesEnd());
  // Behind a brace the value may follow at once, behind a bare name not.
  if (open_metrics) {
    if (Peek() == ' ') {
      ++at_;
    } else if (series_.back() != '}') {
      return Fail("expected a value after the metric");
    }
  } else {
    if (series_.back() != '}' && Peek() != ' ' && Peek() != '\t' &&
        at_ == series_.data() + series_.size()) {
      return Fail("expected a value after the metric");
    }
    SkipBlanks();
  }
  if (at_end() || *at_ == '\n') return Fail("expected a value after the metric");
  ASSIGN_OR_RETURN(value_, TakeNumber());

  if (!open_metrics) {
    SkipBlanks();
    if (!at_end() && *at_ != '\n') {
      int64_t t = 0;
      const auto [after, error] = std::from_chars(at_, end_, t);
      if (error != std::errc()) return Fail("expected a timestamp in milliseconds");
      timestamp_ = t;
      at_ = after;
      SkipBlanks();
      if (!at_end() && *at_ != '\n')
        return Fail("expected the end of the line after the timestamp");
    }
    if (!at_end()) ++at_;
    return Entry::kSeries;
  }

  if (Peek() == ' ' && end_ - at_ > 1 && at_[1] != '#') {
    ++at_;
    ASSIGN_OR_RETURN(const double seconds, TakeNumber());
    if (!std::isfinite(seconds) || std::fabs(seconds) > 9e15) return Fail("invalid timestamp");
    timestamp_ = static_cast<model::Timestamp>(seconds * 1000);
  }
  if (std::string_view(at_, end_).starts_with(" # ")) {
    at_ += 3;
    RETURN_IF_ERROR(TakeExemplar());
  }
  if (Peek() != '\n') {
    return Fail(at_end() ? "data does not end with # EOF" : "expected the end of the line");
  }
  ++at_;
  return Entry::kSeries;
}

base::Status Parser::TakeExemplar() {
  model::Exemplar exemplar;
  if (Peek() != '{') return Fail("expected the labels of an exemplar");
  ASSIGN_OR_RETURN(exemplar.labels, TakeLabels(false));
  if (Peek() != ' ') return Fail("expected a value after the exemplar's labels");
  ++at_;
  ASSIGN_OR_RETURN(exemplar.value, TakeNumber());
  if (Peek() == ' ') {
    ++at_;
    ASSIGN_OR_RETURN(const double seconds, TakeNumber());
    if (!std::isfinite(seconds) || std::fabs(seconds) > 9e15) {
      return Fail("invalid exemplar timestamp");
    }
    exemplar.timestamp = static_cast<model::Timestamp>(seconds * 1000);
  }
  exemplar_ = std::move(exemplar);
  return {};
}

base::Result<model::Labels> Parser::TakeLabels(bool needs_name) {
  const bool open_metrics = format_ == Format::kOpenMetrics;
  const auto skip_blanks = [&] { SkipBlanks(); };
  std::vector<model::Label> labels;
  std::string name;
  std::string value;
  bool named = false;
  const auto set_name = [&](std::string metric) {
    named = true;
    labels.push_back({std::string(model::kMetricName), std::move(metric)});
  };
  if (needs_name) {
    if (const std::string_view bare = TakeName(true); !bare.empty()) set_name(std::string(bare));
    // Blanks before the brace belong to the series, those before the value do not.
    const char* const after_name = at_;
    if (!open_metrics) skip_blanks();
    if (Peek() != '{') at_ = after_name;
  }
  if (Peek() == '{') {
    ++at_;
    for (bool first = true;; first = false) {
      skip_blanks();
      if (Peek() == '}') break;
      if (!first) {
        // The text format has always let a missing comma pass.
        if (Peek() == ',') {
          ++at_;
          skip_blanks();
          if (Peek() == '}') break;
        } else if (open_metrics) {
          return Fail("expected a comma or a closing brace");
        }
      }
      const bool quoted = Peek() == '"';
      if (quoted) {
        RETURN_IF_ERROR(TakeQuoted(name));
      } else {
        name = TakeName(false);
        if (name.empty()) return Fail("expected a label name");
      }
      skip_blanks();
      if (quoted && needs_name && (Peek() == ',' || Peek() == '}')) {
        if (named) return Fail("metric name already set");
        if (name.empty()) return Fail("metric name is empty");
        set_name(name);
        continue;
      }
      if (Peek() != '=') return Fail("expected an equal sign");
      ++at_;
      skip_blanks();
      if (Peek() != '"') return Fail("expected a quoted label value");
      RETURN_IF_ERROR(TakeQuoted(value));
      const bool number = (type_ == MetricType::kHistogram && name == "le") ||
                          (type_ == MetricType::kSummary && name == "quantile");
      if (needs_name && number) CanonicalNumber(value);
      labels.push_back({name, value});
    }
    ++at_;
  }
  if (needs_name && !named) return Fail("metric name not set");
  base::Result<model::Labels> result = model::Labels::From(std::move(labels));
  if (!result) return Fail(result.error().message);
  return result;
}

base::Result<model::Labels> Parser::Labels() {
  const char* const after = at_;
  at_ = series_.data();
  base::Result<model::Labels> labels = TakeLabels(true);
  if (labels && at_ != series_.data() + series_.size()) {
    SkipBlanks();
    if (at_ != series_.data() + series_.size()) labels = Fail("expected the end of the series");
  }
  at_ = after;
  return labels;
}

}  // namespace narthex::exposition
