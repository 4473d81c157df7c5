#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "otlp.pb.h"
#include "otlp/decode.h"
#include "otlp/encode.h"
#include "otlp/json.h"

namespace narthex::otlp {
namespace {

void AddAttribute(auto* attributes, std::string key, std::string value) {
  auto* attribute = attributes->Add();
  attribute->set_key(std::move(key));
  attribute->mutable_value()->set_string_value(std::move(value));
}

// What an HTTP server exports: a resource of eight attributes, histograms and counters of five.
std::string Request(int points, bool histograms) {
  oracle::Request request;
  auto* resource = request.add_resource_metrics();
  for (int i = 0; i < 8; ++i) {
    AddAttribute(resource->mutable_resource()->mutable_attributes(),
                 fmt::format("resource.attribute.{}", i), fmt::format("value-of-attribute-{}", i));
  }
  auto* scope = resource->add_scope_metrics();
  scope->mutable_scope()->set_name("io.opentelemetry.contrib.http");
  oracle::Metric* metric = nullptr;
  for (int i = 0; i < points; ++i) {
    if (i % 100 == 0) {
      metric = scope->add_metrics();
      metric->set_name(fmt::format("http.server.metric.{}", i / 100));
      metric->set_unit("s");
    }
    const auto fill = [&](auto* point) {
      AddAttribute(point->mutable_attributes(), "http.request.method", "GET");
      AddAttribute(point->mutable_attributes(), "http.route", fmt::format("/api/items/{}", i));
      AddAttribute(point->mutable_attributes(), "url.scheme", "https");
      AddAttribute(point->mutable_attributes(), "network.protocol.version", "1.1");
      AddAttribute(point->mutable_attributes(), "server.address", "shop.example.com");
      point->set_start_time_unix_nano(1'700'000'000'000'000'000);
      point->set_time_unix_nano(1'700'000'060'000'000'000);
    };
    if (histograms) {
      auto* point = metric->mutable_histogram()->add_data_points();
      fill(point);
      point->set_count(100);
      point->set_sum(12.5);
      for (int bucket = 0; bucket < 15; ++bucket) point->add_bucket_counts(7);
      for (int bucket = 0; bucket < 14; ++bucket) point->add_explicit_bounds(bucket * 0.1);
    } else {
      metric->mutable_sum()->set_is_monotonic(true);
      metric->mutable_sum()->set_aggregation_temporality(
          oracle::AGGREGATION_TEMPORALITY_CUMULATIVE);
      auto* point = metric->mutable_sum()->add_data_points();
      fill(point);
      point->set_as_int(i);
    }
  }
  return request.SerializeAsString();
}

void Report(benchmark::State& state, const std::string& bytes) {
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}

// The copy of the request, which a server has anyway, is part of every decoding.
void Decode(benchmark::State& state, bool histograms) {
  const std::string bytes = Request(static_cast<int>(state.range(0)), histograms);
  for (auto _ : state) {
    auto batch = DecodeMetrics(bytes);
    benchmark::DoNotOptimize(batch);
  }
  Report(state, bytes);
}
BENCHMARK_CAPTURE(Decode, sums, false)->Arg(10)->Arg(100)->Arg(1024)->Arg(8192);
BENCHMARK_CAPTURE(Decode, histograms, true)->Arg(1024);

void DecodeByLibprotobuf(benchmark::State& state, bool histograms) {
  const std::string bytes = Request(static_cast<int>(state.range(0)), histograms);
  for (auto _ : state) {
    oracle::Request request;
    request.ParseFromString(bytes);
    benchmark::DoNotOptimize(request);
  }
  Report(state, bytes);
}
BENCHMARK_CAPTURE(DecodeByLibprotobuf, sums, false)->Arg(10)->Arg(100)->Arg(1024)->Arg(8192);
BENCHMARK_CAPTURE(DecodeByLibprotobuf, histograms, true)->Arg(1024);

void DecodeJson(benchmark::State& state) {
  const std::string json =
      EncodeMetricsJson(*DecodeMetrics(Request(static_cast<int>(state.range(0)), false)));
  for (auto _ : state) {
    auto batch = DecodeMetricsJson(json);
    benchmark::DoNotOptimize(batch);
  }
  Report(state, json);
}
BENCHMARK(DecodeJson)->Arg(1024);

// Pass-through: what was not touched is spliced.
void DecodeAndEncode(benchmark::State& state) {
  const std::string bytes = Request(static_cast<int>(state.range(0)), false);
  for (auto _ : state) {
    const auto batch = DecodeMetrics(bytes);
    std::string out = EncodeMetrics(*batch);
    benchmark::DoNotOptimize(out);
  }
  Report(state, bytes);
}
BENCHMARK(DecodeAndEncode)->Arg(1024);

}  // namespace
}  // namespace narthex::otlp
