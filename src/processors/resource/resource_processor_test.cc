#include "processors/resource/resource_processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "otlp/encode.h"
#include "otlp/json.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::processors {
namespace {

using testing::HasSubstr;

TEST(ResourceProcessor, ChangesResources) {
  pipeline::TestHost host;
  pipeline::FakeConsumer next;
  const auto processor = host.Make(&ResourceProcessor::Create,
                                   "attributes:\n"
                                   "  - {key: host.name, action: upsert, value: h1}\n"
                                   "  - {key: secret, action: delete}",
                                   next);
  ASSERT_EQ(host.errors(), "");
  ASSERT_TRUE(processor
                  ->Consume(*otlp::DecodeMetricsJson(
                      R"({"resourceMetrics":[{"resource":{"droppedAttributesCount":3,"attributes":[
                         {"key":"secret","value":{"stringValue":"x"}}]},"scopeMetrics":[{"metrics":[
                         {"name":"a","sum":{"dataPoints":[{"asInt":"1"}]}}]}]}]})"))
                  .has_value());
  const std::string json =
      otlp::EncodeMetricsJson(*otlp::DecodeMetrics(otlp::EncodeMetrics(next.Take())));
  EXPECT_THAT(json,
              HasSubstr(R"("attributes":[{"key":"host.name","value":{"stringValue":"h1"}}])"));
  EXPECT_THAT(json, HasSubstr(R"("droppedAttributesCount":3)"));
  EXPECT_EQ(host.Imbalance(), 0);
}

TEST(ResourceProcessor, MistakesInItsConfiguration) {
  pipeline::TestHost host;
  pipeline::FakeConsumer next;
  (void)host.Make(&ResourceProcessor::Create, "actions: []", next);
  EXPECT_THAT(host.errors(), HasSubstr("unknown key \"actions\""));
}

TEST(ResourceProcessor, KeepsTheContract) {
  pipeline::ExpectProcessorContract(&ResourceProcessor::Create,
                                    "attributes: [{key: service.name, action: upsert, value: b}]");
}

}  // namespace
}  // namespace narthex::processors
