#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <malloc.h>

#include <chrono>
#include <thread>

#include "exporters/prometheus/exporter.h"
#include "otlp/decode.h"
#include "otlp/writer.h"
#include "pipeline/testing/test_host.h"
#include "processors/batch/batch_processor.h"

namespace narthex::collector {
namespace {

void PutText(otlp::Writer& writer, uint32_t field, std::string_view key, std::string_view text) {
  const auto attribute = writer.Begin(field);
  writer.Bytes(1, key);
  const auto value = writer.Begin(2);
  writer.Bytes(1, text);
  writer.End(value);
  writer.End(attribute);
}

// One sender's request: counters of three attributes, as an HTTP server has them.
std::string Request(int first, int series, uint64_t time_s) {
  otlp::Writer writer;
  const auto resource_metrics = writer.Begin(1);
  const auto resource = writer.Begin(1);
  PutText(writer, 1, "service.name", "shop");
  PutText(writer, 1, "service.instance.id", "instance-1");
  writer.End(resource);
  const auto scope_metrics = writer.Begin(2);
  const auto metric = writer.Begin(2);
  writer.Bytes(1, "http.server.requests");
  const auto sum = writer.Begin(7);
  for (int i = first; i < first + series; ++i) {
    const auto point = writer.Begin(1);
    writer.Fixed64(2, 1'700'000'000'000'000'000);
    writer.Fixed64(3, (1'700'000'000 + time_s) * 1'000'000'000);
    writer.Fixed64(6, static_cast<uint64_t>(i));
    PutText(writer, 7, "http.route", fmt::format("/api/items/{}", i));
    PutText(writer, 7, "http.request.method", "GET");
    PutText(writer, 7, "http.response.status_code", "200");
    writer.End(point);
  }
  writer.Varint(2, 2);
  writer.Varint(3, 1);
  writer.End(sum);
  writer.End(metric);
  writer.End(scope_metrics);
  writer.End(resource_metrics);
  return writer.Take();
}

// Decoding, the batch processor and the prometheus exporter, in the steady state: what a request
// costs between the socket and the page. Processor seconds count, of all threads together.
void DecodeBatchExport(benchmark::State& state) {
  const auto series = static_cast<int>(state.range(0));
  constexpr int kPerRequest = 1'000;
  std::vector<std::string> requests;
  for (int first = 0; first < series; first += kPerRequest) {
    requests.push_back(Request(first, kPerRequest, 1));
  }
  pipeline::TestHost host;
  auto exporter = host.Make(&exporters::PrometheusExporter::Create, "endpoint: 127.0.0.1:0");
  auto batch = host.Make(&processors::BatchProcessor::Create, "{timeout: 0s}", *exporter);
  if (!exporter->Start().has_value() || !batch->Start().has_value()) {
    return state.SkipWithError("the components do not start");
  }
  for (auto _ : state) {
    for (const std::string& request : requests) {
      // Refused for now while enough waits: a sender would come again.
      while (!batch->Consume(*otlp::DecodeMetrics(std::string(request))).has_value()) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
      }
    }
  }
  batch->Stop();
  exporter->Stop();
  state.SetItemsProcessed(state.iterations() * series);
}
BENCHMARK(DecodeBatchExport)->Arg(1'000)->Arg(100'000)->MeasureProcessCPUTime();

// Memory of a series that is shown, with what finds it again.
void BytesPerExportedSeries(benchmark::State& state) {
  const auto series = static_cast<int>(state.range(0));
  pipeline::TestHost host;
  for (auto _ : state) {
    const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    exporters::Store store({}, base::SystemClock());
    for (int first = 0; first < series; first += 1'000) {
      store.Update(*otlp::DecodeMetrics(Request(first, 1'000, 1)));
    }
    const size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    state.counters["bytes_per_series"] =
        static_cast<double>(after - before) / static_cast<double>(series);
  }
}
BENCHMARK(BytesPerExportedSeries)->Arg(100'000)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace narthex::collector
