#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"

namespace re2 {
class RE2;
}

namespace narthex::model {

// An RE2 expression that has to match the whole text, with the dot matching newlines, as in all of
// Prometheus. Immutable, thread-safe, cheap to copy.
class AnchoredRegex {
 public:
  // Error: kInvalidArgument with RE2's message.
  static base::Result<AnchoredRegex> Compile(std::string_view pattern);

  bool Matches(std::string_view text) const;
  // Matches and expands `$1`, `${name}` of `replacement` as Go's regexp.Expand does; nullopt-like
  // false when the text does not match.
  bool Expand(std::string_view text, std::string_view replacement, std::string* out) const;
  const std::string& pattern() const { return pattern_; }
  // The texts that match, where the pattern is a plain alternation of literals ("a|b|c", "x");
  // empty where it is anything else.
  const std::vector<std::string>& literals() const { return literals_; }

 private:
  std::string pattern_;
  std::shared_ptr<const re2::RE2> regex_;
  std::vector<std::string> literals_;
};

// A condition on one label; an absent label counts as the empty value. Immutable, thread-safe.
class Matcher {
 public:
  enum class Type { kEqual, kNotEqual, kRegex, kNotRegex };

  // Error: kInvalidArgument where the expression does not compile.
  static base::Result<Matcher> From(Type type, std::string name, std::string value);
  static Matcher Equal(std::string name, std::string value);

  bool Matches(std::string_view value) const;
  bool MatchesEmpty() const { return matches_empty_; }
  Type type() const { return type_; }
  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }
  // Set for the two regular types.
  const AnchoredRegex* regex() const { return regex_.get(); }
  // `name="value"`, with the name quoted where it has to be.
  std::string ToString() const;

 private:
  Matcher() = default;

  Type type_ = Type::kEqual;
  std::string name_;
  std::string value_;
  std::shared_ptr<const AnchoredRegex> regex_;
  bool matches_empty_ = false;
};

std::string_view MatcherOperator(Matcher::Type type);  // "=", "!=", "=~", "!~"

// True when every matcher accepts the label set.
bool AllMatch(const std::vector<Matcher>& matchers, const Labels& labels);

}  // namespace narthex::model
