#include "otlp/tree.h"

#include <gtest/gtest.h>

#include "otlp/decode.h"
#include "otlp/encode.h"
#include "otlp/json.h"
#include "otlp/writer.h"

namespace narthex::otlp {
namespace {

// One metric of every kind with every field, in the order in which protobuf writers put them.
constexpr std::string_view kRequest = R"({"resourceMetrics":[{
  "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},
    {"key":"list","value":{"arrayValue":{"values":[{"intValue":"1"},{"boolValue":true},{}]}}},
    {"key":"map","value":{"kvlistValue":{"values":[{"key":"k","value":{"doubleValue":0.5}}]}}},
    {"key":"bytes","value":{"bytesValue":"AAE="}}],"droppedAttributesCount":2,
    "entityRefs":[{"type":"host","idKeys":["id"]}]},
  "scopeMetrics":[{"scope":{"name":"lib","version":"2",
    "attributes":[{"key":"a","value":{"intValue":"-1"}}],"droppedAttributesCount":3},
   "metrics":[
    {"name":"g","description":"d","unit":"s","gauge":{"dataPoints":[
      {"startTimeUnixNano":"1","timeUnixNano":"2","asDouble":1.5,"flags":1,"exemplars":[
       {"timeUnixNano":"2","asInt":"5","traceId":"0102030405060708090a0b0c0d0e0f10",
        "spanId":"0102030405060708"}],"attributes":[{"key":"k","value":{"stringValue":"v"}}]},
      {"timeUnixNano":"3"}]},
     "metadata":[{"key":"m","value":{"stringValue":"n"}}]},
    {"name":"s","sum":{"dataPoints":[{"timeUnixNano":"2","asInt":"-7"}],
      "aggregationTemporality":1,"isMonotonic":true}},
    {"name":"h","histogram":{"dataPoints":[{"timeUnixNano":"2","count":"3","sum":4.5,
      "bucketCounts":["1","2"],"explicitBounds":[10],"exemplars":[{"asDouble":1}],
      "attributes":[{"key":"k","value":{"intValue":"1"}}],"min":0,"max":9}],
      "aggregationTemporality":2}},
    {"name":"e","exponentialHistogram":{"dataPoints":[{
      "attributes":[{"key":"k","value":{"boolValue":false}}],"timeUnixNano":"2","count":"6",
      "sum":4.5,"scale":-2,"zeroCount":"1","positive":{"offset":-3,"bucketCounts":["1","300"]},
      "negative":{"offset":2,"bucketCounts":["4"]},"exemplars":[{"asDouble":1}],"min":-1,"max":9,
      "zeroThreshold":0.25}],"aggregationTemporality":1}},
    {"name":"q","summary":{"dataPoints":[{"timeUnixNano":"2","count":"6","sum":4.5,
      "quantileValues":[{"quantile":0.5,"value":1},{"quantile":1,"value":2}]}]}}],
   "schemaUrl":"inner"}],
  "schemaUrl":"outer"}]})";

TEST(Tree, NothingIsLostOnTheWayThere) {
  const Batch batch = *DecodeMetricsJson(kRequest);
  const Batch back = Tree::From(batch).ToBatch();
  EXPECT_EQ(EncodeMetricsJson(back), EncodeMetricsJson(batch));
}

TEST(Tree, ChangesShow) {
  Tree tree = Tree::From(*DecodeMetricsJson(kRequest));
  TreeMetric& metric = tree.resources[0].scopes[0].metrics[0];
  metric.name = "renamed";
  metric.kind = MetricKind::kSum;
  metric.points.pop_back();
  Put(metric.points[0].attributes, "k", Any(int64_t{9}));
  const Batch batch = tree.ToBatch();
  EXPECT_EQ(batch.metrics[0].name, "renamed");
  EXPECT_EQ(batch.metrics[0].kind, MetricKind::kSum);
  EXPECT_EQ(batch.point_count(), 5u);
  EXPECT_EQ(FindAttribute(batch.numbers[0].attributes, "k")->Int(), 9);
}

TEST(Tree, WhatIsEmptyIsLeftOut) {
  Tree tree = Tree::From(*DecodeMetricsJson(kRequest));
  for (TreeMetric& metric : tree.resources[0].scopes[0].metrics) metric.points.clear();
  EXPECT_EQ(tree.point_count(), 0u);
  EXPECT_TRUE(tree.ToBatch().resources.empty());
}

TEST(Tree, OfRepeatedKeysTheLastStays) {
  Writer writer;
  for (int64_t i = 0; i < 1000; ++i) {
    const auto pair = writer.Begin(7);
    writer.Bytes(1, std::to_string(i % 100));
    const auto value = writer.Begin(2);
    writer.Varint(3, static_cast<uint64_t>(i));
    writer.End(value);
    writer.End(pair);
  }
  const std::string fields = writer.Take();
  const AttributeMap map = AttributesFrom(fields);
  EXPECT_EQ(map.size(), 100u);
  EXPECT_EQ(*Find(map, "7"), Any(int64_t{907}));
  EXPECT_EQ(*Find(map, "99"), Any(int64_t{999}));
}

TEST(Tree, DepthIsBoundedOnTheWayBack) {
  Any value(int64_t{1});
  for (int i = 0; i < 500; ++i) value = Any(Any::Array{std::move(value)});
  Tree tree = Tree::From(*DecodeMetricsJson(kRequest));
  Put(tree.resources[0].attributes, "deep", std::move(value));
  EXPECT_EQ(tree.ToBatch().point_count(), 6u);
}

}  // namespace
}  // namespace narthex::otlp
