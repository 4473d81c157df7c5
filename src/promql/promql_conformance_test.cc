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
  size_t passes;  // Evals that hold today; start timestamps are still missing.
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
  RecordProperty("passed", static_cast<int>(report.passed));
  // How much is left to do, for whoever asks.
  if (std::getenv("NARTHEX_SHOW_FAILURES") != nullptr) {
    std::printf("%s: %zu of %zu\n%s", GetParam().file, report.passed, report.evals,
                failures.c_str());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Promqltest, Conformance,
    testing::Values(Suite{"aggregators.test", 159}, Suite{"collision.test", 2},
                    Suite{"duration_expression.test", 59}, Suite{"extended_vectors.test", 169},
                    Suite{"fill-modifier.test", 46}, Suite{"functions.test", 431},
                    Suite{"histograms.test", 185}, Suite{"info.test", 52}, Suite{"limit.test", 37},
                    Suite{"literals.test", 25}, Suite{"native_histograms.test", 522},
                    Suite{"operators.test", 214}, Suite{"selectors.test", 31},
                    Suite{"staleness.test", 17}, Suite{"start_timestamps.test", 2},
                    Suite{"trig_functions.test", 19}, Suite{"type_and_unit.test", 58}),
    [](const testing::TestParamInfo<Suite>& suite) {
      std::string name = suite.param.file;
      for (char& c : name) {
        if (c == '-' || c == '.') c = '_';
      }
      return name;
    });

}  // namespace
}  // namespace narthex::promql
