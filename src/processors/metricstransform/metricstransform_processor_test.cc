#include "processors/metricstransform/metricstransform_processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "otlp/json.h"
#include "otlp/stream.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::processors {
namespace {

using testing::HasSubstr;

constexpr std::string_view kRequest = R"({"resourceMetrics":[{"scopeMetrics":[{"metrics":[
   {"name":"cpu.user","sum":{"aggregationTemporality":2,"dataPoints":[
    {"asInt":"1","attributes":[{"key":"core","value":{"stringValue":"0"}},
                               {"key":"mode","value":{"stringValue":"a"}}]},
    {"asInt":"2","attributes":[{"key":"core","value":{"stringValue":"1"}},
                               {"key":"mode","value":{"stringValue":"a"}}]}]}},
   {"name":"cpu.idle","sum":{"aggregationTemporality":2,"dataPoints":[
    {"asInt":"10","attributes":[{"key":"core","value":{"stringValue":"0"}},
                                {"key":"mode","value":{"stringValue":"b"}}]}]}},
   {"name":"other","gauge":{"dataPoints":[{"asDouble":1.5}]}}]}]}]})";

class MetricsTransformTest : public testing::Test {
 protected:
  // "resource|name{labels}=value …", in the order on the wire.
  std::string Sent(std::string_view yaml) {
    const auto processor = host_.Make(&MetricsTransformProcessor::Create, yaml, next_);
    EXPECT_EQ(host_.errors(), "") << yaml;
    EXPECT_TRUE(processor->Consume(*otlp::DecodeMetricsJson(kRequest)).has_value());
    EXPECT_EQ(host_.Imbalance(), 0);
    const otlp::Tree tree = otlp::Tree::From(next_.Take());
    std::string out;
    otlp::VisitMetrics(tree, [&](const otlp::TreeResource& resource, const otlp::TreeScope&,
                                 const otlp::TreeMetric& metric) {
      for (const otlp::TreePoint& point : metric.points) {
        out += resource.attributes.empty() ? "" : otlp::Text(otlp::Any(resource.attributes)) + "|";
        out += metric.name + "{";
        for (const auto& [key, value] : point.attributes) {
          out += key + "=" + otlp::Text(value) + ",";
        }
        out += fmt::format("}}={} ", point.Number());
      }
    });
    return out;
  }
  std::string Errors(std::string_view yaml) {
    (void)host_.Make(&MetricsTransformProcessor::Create, yaml, next_);
    return host_.errors();
  }

  pipeline::TestHost host_;
  pipeline::FakeConsumer next_;
};

TEST(MetricsTransform, KeepsTheContract) {
  pipeline::ExpectProcessorContract(
      &MetricsTransformProcessor::Create,
      "transforms: [{include: metric.7, action: insert, new_name: x, operations: "
      "[{action: aggregate_labels, label_set: []}]}]");
}

TEST_F(MetricsTransformTest, RenamesWithGroups) {
  EXPECT_EQ(Sent("transforms: [{include: '^cpu\\.(?P<what>.*)$', match_type: regexp, action: "
                 "update, new_name: 'x.$1.${what}', submatch_case: upper}]"),
            "x.USER.USER{core=0,mode=a,}=1 x.USER.USER{core=1,mode=a,}=2 "
            "x.IDLE.IDLE{core=0,mode=b,}=10 other{}=1.5 ");
}

TEST_F(MetricsTransformTest, InsertsACopy) {
  EXPECT_EQ(Sent("transforms: [{include: other, action: insert, new_name: copy, operations: "
                 "[{action: add_label, new_label: l, new_value: v}, {action: "
                 "toggle_scalar_data_type}]}]"),
            "cpu.user{core=0,mode=a,}=1 cpu.user{core=1,mode=a,}=2 cpu.idle{core=0,mode=b,}=10 "
            "other{}=1.5 copy{l=v,}=1 ");
}

