#include "promql/script/script.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/ascii.h"
#include "model/duration.h"
#include "promql/parser/lexer.h"
#include "promql/script/classic_histograms.h"
#include "promql/script/judge.h"
#include "promql/script/pinned.h"
#include "promql/script/script_storage.h"
#include "promql/script/series_notation.h"

namespace narthex::promql {
namespace {

// The text up to the next blank; `text` keeps the trimmed rest.
std::string_view TakeWord(std::string_view& text) {
  const size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text = base::Trim(text.substr(end));
  return word;
}

Expectation ParseExpectation(std::string_view rest) {
  if (rest.starts_with("msg:")) {
    return {Expectation::Kind::kText, std::string(base::Trim(rest.substr(4)))};
  }
  if (rest.starts_with("regex:")) {
    return {Expectation::Kind::kRegex, std::string(base::Trim(rest.substr(6)))};
  }
  return {};
}

class Runner {
 public:
  explicit Runner(std::string_view script) : engine_(ScriptEngineOptions(), base::SystemClock()) {
    while (!script.empty()) {
      const size_t end = std::min(script.find('\n'), script.size());
      std::string_view line = base::Trim(script.substr(0, end));
      if (line.starts_with('#')) line = {};
      lines_.push_back(line);
      script.remove_prefix(std::min(end + 1, script.size()));
    }
  }

  ScriptReport Run() {
    while (next_ < lines_.size()) {
      const std::string_view line = lines_[next_];
      if (line.empty()) {
        ++next_;
      } else if (line == "clear") {
        ++next_;
        storage_.Clear();
      } else if (line.starts_with("load")) {
        Load();
      } else if (line.starts_with("eval")) {
        const Eval eval = ParseEval();
        ++report_.evals;
        const std::string wrong = Judge(eval);
        if (wrong.empty()) {
          ++report_.passed;
        } else {
          report_.failures.push_back({eval.line, fmt::format("{}: {}", eval.query, wrong)});
        }
      } else {
        report_.failures.push_back({next_ + 1, fmt::format("unknown command: {}", line)});
        ++next_;
      }
    }
    return std::move(report_);
  }

 private:
  void Load() {
    std::string_view rest = lines_[next_];
    const std::string_view command = TakeWord(rest);
    const auto step = model::ParseDuration(rest);
    const bool with_nhcb = command == "load_with_nhcb";
    if ((command != "load" && !with_nhcb) || !step) {
      report_.failures.push_back({next_ + 1, fmt::format("cannot do: {}", lines_[next_])});
    }
    std::vector<SeriesLine> block;
    std::optional<SeriesLine> starts;  // Of the line that follows.
    for (++next_; next_ < lines_.size() && !lines_[next_].empty(); ++next_) {
      const bool is_start = IsStartLine(lines_[next_]);
      auto series = is_start ? ParseStartLine(lines_[next_]) : ParseSeriesLine(lines_[next_]);
      if (!series) {
        report_.failures.push_back({next_ + 1, series.error().message});
      } else if (is_start) {
        starts = *std::move(series);
      } else if (step) {
        Store(*series, starts ? &*starts : nullptr, *step);
        starts.reset();
        block.push_back(*std::move(series));
      }
    }
    if (!with_nhcb || !step) return;
    for (const SeriesLine& series : ConvertClassicHistograms(block)) Store(series, nullptr, *step);
  }

  void Store(const SeriesLine& series, const SeriesLine* starts, int64_t step) {
    model::SampleColumns samples;
    for (size_t i = 0; i < series.values.size(); ++i) {
      if (!series.values[i]) continue;
      const model::Timestamp t = static_cast<int64_t>(i) * step;
      if (series.values[i]->histogram != nullptr) {
        samples.Add(t, series.values[i]->histogram);
      } else {
        samples.Add(t, series.values[i]->number);
      }
      if (starts == nullptr || i >= starts->values.size() || !starts->values[i]) continue;
      samples.SetLastStart(t + static_cast<int64_t>(starts->values[i]->number));
    }
    storage_.Put(series.labels, samples);
  }

  static int64_t Time(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    if (const auto ms = model::ParseDuration(text)) return negative ? -*ms : *ms;
    const auto seconds = ParseScriptNumber(text);
    return static_cast<int64_t>(std::round(seconds.value_or(0) * 1000)) * (negative ? -1 : 1);
  }

  Eval ParseEval() {
    Eval eval;
    eval.line = next_ + 1;
    std::string_view rest = lines_[next_++];
    const std::string_view command = TakeWord(rest);
    if (command == "eval_fail") eval.fail.emplace();
    if (command == "eval_warn") eval.warn.emplace_back();
    if (command == "eval_info") eval.info.emplace_back();
    eval.ordered = command == "eval_ordered";
    eval.instant = TakeWord(rest) == "instant";
    TakeWord(rest);  // "at" or "from"
    if (eval.instant) {
      eval.at = Time(TakeWord(rest));
    } else {
      eval.range.start = Time(TakeWord(rest));
      TakeWord(rest);  // "to"
      eval.range.end = Time(TakeWord(rest));
      TakeWord(rest);  // "step"
      eval.range.step_ms = Time(TakeWord(rest));
    }
    eval.query = rest;
    for (; next_ < lines_.size() && !lines_[next_].empty(); ++next_) {
      if (!ParseEvalLine(lines_[next_], eval)) {
        ++next_;
        break;
      }
    }
    return eval;
  }

