#include "promql/script/judge.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "model/duration.h"
#include "model/number.h"

namespace narthex::promql {
namespace {

bool AlmostEqual(double a, double b) {
  if (model::IsStaleNan(a) || model::IsStaleNan(b)) {
    return model::IsStaleNan(a) && model::IsStaleNan(b);
  }
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (a == b) return true;
  constexpr double kTolerance = 0.000001;
  constexpr double kNormalMin = std::numeric_limits<double>::min();
  const double sum = std::fabs(a) + std::fabs(b);
  const double difference = std::fabs(a - b);
  if (a == 0 || b == 0 || sum < kNormalMin) return difference < kTolerance * kNormalMin;
  return difference / std::min(sum, std::numeric_limits<double>::max()) < kTolerance;
}

// The populated buckets with their indices.
std::vector<model::IndexedCount> Populated(const std::vector<model::BucketSpan>& spans,
                                           const std::vector<double>& counts) {
  auto buckets = model::Unpack(spans, counts);
  std::erase_if(buckets, [](const model::IndexedCount& bucket) { return bucket.count == 0; });
  return buckets;
}

bool AlmostEqual(const ScriptValue& want, const model::FloatHistogram& got) {
  const model::FloatHistogram& h = *want.histogram;
  if (want.hint_given && h.hint != got.hint) return false;
  if (h.schema != got.schema || !AlmostEqual(h.count, got.count) || !AlmostEqual(h.sum, got.sum) ||
      h.custom_bounds != got.custom_bounds) {
    return false;
  }
  if (h.zero_threshold != got.zero_threshold || !AlmostEqual(h.zero_count, got.zero_count)) {
    return false;
  }
  const auto same = [](const std::vector<model::IndexedCount>& a,
                       const std::vector<model::IndexedCount>& b) {
    return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
      return x.index == y.index && AlmostEqual(x.count, y.count);
    });
  };
  return same(Populated(h.positive_spans, h.positive),
              Populated(got.positive_spans, got.positive)) &&
         same(Populated(h.negative_spans, h.negative), Populated(got.negative_spans, got.negative));
}

bool AlmostEqual(const ScriptValue& want, const model::SampleColumns& got, size_t i) {
  if (want.histogram != nullptr) {
    return got.IsHistogram(i) && AlmostEqual(want, *got.histograms[i]);
  }
  return !got.IsHistogram(i) && AlmostEqual(want.number, got.v[i]);
}

std::string Print(const ResultRow& row) {
  std::string text = row.labels.ToString();
  for (size_t i = 0; i < row.samples.size(); ++i) {
    const bool is_histogram = row.samples.IsHistogram(i);
    text +=
        fmt::format(" {}@{}",
                    is_histogram ? fmt::format("{} schema:{} z_bucket_w:{} hint:{}",
                                               row.samples.histograms[i]->ToString(),
                                               row.samples.histograms[i]->schema,
                                               row.samples.histograms[i]->zero_threshold,
                                               static_cast<int>(row.samples.histograms[i]->hint))
                                 : model::FormatFloat(row.samples.v[i]),
                    model::FormatDuration(row.samples.t[i]));
  }
  return text;
}

std::string JudgeSamples(const Eval& eval, const SeriesLine& want, const ResultRow& row) {
  std::map<model::Timestamp, ScriptValue> wanted;
  const bool steps = !eval.instant || eval.matrix;
  const Engine::Range range = eval.matrix.value_or(eval.range);
  for (size_t i = 0; i < want.values.size(); ++i) {
    const model::Timestamp t =
        steps ? range.start + static_cast<int64_t>(i) * range.step_ms : eval.at;
    if (want.values[i]) wanted[t] = *want.values[i];
  }
  bool same = wanted.size() == row.samples.size();
  size_t i = 0;
  for (const auto& [t, value] : wanted) {
    same = same && row.samples.t[i] == t && AlmostEqual(value, row.samples, i);
    ++i;
  }
  return same ? std::string() : "other values: " + Print(row);
}

std::string JudgeSeries(const Eval& eval, const QueryResult& result) {
  if (result.rows.size() != eval.series.size()) {
    std::string text =
        fmt::format("{} series instead of {}", result.rows.size(), eval.series.size());
    for (const ResultRow& row : result.rows) text += "\n    " + Print(row);
    return text;
  }
  for (size_t i = 0; i < eval.series.size(); ++i) {
    const SeriesLine& want = eval.series[i];
    const auto found = std::ranges::find(result.rows, want.labels, &ResultRow::labels);
    if (found == result.rows.end()) {
      std::string text = "no " + want.labels.ToString() + "; got";
      for (const ResultRow& row : result.rows) text += "\n    " + Print(row);
      return text;
    }
    if (eval.ordered && found != result.rows.begin() + static_cast<ptrdiff_t>(i)) {
      return "in another order: " + want.labels.ToString();
    }
    if (auto wrong = JudgeSamples(eval, want, *found); !wrong.empty()) return wrong;
  }
  return {};
}

}  // namespace

bool Expectation::Matches(std::string_view message) const {
  if (kind == Kind::kAny) return true;
  if (kind == Kind::kText) return message == text;
  return RE2::PartialMatch(re2::StringPiece(message.data(), message.size()), text);
}

std::string JudgeRemarks(const Eval& eval, const QueryResult& result) {
  const auto judge = [](const std::vector<std::string>& found,
                        const std::vector<Expectation>& wanted, bool none,
                        std::string_view level) -> std::string {
    if (none && !found.empty()) return fmt::format("unexpected {}: {}", level, found[0]);
    if (wanted.empty()) return {};
    for (const Expectation& expectation : wanted) {
      if (std::ranges::none_of(
              found, [&](const std::string& text) { return expectation.Matches(text); })) {
        return fmt::format("no {} {}; got {}", level, expectation.text,
                           found.empty() ? "none" : found[0]);
      }
    }
    for (const std::string& text : found) {
      if (std::ranges::none_of(wanted, [&](const Expectation& e) { return e.Matches(text); })) {
        return fmt::format("unexpected {}: {}", level, text);
      }
    }
    return {};
  };
  auto wrong = judge(result.warnings, eval.warn, eval.no_warn, "warning");
  if (wrong.empty()) wrong = judge(result.infos, eval.info, eval.no_info, "info");
  return wrong;
}

std::string JudgeResult(const Eval& eval, const QueryResult& result) {
  if (eval.string) {
    return result.type == ValueType::kString && result.text == *eval.string
               ? std::string()
               : "another string: " + result.text;
  }
  if (result.type == ValueType::kString) return "unexpected string";
  if (eval.scalar || result.type == ValueType::kScalar) {
    if (!eval.scalar || result.type != ValueType::kScalar) {
      return "result is " + std::string(ValueTypeText(result.type));
    }
    const double value = result.rows[0].samples.v[0];
    if (AlmostEqual(value, *eval.scalar)) return {};
    return "got " + model::FormatFloat(value);
  }
  return JudgeSeries(eval, result);
}

}  // namespace narthex::promql
