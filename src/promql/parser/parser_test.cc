#include "promql/parser/parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "promql/parser/lexer.h"
#include "promql/parser/printer.h"

namespace narthex::promql {
namespace {

using ::testing::HasSubstr;

constexpr ParseOptions kEverything{
    .experimental_functions = true, .extended_range_selectors = true, .fill_modifiers = true};

std::string Normalised(std::string_view text) {
  const auto expr = Parse(text, kEverything);
  return expr ? ToString(**expr) : expr.error().message;
}

std::string ErrorOf(std::string_view text) {
  const auto expr = Parse(text);
  return expr ? "parsed as " + ToString(**expr) : expr.error().message;
}

TEST(Parser, PrintsWhatItParsed) {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {"1", "1"},
      {"0x1F + 1_000", "31 + 1000"},
      {"1e3", "1000"},
      {"5m", "5m"},
      {"-Inf", "-Inf"},
      {"nan", "NaN"},
      {"a - inf ^ ---2", "a - Inf ^ -2"},
      {"foo", "foo"},
      {"sum", "sum"},
      {"foo{a='b',}", R"(foo{a="b"})"},
      {R"({"my.metric", "a.b"=~"c|d"})", R"({"my.metric","a.b"=~"c|d"})"},
      {R"({__name__="foo"})", R"({__name__="foo"})"},
      {"foo[5m] offset 1h @ 10", "foo[5m] @ 10.000 offset 1h"},
      {"foo offset -1h", "foo offset -1h"},
      {"foo[300]", "foo[5m]"},
      {"foo[5m:]", "foo[5m:]"},
      {"foo[1h:1m] @ start()", "foo[1h:1m] @ start()"},
      {"foo[5m * 2]", "foo[5m * 2]"},
      {"foo[(step() + 1m):max_of(5s,step())]", "foo[(step() + 1m):max_of(5s, step())]"},
      {"sum by(a,b)(foo)", "sum by (a, b) (foo)"},
      {"sum(foo) without (a)", "sum without (a) (foo)"},
      {"SUM BY () (foo)", "sum(foo)"},
      {"topk(3, foo)", "topk(3, foo)"},
      {"a + on(x) group_left(y) b", "a + on (x) group_left (y) b"},
      {"a == bool ignoring(x) b", "a == bool ignoring (x) b"},
      {"a and on() b", "a and on () b"},
      {"-foo ^ 2", "-foo ^ 2"},
      {"1 # comment\n + 2", "1 + 2"},
      {"rate(foo[5m] anchored)", "rate(foo[5m] anchored)"},
      {"a + fill(0) b", "a + fill (0) b"},
      {R"('it\'s')", R"("it's")"},
      {"`raw\\n`", R"("raw\\n")"},
  };
  for (const auto& [text, want] : kCases) {
    EXPECT_EQ(Normalised(text), want) << text;
    EXPECT_EQ(Normalised(want), want) << text;
  }
}

TEST(Parser, BindsOperatorsByStrength) {
  const auto shape = [](const Expr& expr, auto&& self) -> std::string {
    if (expr.kind == Expr::Kind::kBinary) {
      const auto& node = As<Binary>(expr);
      return "(" + self(*node.left, self) + std::string(BinaryOpText(node.op)) +
             self(*node.right, self) + ")";
    }
    if (expr.kind == Expr::Kind::kUnary) return "-" + self(*As<Unary>(expr).expr, self);
    return ToString(expr);
  };
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {"a + b * c", "(a+(b*c))"},
      {"a - b - c", "((a-b)-c)"},
      {"a ^ b ^ c", "(a^(b^c))"},
      {"-a ^ b", "-(a^b)"},
      {"-a * b", "(-a*b)"},
      {"a ^ -b * c", "((a^-b)*c)"},
      {"a or b and c unless d", "(aor((bandc)unlessd))"},
      {"a > b + c", "(a>(b+c))"},
      {"a atan2 b + c", "((aatan2b)+c)"},
  };
  for (const auto& [text, want] : kCases) {
    const auto expr = Parse(text);
    ASSERT_TRUE(expr.has_value()) << text << ": " << expr.error().message;
    EXPECT_EQ(shape(**expr, shape), want) << text;
  }
}

TEST(Parser, SaysWhatIsWrongAndWhere) {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {"", "1:1: parse error: no expression found in input"},
      {"1 +", "1:4: parse error: unexpected end of input"},
      {"foo bar", "1:5: parse error: unexpected identifier \"bar\""},
      {"foo)", "1:4: parse error: unexpected right parenthesis ')'"},
      {"foo{", "1:5: parse error: unexpected end of input inside braces"},
      {"\n foo{a}",
       "2:7: parse error: unexpected right brace '}' in label matching, expected "
       "label matching operator"},
      {"{a=\"\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
      {"nope(foo)", "1:1: parse error: unknown function with name \"nope\""},
      {"rate(foo)",
       "1:6: parse error: expected type range vector in call to function \"rate\", got "
       "instant vector"},
      {"abs()", "1:1: parse error: expected 1 argument(s) in call to \"abs\", got 0"},
      {"sum(1)",
       "1:5: parse error: expected type instant vector in aggregation expression, got "
       "scalar"},
      {"1 == 2", "1:1: parse error: comparisons between scalars must use BOOL modifier"},
      {"foo and 1",
       "1:1: parse error: set operator \"and\" not allowed in binary scalar "
       "expression"},
      {"foo[0s]", "1:5: parse error: duration must be greater than 0"},
      {"foo offset 1m offset 2m", "1:15: parse error: offset may not be set multiple times"},
      {"(foo + bar)[5m]", "1:1: parse error: ranges only allowed for vector selectors"},
      {"foo{a=~\"(\"}", "1:5: parse error: error parsing regexp: missing ): (: `(`"},
      {"\"abc", "1:1: parse error: unterminated quoted string"},
      {"1y3", "1:1: parse error: bad number or duration syntax: \"1y3\""},
      {"sort_by_label(foo)", "1:1: parse error: function \"sort_by_label\" is not enabled"},
  };
  for (const auto& [text, want] : kCases) EXPECT_EQ(ErrorOf(text), want) << text;
}

TEST(Parser, AnswersHostileTextsWithAnError) {
  const auto repeated = [](std::string_view part, size_t count) {
    std::string text;
    for (size_t i = 0; i < count; ++i) text += part;
    return text;
  };
  EXPECT_THAT(ErrorOf(repeated("(", 100'000)), HasSubstr("unclosed left parenthesis"));
  EXPECT_THAT(ErrorOf(repeated("(", 50'000) + "1" + repeated(")", 50'000)), HasSubstr("nested"));
  EXPECT_THAT(ErrorOf(repeated("-", 100'000) + "x"), HasSubstr("nested"));
  EXPECT_THAT(ErrorOf("1" + repeated("+1", 100'000)), HasSubstr("nested"));
  EXPECT_THAT(ErrorOf(repeated("abs(", 20'000) + "x" + repeated(")", 20'000)), HasSubstr("nested"));
  EXPECT_THAT(ErrorOf("x[" + repeated("-", 100'000) + "1m]"), HasSubstr("nested"));
  EXPECT_THAT(ErrorOf(std::string(2 << 20, ' ')), HasSubstr("longer than"));
}

TEST(Parser, TakesTreesUpToTheDepthLimit) {
  std::string text(998, '(');
  text += "1" + std::string(998, ')');
  EXPECT_TRUE(Parse(text).has_value());
}

TEST(Parser, ReadsSelectorsOfMatchParameters) {
  const auto matchers = ParseSelector(R"(up{job!="x"})");
  ASSERT_TRUE(matchers.has_value());
  ASSERT_EQ(matchers->size(), 2u);
  EXPECT_FALSE(ParseSelector("up[5m]").has_value());
  EXPECT_FALSE(ParseSelector("1").has_value());
}

TEST(Printer, BreaksTheDeepestQueries) {
  std::string text;
  for (int i = 0; i < 990; ++i) text += "abs(";
  text += "x" + std::string(990, ')');
  const auto expr = Parse(text);
  ASSERT_TRUE(expr.has_value());
  const auto again = Parse(Pretty(**expr), {.text_bytes_max = size_t{8} << 20});
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(ToString(**again), text);
}

TEST(Printer, BreaksLongQueries) {
  const auto expr = Parse(
      "sum by (job) (rate(http_requests_total{code=\"500\"}[5m])) / sum by (job) "
      "(rate(http_requests_total{code=~\".+\"}[5m]))");
  ASSERT_TRUE(expr.has_value());
  EXPECT_EQ(Pretty(**expr),
            "  sum by (job) (rate(http_requests_total{code=\"500\"}[5m]))\n/\n"
            "  sum by (job) (rate(http_requests_total{code=~\".+\"}[5m]))");
}

}  // namespace
}  // namespace narthex::promql
