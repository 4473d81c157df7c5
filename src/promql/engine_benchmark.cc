#include <benchmark/benchmark.h>

#include <algorithm>

#include "promql/engine.h"
#include "promql/parser/parser.h"

namespace narthex::promql {
namespace {

constexpr int64_t kScrapeMs = 15'000;
constexpr size_t kSamples = 146;  // 36 minutes.

// Counters that all tick alike, held as columns: what is measured is the engine, not a storage.
class ColumnStorage final : public storage::Queryable {
 public:
  explicit ColumnStorage(size_t series) {
    for (size_t i = 0; i < kSamples; ++i) {
      columns_.Add(static_cast<int64_t>(i) * kScrapeMs, static_cast<double>(i * 7 + i % 3));
    }
    for (size_t i = 0; i < series; ++i) {
      labels_.push_back(*model::Labels::From({{"__name__", "http_request_duration_seconds_bucket"},
                                              {"instance", "10.0.0." + std::to_string(i / 100)},
                                              {"job", "api-" + std::to_string(i / 1000 % 8)},
                                              {"le", std::to_string(i % 10)},
                                              {"path", "/p" + std::to_string(i / 10 % 10)}}));
    }
    std::ranges::sort(labels_);
  }

  base::Result<std::unique_ptr<storage::Querier>> OpenQuerier(model::TimeRange) override {
    return std::make_unique<View>(*this);
  }
  size_t samples() const { return labels_.size() * kSamples; }

 private:
  class View final : public storage::Querier, public storage::SeriesSet {
   public:
    explicit View(const ColumnStorage& storage) : storage_(storage) {}
    base::Result<std::unique_ptr<SeriesSet>> Select(const std::vector<model::Matcher>&) override {
      return std::make_unique<View>(storage_);
    }
    base::Result<std::vector<std::string>> LabelNames(const std::vector<model::Matcher>&) override {
      return std::vector<std::string>();
    }
    base::Result<std::vector<std::string>> LabelValues(
        std::string_view, const std::vector<model::Matcher>&) override {
      return std::vector<std::string>();
    }
    size_t size() const override { return storage_.labels_.size(); }
    model::Labels labels(size_t i) const override { return storage_.labels_[i]; }
    base::Status Read(size_t, model::TimeRange range, model::SampleColumns& out) const override {
      const auto& t = storage_.columns_.t;
      const auto begin = std::ranges::lower_bound(t, range.min) - t.begin();
      const auto end = std::ranges::upper_bound(t, range.max) - t.begin();
      out.t.assign(t.begin() + begin, t.begin() + end);
      out.v.assign(storage_.columns_.v.begin() + begin, storage_.columns_.v.begin() + end);
      return {};
    }

   private:
    const ColumnStorage& storage_;
  };

  std::vector<model::Labels> labels_;
  model::SampleColumns columns_;
};

void RunRange(benchmark::State& state, const char* query) {
  ColumnStorage storage(static_cast<size_t>(state.range(0)));
  const Engine engine({}, base::SystemClock());
  const int64_t end = static_cast<int64_t>(kSamples) * kScrapeMs;
  for (auto _ : state) {
    const auto result = engine.OverRange(storage, query, {end - 1'800'000, end, 36'000}, {});
    if (!result) return state.SkipWithError(result.error().message.c_str());
    benchmark::DoNotOptimize(result->rows.size());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(storage.samples()));
}

void BM_SumByRate(benchmark::State& state) { RunRange(state, "sum by (job) (rate(m_bucket[5m]))"); }
void BM_Quantile(benchmark::State& state) {
  RunRange(state, "histogram_quantile(0.9, sum by (job, le) (rate(m_bucket[5m])))");
}
void BM_Selector(benchmark::State& state) { RunRange(state, "sum(m_bucket)"); }
void BM_MaxOverTime(benchmark::State& state) {
  RunRange(state, "max(max_over_time(m_bucket[5m]))");
}
void BM_Topk(benchmark::State& state) { RunRange(state, "topk(5, rate(m_bucket[5m]))"); }
void BM_Join(benchmark::State& state) {
  RunRange(state, "sum(m_bucket / on (instance, job, le, path) m_bucket)");
}
BENCHMARK(BM_SumByRate)->Arg(1000)->Arg(72'000)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Quantile)->Arg(72'000)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Selector)->Arg(72'000)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_MaxOverTime)->Arg(72'000)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Topk)->Arg(10'000)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Join)->Arg(10'000)->Unit(benchmark::kMillisecond);

void BM_Parse(benchmark::State& state) {
  std::string text = "histogram_quantile(0.99, sum by (le) (rate(x_bucket{job=\"a\"}[5m])))";
  while (text.size() < 1000)
    text += " or sum by (job) (rate(http_requests_total{code=\"500\"}[5m]))";
  for (auto _ : state) benchmark::DoNotOptimize(Parse(text).has_value());
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}
BENCHMARK(BM_Parse)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace narthex::promql
