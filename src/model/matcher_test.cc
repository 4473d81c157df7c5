#include "model/matcher.h"

#include <gtest/gtest.h>

namespace narthex::model {
namespace {

TEST(Matcher, AnchorsExpressionsAndLetsTheDotMatchNewlines) {
  const Matcher matcher = *Matcher::From(Matcher::Type::kRegex, "a", "x.*");
  EXPECT_TRUE(matcher.Matches("x\ny"));
  EXPECT_FALSE(matcher.Matches("ax"));
  EXPECT_FALSE(matcher.MatchesEmpty());
}

TEST(Matcher, TakesAlternativesOfLiterals) {
  const Matcher matcher = *Matcher::From(Matcher::Type::kNotRegex, "a", "b|a||a");
  EXPECT_FALSE(matcher.Matches("a"));
  EXPECT_FALSE(matcher.Matches(""));
  EXPECT_TRUE(matcher.Matches("ab"));
  EXPECT_EQ(matcher.regex()->literals(), (std::vector<std::string>{"", "a", "b"}));
}

TEST(Matcher, ReportsABadExpression) {
  const auto bad = Matcher::From(Matcher::Type::kRegex, "a", "(");
  ASSERT_FALSE(bad.has_value());
  EXPECT_TRUE(bad.error().message.starts_with("error parsing regexp")) << bad.error().message;
}

TEST(AnchoredRegex, ExpandsReferencesAsGoDoes) {
  const AnchoredRegex regex = *AnchoredRegex::Compile("(?P<host>[^:]+):([0-9]+)");
  std::string out;
  ASSERT_TRUE(regex.Expand("db:9090", "${host}-$2-$$-$3-$2x-${", &out));
  EXPECT_EQ(out, "db-9090-$---${");
  EXPECT_FALSE(regex.Expand("db", "x", &out));
}

TEST(Matcher, PrintsItself) { EXPECT_EQ(Matcher::Equal("a.b", "c").ToString(), "\"a.b\"=\"c\""); }

}  // namespace
}  // namespace narthex::model
