#include "otlp/json.h"

#include <gtest/gtest.h>

#include <cmath>

namespace narthex::otlp {
namespace {

Batch Decode(std::string_view json) {
  auto batch = DecodeMetricsJson(json);
  EXPECT_TRUE(batch.has_value()) << batch.error().message;
  return *std::move(batch);
}

std::string ErrorOf(std::string_view json) {
  const auto batch = DecodeMetricsJson(json);
  return batch.has_value() ? "" : batch.error().message;
}

// A request with one sum of one point.
std::string WithPoint(std::string_view point) {
  return R"({"resourceMetrics":[{"resource":{},"scopeMetrics":[{"metrics":[{"name":"m","sum":{)"
         R"("isMonotonic":true,"aggregationTemporality":2,"dataPoints":[)" +
         std::string(point) + "]}}]}]}]}";
}

TEST(Json, WhatTheJavaScriptExporterSends) {
  const Batch batch = Decode(R"({"resourceMetrics":[{"resource":{"attributes":[
      {"key":"service.name","value":{"stringValue":"js"}}],"droppedAttributesCount":0,
      "schemaUrl":"ignored here"},
      "scopeMetrics":[{"scope":{"name":"s","version":"1"},"metrics":[
        {"name":"h","description":"d","unit":"ms","histogram":{"aggregationTemporality":2,
         "dataPoints":[{"attributes":[{"key":"n","value":{"intValue":200}}],
          "bucketCounts":[0,1,2],"explicitBounds":[5,10],"count":3,"sum":25,"min":6,"max":12,
          "startTimeUnixNano":"1700000000000000000","timeUnixNano":"1700000001000000000"}]}},
        {"name":"g","gauge":{"dataPoints":[{"asDouble":0,"timeUnixNano":"1"}]}}]}]}]})");
  EXPECT_EQ(Text(*FindAttribute(batch.resources[0].attributes, "service.name")), "js");
  ASSERT_EQ(batch.histograms.size(), 1u);
  const HistogramPoint& point = batch.histograms[0];
  EXPECT_EQ(point.count, 3u);
  EXPECT_EQ(point.bucket_counts.Uint(2), 2u);
  EXPECT_EQ(point.explicit_bounds.Double(1), 10);
  EXPECT_EQ(point.optionals.max, 12);
  EXPECT_EQ(point.time_ns, 1700000001000000000u);
  EXPECT_EQ(Text(*FindAttribute(point.attributes, "n")), "200");
  ASSERT_EQ(batch.numbers.size(), 1u);
  EXPECT_EQ(batch.numbers[0].type, NumberPoint::Type::kDouble);
}

TEST(Json, NumbersMayBeStringsAndIntegersMayBeNumbers) {
  for (const char* value : {R"("asInt":"7")", R"("asInt":7)", R"("asInt":7.0)", R"("as_int":7)"}) {
    const Batch batch = Decode(WithPoint(std::string("{") + value + "}"));
    EXPECT_EQ(batch.numbers[0].Int(), 7) << value;
    EXPECT_EQ(batch.numbers[0].type, NumberPoint::Type::kInt) << value;
  }
  EXPECT_EQ(Decode(WithPoint(R"({"asDouble":"1.5"})")).numbers[0].Double(), 1.5);
  EXPECT_TRUE(std::isnan(Decode(WithPoint(R"({"asDouble":"NaN"})")).numbers[0].Double()));
  EXPECT_EQ(Decode(WithPoint(R"({"asDouble":"-Infinity"})")).numbers[0].Double(), -INFINITY);
  EXPECT_EQ(Decode(WithPoint(R"({"timeUnixNano":1700000000000000000})")).numbers[0].time_ns,
            1700000000000000000u);
  EXPECT_EQ(Decode(WithPoint(R"({"flags":"1"})")).numbers[0].flags, 1u);
}

TEST(Json, UnknownKeysAndNullsAreIgnored) {
  const Batch batch =
      Decode(WithPoint(R"({"asInt":null,"startTimeUnixNano":null,"attributes":null,"x":[{}]})"));
  EXPECT_EQ(batch.numbers[0].type, NumberPoint::Type::kNone);
}

TEST(Json, EnumeratorsMayBeNames) {
  const Batch batch = Decode(R"({"resource_metrics":[{"scope_metrics":[{"metrics":[{"name":"m",
      "sum":{"aggregation_temporality":"AGGREGATION_TEMPORALITY_DELTA","is_monotonic":true,
      "data_points":[{}]}}]}]}]})");
  EXPECT_EQ(batch.metrics[0].temporality, Temporality::kDelta);
  EXPECT_TRUE(batch.metrics[0].is_monotonic);
}

