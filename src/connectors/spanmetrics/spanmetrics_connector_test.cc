#include "connectors/spanmetrics/spanmetrics_connector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "otlp/tree.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::connectors {
namespace {

using base::Code;
using pipeline::Signal;
using testing::HasSubstr;

constexpr std::string_view kJson =
    R"({"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":)"
    R"({"stringValue":"shop"}}]},"scopeSpans":[{"spans":[{"name":"a"},{"name":"a"}]}]}]})";
// The same with one span.
constexpr std::string_view kProtobuf(
    "\x0a\x25\x0a\x1a\x0a\x18\x0a\x0cservice.name\x12\x08\x0a\x06shop 1\x12\x07\x12\x05\x2a\x03"
    "abc",
    39);

class SpanMetricsConnectorTest : public testing::Test {
 protected:
  void Start(std::string_view yaml) {
    const pipeline::ConnectorOutputs outputs{
        .pipelines = {{.id = "metrics", .metrics = &next_}}, .metrics = &next_, .passages = {}};
    connector_ = host_.Make(&SpanMetricsConnector::Create, yaml, outputs);
    ASSERT_EQ(host_.errors(), "");
    ASSERT_TRUE(connector_->Start().has_value());
  }
  pipeline::PassedAnswer Pass(std::string_view bytes, otlp::Encoding encoding) {
    pipeline::PassedAnswer answer;
    connector_->passage(Signal::kTraces)
        ->Pass({.signal = Signal::kTraces, .encoding = encoding, .bytes = std::string(bytes)},
               [&](pipeline::PassedAnswer given) { answer = std::move(given); });
    return answer;
  }

