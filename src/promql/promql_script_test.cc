#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "promql/script/script.h"

namespace narthex::promql {
namespace {

class Script : public testing::TestWithParam<std::string> {};

TEST_P(Script, AllAnswersAreAsWritten) {
  std::ifstream file(std::string(NARTHEX_SOURCE_DIR) + "/src/promql/testdata/" + GetParam() +
                     ".test");
  std::stringstream text;
  text << file.rdbuf();
  const ScriptReport report = RunScript(text.str());
  EXPECT_GT(report.evals, 0u);
  for (const ScriptReport::Failure& failure : report.failures) {
    ADD_FAILURE() << "line " << failure.line << ": " << failure.text;
  }
}

INSTANTIATE_TEST_SUITE_P(Own, Script,
                         testing::Values("aggregations", "experimental", "functions", "histograms",
                                         "operators", "rates", "selectors"));

TEST(ScriptRunner, NamesTheLine) {
  const ScriptReport report = RunScript("load 1m\n  m 1\n\n# fine\neval instant at 0 m\n  m 2\n");
  ASSERT_EQ(report.failures.size(), 1u);
  EXPECT_EQ(report.failures[0].line, 5u);
  EXPECT_EQ(report.passed, 0u);
}

// The runner itself must notice what is wrong.
TEST(ScriptRunner, NoticesWrongAnswers) {
  const std::string_view kWrong[] = {
      "load 1m\n  m 1\n\neval instant at 0 m\n  m 2\n",
      "load 1m\n  m 1\n\neval instant at 0 m\n",
      "eval instant at 0 m\n  m 2\n",
      "eval instant at 0 1\n  2\n",
      "eval instant at 0 1\n  expect fail\n",
      "eval instant at 0 vector(1)\n  expect warn\n  {} 1\n",
      "eval instant at 0 (\n  expect fail msg: another\n",
      "load 1m\n  m{a=\"1\"} 1\n  m{a=\"2\"} 2\n\neval instant at 0 sort(m)\n  expect ordered\n"
      "  m{a=\"2\"} 2\n  m{a=\"1\"} 1\n",
      "eval range from 0 to 2m step 1m vector(1)\n  {} 1 1\n",
      "nonsense\n",
  };
  for (const std::string_view script : kWrong) {
    EXPECT_FALSE(RunScript(script).failures.empty()) << script;
  }
}

}  // namespace
}  // namespace narthex::promql
