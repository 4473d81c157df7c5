#include "model/matcher.h"

#include <re2/re2.h>

#include <algorithm>

namespace narthex::model {
namespace {

// Splits "a|b|c" when no part has a special character; empty otherwise.
std::vector<std::string> LiteralAlternatives(std::string_view pattern) {
  constexpr std::string_view kSpecial = "\\.+*?()[]{}^$";
  if (pattern.find_first_of(kSpecial) != std::string_view::npos) return {};
  std::vector<std::string> parts;
  for (size_t begin = 0;;) {
    const size_t bar = pattern.find('|', begin);
    parts.emplace_back(pattern.substr(begin, bar - begin));
    if (bar == std::string_view::npos) break;
    begin = bar + 1;
  }
  std::ranges::sort(parts);
  const auto repeated = std::ranges::unique(parts);
  parts.erase(repeated.begin(), repeated.end());
  return parts;
}

}  // namespace

base::Result<AnchoredRegex> AnchoredRegex::Compile(std::string_view pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);
  auto regex =
      std::make_shared<const re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!regex->ok()) {
    return base::Fail(base::Code::kInvalidArgument, "error parsing regexp: {}: `{}`",
                      regex->error(), regex->error_arg());
  }
  AnchoredRegex result;
  result.pattern_ = pattern;
  result.regex_ = std::move(regex);
  result.literals_ = LiteralAlternatives(pattern);
  return result;
}

bool AnchoredRegex::Matches(std::string_view text) const {
  if (!literals_.empty()) return std::ranges::binary_search(literals_, text);
  return regex_->Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), RE2::ANCHOR_BOTH,
                       nullptr, 0);
}

bool AnchoredRegex::Expand(std::string_view text, std::string_view replacement,
                           std::string* out) const {
  const int groups = regex_->NumberOfCapturingGroups();
  std::vector<re2::StringPiece> captured(static_cast<size_t>(groups) + 1);
  if (!regex_->Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), RE2::ANCHOR_BOTH,
                     captured.data(), groups + 1)) {
    return false;
  }
  const auto is_word = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const auto append_group = [&](std::string_view name) {
    size_t index = captured.size();
    if (std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; })) {
      index = 0;
      for (const char c : name) index = std::min<size_t>(index * 10 + size_t(c - '0'), 1 << 20);
    } else {
      const auto found = regex_->NamedCapturingGroups().find(std::string(name));
      if (found != regex_->NamedCapturingGroups().end()) {
        index = static_cast<size_t>(found->second);
      }
    }
    if (index < captured.size()) out->append(captured[index].data(), captured[index].size());
  };
  out->clear();
  for (size_t i = 0; i < replacement.size();) {
    if (replacement[i] != '$') {
      *out += replacement[i++];
      continue;
    }
    if (i + 1 < replacement.size() && replacement[i + 1] == '$') {
      *out += '$';
      i += 2;
      continue;
    }
    const bool braced = i + 1 < replacement.size() && replacement[i + 1] == '{';
    const size_t begin = i + (braced ? 2 : 1);
    size_t end = begin;
    while (end < replacement.size() && is_word(replacement[end])) ++end;
    const bool closed = !braced || (end < replacement.size() && replacement[end] == '}');
    if (end == begin || !closed) {
      *out += replacement[i++];  // Not a reference: the dollar stands for itself.
      continue;
    }
    append_group(replacement.substr(begin, end - begin));
    i = end + (braced ? 1 : 0);
  }
  return true;
}

base::Result<Matcher> Matcher::From(Type type, std::string name, std::string value) {
  Matcher matcher;
  if (type == Type::kRegex || type == Type::kNotRegex) {
    ASSIGN_OR_RETURN(AnchoredRegex regex, AnchoredRegex::Compile(value));
    matcher.regex_ = std::make_shared<const AnchoredRegex>(std::move(regex));
  }
  matcher.type_ = type;
  matcher.name_ = std::move(name);
  matcher.value_ = std::move(value);
  matcher.matches_empty_ = matcher.Matches("");
  return matcher;
}

Matcher Matcher::Equal(std::string name, std::string value) {
  Matcher matcher;
  matcher.name_ = std::move(name);
  matcher.value_ = std::move(value);
  matcher.matches_empty_ = matcher.value_.empty();
  return matcher;
}

bool Matcher::Matches(std::string_view value) const {
  switch (type_) {
    case Type::kEqual:
      return value == value_;
    case Type::kNotEqual:
      return value != value_;
    case Type::kRegex:
      return regex_->Matches(value);
    case Type::kNotRegex:
      return !regex_->Matches(value);
  }
  return false;
}

std::string_view MatcherOperator(Matcher::Type type) {
  switch (type) {
    case Matcher::Type::kEqual:
      return "=";
    case Matcher::Type::kNotEqual:
      return "!=";
    case Matcher::Type::kRegex:
      return "=~";
    case Matcher::Type::kNotRegex:
      return "!~";
  }
  return "=";
}

std::string Matcher::ToString() const {
  std::string text;
  if (IsLegacyLabelName(name_)) {
    text = name_;
  } else {
    AppendQuoted(text, name_);
  }
  text += MatcherOperator(type_);
  AppendQuoted(text, value_);
  return text;
}

bool AllMatch(const std::vector<Matcher>& matchers, const Labels& labels) {
  return std::ranges::all_of(matchers, [&](const Matcher& matcher) {
    return matcher.Matches(labels.Get(matcher.name()));
  });
}

}  // namespace narthex::model
