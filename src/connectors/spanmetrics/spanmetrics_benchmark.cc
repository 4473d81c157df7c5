#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "connectors/spanmetrics/aggregator.h"
#include "otlp/decode.h"
#include "otlp/testing/requests.h"
#include "otlp/writer.h"

namespace narthex::connectors {
namespace {

constexpr uint64_t kStart = 1'700'000'000'000'000'000;

// What an HTTP server exports: spans of eleven attributes, in batches of 512 as SDKs send them.
std::string Request(int spans, int routes) {
  otlp::Writer writer;
  for (int first = 0; first < spans; first += 512) {
    const auto resource = writer.Begin(1);
    const auto attributes = writer.Begin(1);
    otlp::PutText(writer, 1, "service.name", "shop");
    for (int i = 0; i < 7; ++i) {
      otlp::PutText(writer, 1, fmt::format("resource.attribute.{}", i), "value-of-attribute");
    }
    writer.End(attributes);
    const auto scope = writer.Begin(2);
    for (int i = first; i < std::min(spans, first + 512); ++i) {
      const auto span = writer.Begin(2);
      writer.Bytes(1, "0123456789abcdef");
      writer.Bytes(2, "01234567");
      writer.Bytes(4, "76543210");
      writer.Bytes(5, fmt::format("GET /api/items/{}", i % routes));
      writer.Varint(6, 2);
      writer.Fixed64(7, kStart);
      writer.Fixed64(8, kStart + static_cast<uint64_t>(i * 977 % 100'000'000));
      otlp::PutText(writer, 9, "http.request.method", "GET");
      otlp::PutText(writer, 9, "http.route", fmt::format("/api/items/{}", i % routes));
      otlp::PutText(writer, 9, "http.response.status_code", i % 100 == 0 ? "500" : "200");
      for (int a = 0; a < 8; ++a) {
        otlp::PutText(writer, 9, fmt::format("span.attribute.{}", a), "value-of-attribute");
      }
      writer.End(span);
    }
    writer.End(scope);
    writer.End(resource);
  }
  return writer.Take();
}

SpanMetricsConfig Config(bool with_dimensions) {
  SpanMetricsConfig config;
  for (const double bound : {2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000}) {
    config.bounds.push_back(bound);
  }
  if (with_dimensions) {
    config.calls = {{"http.request.method", "GET"}, {"http.response.status_code", std::nullopt}};
    config.durations = config.calls;
  }
  return config;
}

void Report(benchmark::State& state, const std::string& bytes, int spans) {
  state.SetItemsProcessed(state.iterations() * spans);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}

// A request from its bytes to the last count. Argument: series.
void DecodeAndCount(benchmark::State& state, SpanMetricsConfig config) {
  constexpr int kSpans = 8'192;
  const std::string bytes = Request(kSpans, static_cast<int>(state.range(0)));
  SpanAggregator aggregator(config, {.instance = "instance"});
  for (auto _ : state) {
    const auto traces = otlp::DecodeTraces(bytes);
    benchmark::DoNotOptimize(aggregator.Add(*traces, {.wall_ns = kStart, .monotonic_ns = 1}));
  }
  Report(state, bytes, kSpans);
}
BENCHMARK_CAPTURE(DecodeAndCount, plain, Config(false))->Arg(100)->Arg(8'192);
BENCHMARK_CAPTURE(DecodeAndCount, dimensions, Config(true))->Arg(100)->Arg(8'192);
SpanMetricsConfig Exponential() {
  SpanMetricsConfig config = Config(false);
  config.exponential_buckets_max = 160;
  return config;
}
BENCHMARK_CAPTURE(DecodeAndCount, exponential, Exponential())->Arg(100);

void Decode(benchmark::State& state) {
  constexpr int kSpans = 8'192;
  const std::string bytes = Request(kSpans, 100);
  for (auto _ : state) {
    auto traces = otlp::DecodeTraces(bytes);
    benchmark::DoNotOptimize(traces);
  }
  Report(state, bytes, kSpans);
}
BENCHMARK(Decode);

// What the interval costs: items are series. Argument: series.
void Flush(benchmark::State& state) {
  const int series = static_cast<int>(state.range(0));
  const SpanMetricsConfig config = Config(false);
  SpanAggregator aggregator(config, {.instance = "instance"});
  aggregator.Add(*otlp::DecodeTraces(Request(series, series)), {.wall_ns = kStart});
  for (auto _ : state) {
    for (std::string& request : aggregator.Flush({.wall_ns = kStart + 60'000'000'000})) {
      benchmark::DoNotOptimize(otlp::DecodeMetrics(std::move(request)));
    }
  }
  state.SetItemsProcessed(state.iterations() * series);
}
BENCHMARK(Flush)->Arg(8'192);

}  // namespace
}  // namespace narthex::connectors
