#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "promql/functions/function.h"

namespace narthex::promql {
namespace {

constexpr std::string_view kBegin = "<!-- generated from the function table: begin -->\n";
constexpr std::string_view kEnd = "<!-- generated from the function table: end -->\n";

std::string Signature(const Function& function) {
  std::string text(function.name);
  text += '(';
  size_t listed = 0;
  while (listed < kFunctionArgsMax && function.args[listed] != ValueType::kNone) ++listed;
  for (size_t i = 0; i < listed; ++i) {
    if (i > 0) text += ", ";
    const bool optional = i >= function.required;
    text += fmt::format("{}{}{}", optional ? "[" : "", ValueTypeText(function.args[i]),
                        optional ? "]" : "");
  }
  if (function.repeats > 0 && listed > 0) text += ", …";
  return text + ')';
}

std::string Reference() {
  std::string out = "| function | result | what it does |\n|---|---|---|\n";
  for (const Function& function : Functions()) {
    out +=
        fmt::format("| `{}` | {} | {}{} |\n", Signature(function), ValueTypeText(function.result),
                    function.doc, function.experimental ? " *Experimental.*" : "");
  }
  return out;
}

// NARTHEX_UPDATE_DOCS=1 writes the section anew.
TEST(FunctionDocs, AreThoseOfTheTable) {
  const std::string path = std::string(NARTHEX_SOURCE_DIR) + "/docs/promql.md";
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  const std::string page = text.str();
  const size_t begin = page.find(kBegin);
  const size_t end = page.find(kEnd);
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const size_t from = begin + kBegin.size();
  if (std::getenv("NARTHEX_UPDATE_DOCS") != nullptr) {
    std::ofstream(path) << page.substr(0, from) << Reference() << page.substr(end);
    return;
  }
  EXPECT_EQ(page.substr(from, end - from), Reference()) << "run it with NARTHEX_UPDATE_DOCS=1";
}

TEST(FunctionDocs, EveryRowSaysSomething) {
  for (const Function& function : Functions()) {
    EXPECT_TRUE(function.doc.ends_with('.')) << function.name;
  }
}

}  // namespace
}  // namespace narthex::promql
