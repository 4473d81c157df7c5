#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "promql/testing/script.h"

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

struct Suite {
  const char* file;
  size_t passes;  // Evals that hold today; native histograms and some modifiers are still missing.
};

class Conformance : public testing::TestWithParam<Suite> {};

TEST_P(Conformance, HoldsAllThatItEverDid) {
  const std::string script = ReadScript(GetParam().file);
  ASSERT_FALSE(script.empty());
  const ScriptReport report = RunScript(script);
  std::string failures;
  for (const std::string& failure : report.failures) failures += failure + "\n";
  EXPECT_GE(report.passed, GetParam().passes) << failures;
  RecordProperty("evals", static_cast<int>(report.evals));
  std::printf("%s: %zu of %zu\n", GetParam().file, report.passed, report.evals);
  if (std::getenv("NARTHEX_SHOW_FAILURES") != nullptr) std::printf("%s", failures.c_str());
}

INSTANTIATE_TEST_SUITE_P(
    Promqltest, Conformance,
    testing::Values(Suite{"aggregators.test", 0}, Suite{"collision.test", 0},
                    Suite{"duration_expression.test", 0}, Suite{"extended_vectors.test", 0},
                    Suite{"fill-modifier.test", 0}, Suite{"functions.test", 0},
                    Suite{"histograms.test", 0}, Suite{"info.test", 0}, Suite{"limit.test", 0},
                    Suite{"literals.test", 0}, Suite{"native_histograms.test", 0},
                    Suite{"operators.test", 0}, Suite{"selectors.test", 0},
                    Suite{"staleness.test", 0}, Suite{"start_timestamps.test", 0},
                    Suite{"trig_functions.test", 0}, Suite{"type_and_unit.test", 0}),
    [](const testing::TestParamInfo<Suite>& suite) {
      std::string name = suite.param.file;
      for (char& c : name) {
        if (c == '-' || c == '.') c = '_';
      }
      return name;
    });

}  // namespace
}  // namespace narthex::promql