TEST_F(MetricsTransformTest, CombinesWithLabelsFromNames) {
  EXPECT_EQ(Sent("transforms: [{include: '^cpu\\.(?P<what>.*)$', match_type: regexp, action: "
                 "combine, new_name: cpu, operations: [{action: aggregate_labels, label_set: "
                 "[what], aggregation_type: max}]}]"),
            "other{}=1.5 cpu{what=user,}=2 cpu{what=idle,}=10 ");
}

TEST_F(MetricsTransformTest, OnlyPointsWithTheLabels) {
  EXPECT_EQ(Sent("transforms: [{include: cpu.user, action: update, new_name: first, "
                 "experimental_match_labels: {core: '0'}}]"),
            "first{core=0,mode=a,}=1 cpu.user{core=1,mode=a,}=2 cpu.idle{core=0,mode=b,}=10 "
            "other{}=1.5 ");
}

TEST_F(MetricsTransformTest, Operations) {
  const auto with = [&](std::string_view operation) {
    return Sent(fmt::format(
        "transforms: [{{include: cpu.user, action: update, operations: [{{{}}}]}}, {{include: "
        "'idle|other', match_type: regexp, action: update, operations: [{{action: "
        "delete_label_value, label: mode, label_value: b}}]}}]",
        operation));
  };
  EXPECT_EQ(with("action: update_label, label: mode, new_label: m, value_actions: [{value: a, "
                 "new_value: b}]"),
            "cpu.user{core=0,m=b,}=1 cpu.user{core=1,m=b,}=2 other{}=1.5 ");
  EXPECT_EQ(with("action: experimental_scale_value, experimental_scale: 10"),
            "cpu.user{core=0,mode=a,}=10 cpu.user{core=1,mode=a,}=20 other{}=1.5 ");
  EXPECT_EQ(with("action: aggregate_labels, label_set: [mode], aggregation_type: sum"),
            "cpu.user{mode=a,}=3 other{}=1.5 ");
  EXPECT_EQ(with("action: aggregate_label_values, label: core, aggregated_values: ['0', '1'], "
                 "new_value: all, aggregation_type: max"),
            "cpu.user{core=all,mode=a,}=2 other{}=1.5 ");
}

TEST_F(MetricsTransformTest, MovesToAResource) {
  EXPECT_EQ(Sent("transforms: [{include: cpu, match_type: regexp, action: update, "
                 "group_resource_labels: {r: v}}]"),
            "other{}=1.5 {\"r\":\"v\"}|cpu.user{core=0,mode=a,}=1 "
            "{\"r\":\"v\"}|cpu.user{core=1,mode=a,}=2 {\"r\":\"v\"}|cpu.idle{core=0,mode=b,}=10 ");
}

TEST_F(MetricsTransformTest, MistakesInItsConfiguration) {
  EXPECT_THAT(Errors("{}"), HasSubstr("transforms: must be a list"));
  EXPECT_THAT(Errors("transforms: [{action: update}]"), HasSubstr("include: must be given"));
  EXPECT_THAT(Errors("transforms: [{include: a, action: change}]"),
              HasSubstr("test.yaml:1:35: action: must be update"));
  EXPECT_THAT(Errors("transforms: [{include: a, action: insert}]"),
              HasSubstr("new_name: must be given"));
  EXPECT_THAT(Errors("transforms: [{include: '(', match_type: regexp, action: update}]"),
              HasSubstr("missing"));
  EXPECT_THAT(Errors("transforms: [{include: a, action: update, operations: [{action: add}]}]"),
              HasSubstr("unknown operation \"add\""));
  EXPECT_THAT(Errors("transforms: [{include: a, action: update, operations: [{action: add_label, "
                     "new_label: l}]}]"),
              HasSubstr("new_value: must be given"));
  EXPECT_THAT(Errors("transforms: [{include: a, acton: update}]"), HasSubstr("did you mean"));
}

}  // namespace
}  // namespace narthex::processors
