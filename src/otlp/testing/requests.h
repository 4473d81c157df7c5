#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "otlp/writer.h"

namespace narthex::otlp {

// Requests for benchmarks. Values.

// Writes a KeyValue of text.
inline void PutText(Writer& writer, uint32_t field, std::string_view key, std::string_view text) {
  const auto attribute = writer.Begin(field);
  writer.Bytes(1, key);
  const auto value = writer.Begin(2);
  writer.Bytes(1, text);
  writer.End(value);
  writer.End(attribute);
}

struct CounterLoad {
  int first = 0;  // Number of the first series.
  int series = 1;
  int per_metric = 1000;
  uint64_t time_s = 1;
  // Beside the one that tells series apart.
  int attributes = 2;
};

// Cumulative counters as an HTTP server has them, of one resource.
inline std::string CounterRequest(const CounterLoad& load) {
  constexpr std::string_view kNames[] = {"http.request.method", "http.response.status_code"};
  constexpr std::string_view kValues[] = {"GET", "200"};
  Writer writer;
  const auto resource_metrics = writer.Begin(1);
  const auto resource = writer.Begin(1);
  PutText(writer, 1, "service.name", "shop");
  PutText(writer, 1, "service.instance.id", "instance-1");
  writer.End(resource);
  const auto scope_metrics = writer.Begin(2);
  const int end = load.first + load.series;
  for (int begin = load.first; begin < end; begin += load.per_metric) {
    const auto metric = writer.Begin(2);
    writer.Bytes(1, fmt::format("http.server.requests.{}", begin / load.per_metric));
    const auto sum = writer.Begin(7);
    for (int i = begin; i < std::min(end, begin + load.per_metric); ++i) {
      const auto point = writer.Begin(1);
      writer.Fixed64(2, 1'700'000'000'000'000'000);
      writer.Fixed64(3, (1'700'000'000 + load.time_s) * 1'000'000'000);
      writer.Fixed64(6, static_cast<uint64_t>(i));
      PutText(writer, 7, "http.route", fmt::format("/api/items/{}", i));
      for (int a = 0; a < load.attributes; ++a) {
        const auto known = static_cast<size_t>(a);
        if (known < std::size(kNames)) {
          PutText(writer, 7, kNames[known], kValues[known]);
        } else {
          PutText(writer, 7, fmt::format("attribute.{}", a), fmt::format("value-{}", a));
        }
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

}  // namespace narthex::otlp