  // False when the line ends the block.
  static bool ParseEvalLine(std::string_view line, Eval& eval) {
    if (line.starts_with("expect ")) {
      ParseExpect(base::Trim(line.substr(7)), eval);
      return true;
    }
    if (line.starts_with("expected_fail_message")) {
      eval.fail = {Expectation::Kind::kText, std::string(base::Trim(line.substr(21)))};
      return true;
    }
    if (line.starts_with("expected_fail_regexp")) {
      eval.fail = {Expectation::Kind::kRegex, std::string(base::Trim(line.substr(20)))};
      return true;
    }
    if (const auto number = ParseScriptNumber(line)) {
      eval.scalar = *number;
      return false;
    }
    auto series = ParseSeriesLine(line);
    if (series) {
      eval.series.push_back(*std::move(series));
    } else {
      eval.broken = series.error().message;
    }
    return true;
  }

  static void ParseExpect(std::string_view rest, Eval& eval) {
    const std::string_view what = TakeWord(rest);
    if (what == "ordered") {
      eval.ordered = true;
    } else if (what == "fail") {
      eval.fail = ParseExpectation(rest);
    } else if (what == "warn") {
      eval.warn.push_back(ParseExpectation(rest));
    } else if (what == "info") {
      eval.info.push_back(ParseExpectation(rest));
    } else if (what == "no_warn") {
      eval.no_warn = true;
    } else if (what == "no_info") {
      eval.no_info = true;
    } else if (what == "string") {
      eval.string = Unquote(rest).value_or(std::string(rest));
    } else if (what == "range") {
      Engine::Range range;
      TakeWord(rest);  // "vector"
      TakeWord(rest);  // "from"
      range.start = Time(TakeWord(rest));
      TakeWord(rest);
      range.end = Time(TakeWord(rest));
      TakeWord(rest);
      range.step_ms = Time(TakeWord(rest));
      eval.matrix = range;
    } else {
      eval.broken = fmt::format("unknown expectation {}", what);
    }
  }

  // Empty when all is as expected.
  std::string Judge(const Eval& eval) {
    if (!eval.broken.empty()) return eval.broken;
    const auto result = eval.instant ? engine_.Instant(storage_, eval.query, eval.at, {})
                                     : engine_.OverRange(storage_, eval.query, eval.range, {});
    if (eval.fail) {
      if (result) return "succeeded, should have failed";
      if (!eval.fail->Matches(result.error().message)) {
        return "failed with another message: " + result.error().message;
      }
      return {};
    }
    if (!result) return "failed: " + result.error().message;
    if (auto wrong = JudgeRemarks(eval, *result); !wrong.empty()) return wrong;
    if (auto wrong = JudgeResult(eval, *result); !wrong.empty()) return wrong;
    if (!eval.instant) return {};
    if (auto wrong = JudgeAsRange(eval, *result); !wrong.empty()) return wrong;
    return JudgePinned(eval);
  }

  // With all selectors pinned to its time, the query gives the same at any other.
  std::string JudgePinned(const Eval& eval) {
    const std::string query = eval.matrix ? std::string() : Pinned(eval.query, eval.at);
    if (query.empty()) return {};
    for (const int64_t time :
         {eval.at - 1000, -10 * eval.at, int64_t{0}, eval.at / 5, 10 * eval.at}) {
      const auto result = engine_.Instant(storage_, query, time, {});
      if (!result) return "failed as " + query + ": " + result.error().message;
      if (result->type == ValueType::kMatrix) return {};
      Eval moved = eval;
      moved.at = time;
      if (auto wrong = JudgeResult(moved, *result); !wrong.empty()) {
        return fmt::format("as {} at {} ms: {}", query, time, wrong);
      }
    }
    return {};
  }

  // The same query as the middle of three steps gives the same.
  std::string JudgeAsRange(const Eval& eval, const QueryResult& instant) {
    constexpr std::string_view kContext[] = {"start()", "end()", "range()", "step()"};
    const bool skipped = eval.ordered || eval.matrix || instant.type == ValueType::kString ||
                         instant.type == ValueType::kMatrix ||
                         std::ranges::any_of(kContext, [&](std::string_view call) {
                           return eval.query.find(call) != std::string::npos;
                         });
    if (skipped) return {};
    const Engine::Range range{eval.at - 60'000, eval.at + 60'000, 60'000};
    const auto result = engine_.OverRange(storage_, eval.query, range, {});
    if (!result) return "failed as a range query: " + result.error().message;
    QueryResult middle;
    middle.type = instant.type;
    for (const ResultRow& row : result->rows) {
      const auto at = std::ranges::find(row.samples.t, eval.at);
      if (at == row.samples.t.end()) continue;
      ResultRow& only = middle.rows.emplace_back();
      only.labels = row.labels;
      only.samples.AddFrom(row.samples, static_cast<size_t>(at - row.samples.t.begin()));
    }
    const std::string wrong = JudgeResult(eval, middle);
    return wrong.empty() ? wrong : "as a range query: " + wrong;
  }

  ScriptStorage storage_;
  const Engine engine_;
  std::vector<std::string_view> lines_;
  size_t next_ = 0;
  ScriptReport report_;
};

}  // namespace

Engine::Options ScriptEngineOptions() {
  Engine::Options options;
  options.timeout_ms = 100'000;
  options.samples_max = 10'000;
  options.delayed_name_removal = true;
  options.use_start_timestamps = true;
  options.parse.experimental_functions = true;
  options.parse.extended_range_selectors = true;
  options.parse.fill_modifiers = true;
  return options;
}

ScriptReport RunScript(std::string_view script) { return Runner(script).Run(); }

}  // namespace narthex::promql