TEST(Json, WrongShapesAreErrorsThatNameTheKey) {
  EXPECT_EQ(ErrorOf("[]"), "invalid OTLP/JSON: the request is not an object");
  EXPECT_EQ(ErrorOf(R"({"resourceMetrics":{}})"),
            "invalid OTLP/JSON: resourceMetrics: must be an array");
  EXPECT_EQ(ErrorOf(R"({"resourceMetrics":[1]})"),
            "invalid OTLP/JSON: resourceMetrics: must be an object");
  EXPECT_EQ(ErrorOf(WithPoint(R"({"asInt":1.5})")),
            "invalid OTLP/JSON: asInt: must be a whole number in range");
  EXPECT_EQ(ErrorOf(WithPoint(R"({"asInt":"x"})")),
            "invalid OTLP/JSON: asInt: must be a whole number in range");
  EXPECT_EQ(ErrorOf(WithPoint(R"({"timeUnixNano":-1})")),
            "invalid OTLP/JSON: timeUnixNano: must be a whole number in range");
  EXPECT_EQ(ErrorOf(WithPoint(R"({"exemplars":[{"traceId":"xyz"}]})")),
            "invalid OTLP/JSON: traceId: is not hexadecimal");
  EXPECT_TRUE(ErrorOf("{").starts_with("invalid JSON: "));
}

TEST(Json, NestingIsBounded) {
  std::string value = R"({"intValue":1})";
  for (int i = 0; i < 150; ++i) value = R"({"arrayValue":{"values":[)" + value + "]}}";
  EXPECT_NE(ErrorOf(WithPoint(R"({"attributes":[{"key":"k","value":)" + value + "}]}")), "");
}

TEST(Json, WritesByTheSpecification) {
  const std::string json =
      R"({"resourceMetrics":[{"resource":{"attributes":[{"key":"b","value":{"bytesValue":"AQI="}}]},)"
      R"("scopeMetrics":[{"metrics":[{"name":"m","sum":{"dataPoints":[{"timeUnixNano":"5",)"
      R"("asInt":"0","exemplars":[{"asDouble":"NaN","spanId":"0102030405060708",)"
      R"("traceId":"000102030405060708090a0b0c0d0e0f"}]}],"aggregationTemporality":1,)"
      R"("isMonotonic":true}}]}]}]})";
  EXPECT_EQ(EncodeMetricsJson(Decode(json)), json);
}

TEST(Json, OfSeveralDataFieldsTheLastGoesOut) {
  const Batch batch = Decode(R"({"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m",
      "sum":{"dataPoints":[{"asInt":"1"},{"asInt":"2"}]},
      "gauge":{"dataPoints":[{"asInt":"3"}]}}]}]}]})");
  ASSERT_EQ(batch.point_count(), 1u);
  EXPECT_EQ(EncodeMetricsJson(batch),
            R"({"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{)"
            R"("dataPoints":[{"asInt":"3"}]}}]}]}]})");
}

TEST(Json, ResourcesThatComeTwiceAreJoined) {
  const std::string resource = R"("resource":{"attributes":[{"key":"k"}]})";
  EXPECT_EQ(
      EncodeMetricsJson(Decode("{\"resourceMetrics\":[{" + resource + "," + resource + "}]}")),
      R"({"resourceMetrics":[{"resource":{"attributes":[{"key":"k"},{"key":"k"}]}}]})");
}

// The memory limiter counts by it.
TEST(DecodeMetricsJson, BatchesCountTheMemoryThatTheyHold) {
  const std::string text(150'000, 'x');
  const auto batch = DecodeMetricsJson(
      R"({"resourceMetrics":[{"resource":{"attributes":[{"key":"pad","value":{"stringValue":")" +
      text + R"("}}]},"scopeMetrics":[{"metrics":[{"name":"a","gauge":{"dataPoints":[{}]}}]}]}]})");
  ASSERT_TRUE(batch.has_value());
  size_t held = 0;
  for (const auto& buffer : batch->buffers) held += buffer->capacity();
  EXPECT_GE(held, text.size());
  EXPECT_GE(batch->byte_size(), held);
}

}  // namespace
}  // namespace narthex::otlp
