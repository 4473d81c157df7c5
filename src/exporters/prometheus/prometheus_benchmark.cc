#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "exporters/prometheus/store.h"
#include "otlp/decode.h"
#include "otlp/writer.h"

namespace narthex::exporters {
namespace {

void PutText(otlp::Writer& writer, uint32_t field, std::string_view key, std::string_view text) {
  const auto attribute = writer.Begin(field);
  writer.Bytes(1, key);
  const auto value = writer.Begin(2);
  writer.Bytes(1, text);
  writer.End(value);
  writer.End(attribute);
}

// `series` counters of ten attributes each, in metrics of 1,000.
std::string Request(int series, uint64_t time_s) {
  otlp::Writer writer;
  const auto resource_metrics = writer.Begin(1);
  const auto resource = writer.Begin(1);
  PutText(writer, 1, "service.name", "shop");
  PutText(writer, 1, "service.instance.id", "instance-1");
  writer.End(resource);
  const auto scope_metrics = writer.Begin(2);
  for (int first = 0; first < series; first += 1000) {
    const auto metric = writer.Begin(2);
    writer.Bytes(1, fmt::format("http.server.requests.{}", first / 1000));
    const auto sum = writer.Begin(7);
    for (int i = first; i < std::min(series, first + 1000); ++i) {
      const auto point = writer.Begin(1);
      writer.Fixed64(2, 1'700'000'000'000'000'000);
      writer.Fixed64(3, (1'700'000'000 + time_s) * 1'000'000'000);
      writer.Fixed64(6, static_cast<uint64_t>(i));
      PutText(writer, 7, "http.route", fmt::format("/api/items/{}", i));
      for (int a = 0; a < 9; ++a) {
        PutText(writer, 7, fmt::format("attribute.{}", a), fmt::format("value-{}", a));
      }
      writer.End(point);
    }
    writer.Varint(2, 2);
    writer.Varint(3, 1);
    writer.End(sum);
    writer.End(metric);
  }
  writer.End(scope_metrics);
  writer.End(resource_metrics);
  return writer.Take();
}

// A steady state: every series is known.
void DecodeAndStore(benchmark::State& state) {
  const auto series = static_cast<int>(state.range(0));
  const std::string request = Request(series, 1);
  Store store({}, base::SystemClock());
  store.Update(*otlp::DecodeMetrics(request));
  for (auto _ : state) store.Update(*otlp::DecodeMetrics(request));
  state.SetItemsProcessed(state.iterations() * series);
}
BENCHMARK(DecodeAndStore)->Arg(1000)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);

void FirstContact(benchmark::State& state) {
  const auto series = static_cast<int>(state.range(0));
  const otlp::Batch batch = *otlp::DecodeMetrics(Request(series, 1));
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
  store.Update(*otlp::DecodeMetrics(Request(series, 1)));
  size_t bytes = 0;
  for (auto _ : state) bytes = store.Render({}).size();
  state.SetItemsProcessed(state.iterations() * series);
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(RenderPage)->Arg(100'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace narthex::exporters
