#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "promql/engine.h"
#include "promql/script/series_notation.h"

namespace narthex::promql {

// One `expect warn …` line: any text, this text, or a pattern.
struct Expectation {
  enum class Kind { kAny, kText, kRegex };
  Kind kind = Kind::kAny;
  std::string text;

  bool Matches(std::string_view message) const;
};

// An `eval` command with all that it expects.
struct Eval {
  size_t line = 0;
  bool instant = true;
  model::Timestamp at = 0;
  Engine::Range range;
  std::string query;
  bool ordered = false;
  std::optional<Expectation> fail;
  std::vector<Expectation> warn;
  std::vector<Expectation> info;
  bool no_warn = false;
  bool no_info = false;
  std::optional<std::string> string;
  std::optional<double> scalar;
  std::vector<SeriesLine> series;
  std::optional<Engine::Range> matrix;
  std::string broken;  // Why the expectation itself cannot be read.
};

// How a result differs from what is expected of it; empty where it does not. Values are equal
// within upstream's tolerance.
std::string JudgeResult(const Eval& eval, const QueryResult& result);
// The same of its warnings and infos.
std::string JudgeRemarks(const Eval& eval, const QueryResult& result);

}  // namespace narthex::promql