  pipeline::TestHost host_;
  pipeline::FakeConsumer next_;
  std::unique_ptr<pipeline::Connector> connector_;
};

TEST_F(SpanMetricsConnectorTest, MakesMetricsOfBothEncodings) {
  Start("");
  EXPECT_TRUE(connector_->passage(Signal::kTraces)->TakesJson());
  const auto json = Pass(kJson, otlp::Encoding::kJson);
  EXPECT_TRUE(json.status.has_value());
  EXPECT_EQ(json.response, "{}");
  const auto protobuf = Pass(kProtobuf, otlp::Encoding::kProtobuf);
  EXPECT_TRUE(protobuf.status.has_value()) << protobuf.status.error().message;
  EXPECT_EQ(protobuf.response, "");
  EXPECT_EQ(host_.Count("narthex_spanmetrics_spans"), 3);
  connector_->Stop();
  EXPECT_EQ(next_.point_count(), 4u);
  EXPECT_EQ(host_.Count("narthex_spanmetrics_series"), 2);
  EXPECT_EQ(host_.Count("narthex_points_out"), 4);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(SpanMetricsConnectorTest, SendsAtIntervals) {
  Start("metrics_flush_interval: 10ms");
  Pass(kJson, otlp::Encoding::kJson);
  host_.clock().AdvanceMs(10);
  EXPECT_TRUE(next_.WaitForPoints(2));
}

TEST_F(SpanMetricsConnectorTest, DamageIsRefusedAsAWhole) {
  Start("");
  const auto cut = Pass(kProtobuf.substr(0, 30), otlp::Encoding::kProtobuf);
  EXPECT_EQ(cut.status.error().code, Code::kInvalidArgument);
  const auto wrong = Pass(R"({"resourceSpans":7})", otlp::Encoding::kJson);
  EXPECT_THAT(wrong.status.error().message, HasSubstr("resourceSpans: must be an array"));
  connector_->Stop();
  EXPECT_EQ(next_.point_count(), 0u);
  EXPECT_EQ(Pass(kJson, otlp::Encoding::kJson).status.error().code, Code::kUnavailable);
}

TEST_F(SpanMetricsConnectorTest, WhatIsRefusedIsCounted) {
  Start("");
  next_.FailWith(base::Error{Code::kUnavailable, "full"});
  Pass(kJson, otlp::Encoding::kJson);
  connector_->Stop();
  EXPECT_EQ(host_.Count("narthex_points_lost", "refused_downstream"), 2);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(SpanMetricsConnectorTest, TakesTracesWhereItLeadsToMetrics) {
  Start("");
  EXPECT_EQ(connector_->consumer(), nullptr);
  EXPECT_EQ(connector_->passage(Signal::kLogs), nullptr);
  const pipeline::ConnectorOutputs nothing;
  EXPECT_EQ(host_.Make(&SpanMetricsConnector::Create, "", nothing)->passage(Signal::kTraces),
            nullptr);
}

TEST_F(SpanMetricsConnectorTest, ReadsItsConfiguration) {
  const pipeline::ConnectorOutputs outputs;
  const auto errors = [&](std::string_view yaml) {
    (void)host_.Make(&SpanMetricsConnector::Create, yaml, outputs);
    return host_.errors();
  };
  EXPECT_EQ(errors(R"(
histogram:
  disable: false
  unit: s
  explicit: {buckets: [100us, 1ms, 2ms, 6ms, 10ms, 100ms, 250ms]}
  dimensions: [{name: http.route}]
dimensions:
  - {name: http.method, default: GET}
  - {name: http.status_code}
calls_dimensions: [{name: http.url}]
exemplars: {enabled: true, max_per_data_point: 3}
exclude_dimensions: [status.code]
dimensions_cache_size: 1000
resource_metrics_cache_size: 1600
aggregation_temporality: AGGREGATION_TEMPORALITY_CUMULATIVE
metrics_flush_interval: 15s
metrics_expiration: 5m
series_expiration: 1m
metric_timestamp_cache_size: 123
namespace: span
events: {enabled: true, dimensions: [{name: exception.type}]}
resource_metrics_key_attributes: [service.name]
include_instrumentation_scope: [express]
aggregation_cardinality_limit: 100
add_resource_attributes: true
enable_metrics_sampling_method: true
)"),
            "");
  EXPECT_EQ(errors("dimensions: [{name: service.name}]"),
            "test.yaml:1:21: name: duplicate dimension name service.name");
  EXPECT_THAT(errors("dimensions: [{name: a}, {name: a}]"), HasSubstr("duplicate dimension name"));
  EXPECT_THAT(errors("dimensions: [{}]"), HasSubstr("name: one of name and glob must be given"));
  EXPECT_THAT(errors("dimensions: [{name: a, glob: b}]"), HasSubstr("one of name and glob"));
  EXPECT_THAT(errors("dimensions: [{glob: 'a[', default: x}]"),
              testing::AllOf(HasSubstr("default: goes with a name only"),
                             HasSubstr("test.yaml:1:21: glob: bad glob \"a[\"")));
  EXPECT_THAT(errors("dimensions: [{name: k8s.pod}, {glob: 'k8s.*'}]"),
              HasSubstr("\"k8s.pod\" fits the glob \"k8s.*\""));
  EXPECT_THAT(errors("dimensions: [{nam: a}]"), HasSubstr("did you mean \"name\""));
  EXPECT_THAT(errors("histogram: {explicit: {buckets: [1ms, 1ms]}}"),
              HasSubstr("buckets: must rise"));
  EXPECT_THAT(errors("histogram: {explicit: {buckets: [1]}}"),
              HasSubstr("test.yaml:1:33: buckets"));
  EXPECT_THAT(errors("histogram: {unit: h}"), HasSubstr("unit: must be ms or s"));
  EXPECT_THAT(errors("histogram: {explicit: , exponential: }"),
              HasSubstr("use either explicit or exponential buckets"));
  EXPECT_THAT(errors("histogram: {exponential: {max_size: 1}}"),
              HasSubstr("must be between 2 and"));
  EXPECT_THAT(errors("metrics_flush_interval: 0s"), HasSubstr("must be a positive duration"));
  EXPECT_THAT(errors("metrics_expiration: -1s"), HasSubstr("must not be negative"));
  EXPECT_THAT(errors("aggregation_cardinality_limit: -1"), HasSubstr("must be between 0 and"));
  EXPECT_THAT(errors("metric_timestamp_cache_size: 0"), HasSubstr("must be between 1 and"));
  EXPECT_THAT(errors("events: {enabled: true}"), HasSubstr("no dimensions configured for events"));
  EXPECT_THAT(errors("aggregation_temporality: delta"), HasSubstr("must be AGGREGATION"));
}

TEST(SpanMetricsConnector, KeepsTheContract) {
  pipeline::ExpectConnectorContract(&SpanMetricsConnector::Create,
                                    "aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA");
  pipeline::ExpectConnectorContract(&SpanMetricsConnector::Create, "metrics_flush_interval: 1ms");
}

}  // namespace
}  // namespace narthex::connectors
