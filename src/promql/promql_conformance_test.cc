#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "promql/script/script.h"

namespace narthex::promql {
namespace {

std::string ReadScript(const std::string& name) {
  const char* const folder = std::getenv("NARTHEX_CONFORMANCE");
  std::ifstream file(std::string(folder != nullptr ? folder : NARTHEX_CONFORMANCE_DIR) +
                     "/promqltest/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class Conformance : public testing::TestWithParam<const char*> {};

TEST_P(Conformance, Holds) {
  const std::string script = ReadScript(GetParam());
  ASSERT_FALSE(script.empty());
  const ScriptReport report = RunScript(script);
  EXPECT_GT(report.evals, 0u);
  for (const ScriptReport::Failure& failure : report.failures) {
    ADD_FAILURE() << "line " << failure.line << ": " << failure.text;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Promqltest, Conformance,
    testing::Values("aggregators.test", "collision.test", "duration_expression.test",
                    "extended_vectors.test", "fill-modifier.test", "functions.test",
                    "histograms.test", "info.test", "limit.test", "literals.test",
                    "native_histograms.test", "operators.test", "selectors.test", "staleness.test",
                    "start_timestamps.test", "trig_functions.test", "type_and_unit.test"),
    [](const testing::TestParamInfo<const char*>& suite) {
      std::string name = suite.param;
      for (char& c : name) {
        if (c == '-' || c == '.') c = '_';
      }
      return name;
    });

}  // namespace
}  // namespace narthex::promql
