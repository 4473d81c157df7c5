#include <benchmark/benchmark.h>

#include "exporters/prometheus/store.h"
#include "otlp/decode.h"
#include "otlp/testing/requests.h"

namespace narthex::exporters {
namespace {

// Counters of ten attributes each, in metrics of 1,000.
std::string Request(int series) {
  return otlp::CounterRequest({.series = series, .attributes = 9});
}

// A steady state: every series is known.
void DecodeAndStore(benchmark::State& state) {
  const auto series = static_cast<int>(state.range(0));
  const std::string request = Request(series);
  Store store({}, base::SystemClock());
  store.Update(*otlp::DecodeMetrics(request));
  for (auto _ : state) store.Update(*otlp::DecodeMetrics(request));
  state.SetItemsProcessed(state.iterations() * series);
}
BENCHMARK(DecodeAndStore)->Arg(1000)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);

void FirstContact(benchmark::State& state) {
  const auto series = static_cast<int>(state.range(0));
  const otlp::Batch batch = *otlp::DecodeMetrics(Request(series));
  for (auto _ : state) {
    Store store({}, base::SystemClock());
    store.Update(batch);
  }
  state.SetItemsProcessed(state.iterations() * series);
}
BENCHMARK(FirstContact)->Arg(100'000);

void RenderPage(benchmark::State& state) {
  const auto series = static_cast<int>(state.range(0));
  Store store({}, base::SystemClock());
  store.Update(*otlp::DecodeMetrics(Request(series)));
  size_t bytes = 0;
  for (auto _ : state) bytes = store.Render({}).size();
  state.SetItemsProcessed(state.iterations() * series);
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(RenderPage)->Arg(100'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace narthex::exporters
