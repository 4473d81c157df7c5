#include <benchmark/benchmark.h>

#include <string>

#include "sdk/meter_provider.h"

namespace narthex::sdk {
namespace {

// One provider for all threads of a run.
MeterProvider& Provider() {
  static MeterProvider provider;
  return provider;
}

void CounterAddBound(benchmark::State& state) {
  auto bound = Provider().GetMeter("bench")->CreateUInt64Counter("bound")->Bind(
      {{"method", "GET"}, {"endpoint", "/api/users"}, {"status", 200}});
  for (auto _ : state) bound.Add(1);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(CounterAddBound)->ThreadRange(1, 2);

void CounterAddUnbound(benchmark::State& state) {
  auto counter = Provider().GetMeter("bench")->CreateUInt64Counter("unbound");
  const std::string endpoint = "/api/users";
  for (auto _ : state) {
    counter->Add(1, {{"method", "GET"}, {"endpoint", endpoint}, {"status", 200}});
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(CounterAddUnbound)->ThreadRange(1, 2);

// A thousand series in turn: what a cache miss costs.
void CounterAddUnboundManySeries(benchmark::State& state) {
  auto counter = Provider().GetMeter("bench")->CreateUInt64Counter("many");
  std::vector<std::string> endpoints;
  for (int i = 0; i < 1000; ++i) endpoints.push_back("/api/users/" + std::to_string(i));
  size_t i = 0;
  for (auto _ : state) {
    counter->Add(1, {{"method", "GET"}, {"endpoint", endpoints[i]}, {"status", 200}});
    i = i + 1 == endpoints.size() ? 0 : i + 1;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(CounterAddUnboundManySeries)->ThreadRange(1, 2);

void HistogramRecordBound(benchmark::State& state) {
  auto bound = Provider()
                   .GetMeter("bench")
                   ->CreateDoubleHistogram("histogram_bound", "", "s")
                   ->Bind({{"method", "GET"}, {"endpoint", "/api/users"}});
  double value = 0;
  for (auto _ : state) {
    bound.Record(value);
    value = value > 10'000 ? 0 : value + 37.5;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(HistogramRecordBound)->ThreadRange(1, 2);

void HistogramRecordUnbound(benchmark::State& state) {
  auto histogram = Provider().GetMeter("bench")->CreateDoubleHistogram("histogram_unbound");
  double value = 0;
  for (auto _ : state) {
    histogram->Record(value, {{"method", "GET"}, {"endpoint", "/api/users"}});
    value = value > 10'000 ? 0 : value + 37.5;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(HistogramRecordUnbound)->ThreadRange(1, 2);

void GaugeRecordBound(benchmark::State& state) {
  auto bound = Provider().GetMeter("bench")->CreateDoubleGauge("gauge")->Bind({{"k", "v"}});
  double value = 0;
  for (auto _ : state) bound.Record(value += 1);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(GaugeRecordBound)->ThreadRange(1, 2);

void Collect(benchmark::State& state) {
  MeterProvider provider;
  auto counter = provider.GetMeter("bench")->CreateUInt64Counter("c");
  for (int i = 0; i < state.range(0); ++i) counter->Add(1, {{"i", i}});
  MetricBatch batch;
  for (auto _ : state) provider.Collect(batch);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Collect)->Arg(100)->Arg(1900);

}  // namespace
}  // namespace narthex::sdk
