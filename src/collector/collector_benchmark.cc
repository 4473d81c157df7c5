#include <benchmark/benchmark.h>

#include <chrono>
#include <thread>

#include "base/process.h"
#include "exporters/prometheus/exporter.h"
#include "otlp/decode.h"
#include "otlp/testing/requests.h"
#include "pipeline/testing/test_host.h"
#include "processors/batch/batch_processor.h"

namespace narthex::collector {
namespace {

// One sender's request: counters of three attributes, all of one name.
std::string Request(int first, int series) {
  return otlp::CounterRequest({.first = first, .series = series, .per_metric = 1 << 30});
}

// Decoding, the batch processor and the prometheus exporter, in the steady state: what a request
// costs between the socket and the page. Processor seconds count, of all threads together.
void DecodeBatchExport(benchmark::State& state) {
  const auto series = static_cast<int>(state.range(0));
  constexpr int kPerRequest = 1'000;
  std::vector<std::string> requests;
  for (int first = 0; first < series; first += kPerRequest) {
    requests.push_back(Request(first, kPerRequest));
  }
  pipeline::TestHost host;
  auto exporter = host.Make(&exporters::PrometheusExporter::Create, "endpoint: 127.0.0.1:0");
  auto batch = host.Make(&processors::BatchProcessor::Create, "{timeout: 0s}", *exporter);
  if (!exporter->Start().has_value() || !batch->Start().has_value()) {
    return state.SkipWithError("the components do not start");
  }
  const auto send = [&] {
    for (const std::string& request : requests) {
      // Refused for now while enough waits: a sender would come again.
      while (!batch->Consume(*otlp::DecodeMetrics(std::string(request))).has_value()) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
      }
    }
  };
  // New series cost more: they are all known before the clock starts.
  send();
  while (host.Count("narthex_points_waiting") > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  for (auto _ : state) send();
  batch->Stop();
  exporter->Stop();
  state.SetItemsProcessed(state.iterations() * series);
}
BENCHMARK(DecodeBatchExport)->Arg(1'000)->Arg(100'000)->MeasureProcessCPUTime();
BENCHMARK(DecodeBatchExport)->Arg(1'000'000)->Iterations(5)->MeasureProcessCPUTime();

// Memory of a series that is shown, with what finds it again: what the process has more of.
void BytesPerExportedSeries(benchmark::State& state) {
  const auto series = static_cast<int>(state.range(0));
  for (auto _ : state) {
    const uint64_t before = base::ReadProcessUsage().resident_bytes;
    exporters::Store store({}, base::SystemClock());
    for (int first = 0; first < series; first += 1'000) {
      store.Update(*otlp::DecodeMetrics(Request(first, 1'000)));
    }
    const uint64_t after = base::ReadProcessUsage().resident_bytes;
    state.counters["bytes_per_series"] =
        static_cast<double>(after - before) / static_cast<double>(series);
  }
}
BENCHMARK(BytesPerExportedSeries)
    ->Arg(100'000)
    ->Arg(1'000'000)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);

}  // namespace
}  // namespace narthex::collector
