#include "connectors/routing/routing_connector.h"

#include <gmock/gmock.h>

#include "otlp/json.h"
#include "otlp/tree.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::connectors {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Two resources, with the metrics "requests" (points of zones a and b) and "errors" (zone a).
otlp::Batch TwoResources() {
  std::string resources;
  for (const char* name : {"shop", "bank"}) {
    const auto metric = [](std::string_view metric_name, std::string_view zones) {
      std::string points;
      for (const char zone : zones) {
        points += fmt::format(
            R"({}{{"asInt":1,"timeUnixNano":"1","attributes":[{{"key":"zone","value":{{"stringValue":"{}"}}}}]}})",
            points.empty() ? "" : ",", zone);
      }
      return fmt::format(R"({{"name":"{}","gauge":{{"dataPoints":[{}]}}}})", metric_name, points);
    };
    resources += fmt::format(
        R"({}{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"{}"}}}}]}},)"
        R"("scopeMetrics":[{{"metrics":[{},{}]}}]}})",
        resources.empty() ? "" : ",", name, metric("requests", "ab"), metric("errors", "a"));
  }
  return *otlp::DecodeMetricsJson(fmt::format(R"({{"resourceMetrics":[{}]}})", resources));
}

class RoutingConnectorTest : public testing::Test {
 protected:
  // Points that came to the pipelines a, b and c.
  std::vector<size_t> Route(std::string_view yaml) {
    pipeline::FakeConsumer a, b, c;
    const pipeline::ConnectorOutputs outputs = OutputsTo(a, b, c);
    auto connector = host_.Make(&RoutingConnector::Create, yaml, outputs);
    EXPECT_EQ(host_.errors(), "");
    status_ = connector->consumer()->Consume(TwoResources());
    return {a.point_count(), b.point_count(), c.point_count()};
  }
  std::string ErrorsOf(std::string_view yaml) {
    pipeline::FakeConsumer next;
    const pipeline::ConnectorOutputs outputs = OutputsTo(next, next, next);
    (void)host_.Make(&RoutingConnector::Create, yaml, outputs);
    return host_.errors();
  }
  static pipeline::ConnectorOutputs OutputsTo(pipeline::Consumer& a, pipeline::Consumer& b,
                                              pipeline::Consumer& c) {
    return {.pipelines = {{"metrics/a", &a, nullptr},
                          {"metrics/b", &b, nullptr},
                          {"metrics/c", &c, nullptr}}};
  }

  pipeline::TestHost host_;
  base::Status status_;
};

TEST_F(RoutingConnectorTest, WholeResourcesGoWhereTheFirstRowSays) {
  EXPECT_THAT(Route(R"(
default_pipelines: [metrics/c]
table:
  - condition: attributes["service.name"] == "shop"
    pipelines: [metrics/a]
  - statement: route() where attributes["service.name"] == "shop"
    pipelines: [metrics/b]
)"),
              ElementsAre(3, 0, 3));
}

TEST_F(RoutingConnectorTest, MetricsAndPointsGoOnTheirOwn) {
  EXPECT_THAT(Route(R"(
default_pipelines: [metrics/c]
table:
  - {context: metric, condition: 'name == "errors"', pipelines: [metrics/a]}
  - {context: datapoint, condition: 'attributes["zone"] == "b"', pipelines: [metrics/b]}
)"),
              ElementsAre(2, 2, 2));
}

TEST_F(RoutingConnectorTest, WhatNobodyWantsIsCounted) {
  EXPECT_THAT(
      Route("table: [{context: metric, condition: 'name == \"errors\"', pipelines: [metrics/a, "
            "metrics/b]}]"),
      ElementsAre(2, 2, 0));
  EXPECT_EQ(host_.Count("narthex_points_lost", "no_route"), 4);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(RoutingConnectorTest, ConditionsThatCannotBeAnswered) {
  const std::string table =
      "table: [{condition: 'Hex(attributes) == \"x\"', pipelines: [metrics/a]}], "
      "default_pipelines: [metrics/b], error_mode: ";
  EXPECT_THAT(Route("{" + table + "propagate}"), ElementsAre(0, 0, 0));
  EXPECT_FALSE(status_.has_value());
  EXPECT_THAT(Route("{" + table + "silent}"), ElementsAre(0, 6, 0));
  EXPECT_TRUE(status_.has_value());
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(RoutingConnectorTest, MistakesAreSaid) {
  EXPECT_THAT(ErrorsOf("{}"), HasSubstr("table: must be a list"));
  EXPECT_THAT(ErrorsOf("table: [{condition: 'true', pipelines: [metrics/x]}]"),
              HasSubstr("\"metrics/x\" is no pipeline of metrics"));
  EXPECT_THAT(ErrorsOf("table: [{pipelines: [metrics/a]}]"), HasSubstr("either condition or"));
  EXPECT_THAT(ErrorsOf("table: [{condition: 'name == \"x\"', pipelines: [metrics/a]}]"),
              HasSubstr("condition: "));
  EXPECT_THAT(ErrorsOf("table: [{context: exemplar, condition: 'int_value == 1', "
                       "pipelines: [metrics/a]}]"),
              HasSubstr("context: must be"));
  EXPECT_THAT(ErrorsOf("table: [{statement: 'drop()', pipelines: [metrics/a]}]"),
              HasSubstr("must be `route() where`"));
}

TEST(RoutingConnector, KeepsTheContract) {
  pipeline::ExpectConnectorContract(
      &RoutingConnector::Create,
      "{table: [{context: metric, condition: 'name == \"metric.7\"', pipelines: [metrics]}], "
      "default_pipelines: [metrics]}");
}

}  // namespace
}  // namespace narthex::connectors
