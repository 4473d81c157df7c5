#include "otlp/edit.h"

#include <gtest/gtest.h>

#include "otlp/decode.h"
#include "otlp/encode.h"
#include "otlp/json.h"

namespace narthex::otlp {
namespace {

constexpr std::string_view kRequest = R"({"resourceMetrics":[
  {"resource":{"attributes":[{"key":"r","value":{"stringValue":"1"}}]},"scopeMetrics":[{"metrics":[
    {"name":"a","gauge":{"dataPoints":[
      {"attributes":[{"key":"k","value":{"stringValue":"x"}}],"asInt":"1"},
      {"attributes":[{"key":"k","value":{"stringValue":"y"}}],"asInt":"2"}]}},
    {"name":"b","histogram":{"aggregationTemporality":2,"dataPoints":[{"count":"3"}]}}]}]},
  {"scopeMetrics":[{"metrics":[{"name":"c","sum":{"dataPoints":[{"asInt":"4"}]}}]}]}]})";

Batch Decode() { return *DecodeMetricsJson(kRequest); }
// By the long way round: what a receiver of the bytes would see.
std::string Seen(const Batch& batch) {
  return EncodeMetricsJson(*DecodeMetrics(EncodeMetrics(batch)));
}

TEST(AttributeEditor, SetsAndErases) {
  const Batch batch = Decode();
  AttributeEditor editor(batch.numbers[0].attributes);
  EXPECT_EQ(Text(*editor.Get("k")), "x");
  EXPECT_FALSE(editor.is_changed());
  editor.Set("n", EncodeValue(int64_t{-5}));
  editor.Set("k", EncodeValue("z"));
  editor.Erase("absent");
  EXPECT_EQ(Text(*editor.Get("k")), "z");
  EXPECT_EQ(Text(*FindAttribute(editor.Encode(7), "n")), "-5");
  editor.Erase("k");
  EXPECT_EQ(editor.Get("k"), std::nullopt);
}

TEST(SetAttributes, ChangesWhatIsSent) {
  Batch batch = Decode();
  Arena arena;
  AttributeEditor editor(batch.numbers[1].attributes);
  editor.Set("k", EncodeValue(true));
  SetAttributes(batch.numbers[1], editor, arena);
  batch.metrics[0].raw = batch.scopes[0].raw = {};
  AttributeEditor resource(batch.resources[0].attributes);
  resource.Erase("r");
  SetAttributes(batch.resources[0], resource, arena);
  arena.GiveTo(batch);
  const std::string json = Seen(batch);
  EXPECT_EQ(json.find("\"y\""), std::string::npos);
  EXPECT_EQ(json.find("\"r\""), std::string::npos);
  EXPECT_NE(json.find(R"("key":"k","value":{"boolValue":true})"), std::string::npos) << json;
}

struct ByName final : BatchFilter {
  bool KeepMetric(const ResourceMetrics&, const Scope&, const Metric& metric) override {
    return names.find(metric.name) != std::string_view::npos;
  }
  bool KeepPoint(const ResourceMetrics&, const Scope&, const Metric&,
                 const PointRef& point) override {
    const auto k = FindAttribute(AttributesOf(point), "k");
    return !k.has_value() || Text(*k) != dropped;
  }
  std::string_view names = "abc";
  std::string_view dropped;
};

TEST(FilterBatch, KeepsEverythingByteForByte) {
  ByName filter;
  const std::string bytes = EncodeMetrics(Decode());
  EXPECT_EQ(EncodeMetrics(FilterBatch(Decode(), filter)), bytes);
}

TEST(FilterBatch, WhatHasNothingLeftGoes) {
  ByName filter;
  filter.names = "a";
  filter.dropped = "x";
  const Batch kept = FilterBatch(Decode(), filter);
  EXPECT_EQ(kept.resources.size(), 1u);
  EXPECT_EQ(kept.point_count(), 1u);
  EXPECT_EQ(kept.numbers[0].Int(), 2);
  const std::string json = Seen(kept);
  EXPECT_EQ(json.find("\"c\""), std::string::npos);
  EXPECT_EQ(json.find("\"x\""), std::string::npos);
  filter.names = "";
  EXPECT_TRUE(FilterBatch(Decode(), filter).resources.empty());
}

}  // namespace
}  // namespace narthex::otlp
