#include "exporters/prometheusremotewrite/translator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exporters/prometheusremotewrite/testing/read_message.h"
#include "model/sample.h"
#include "otlp/json.h"

namespace narthex::exporters {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string Request(std::string_view metrics) {
  return fmt::format(R"({{"resourceMetrics":[{{"resource":{{"attributes":[
    {{"key":"service.name","value":{{"stringValue":"shop"}}}},
    {{"key":"service.instance.id","value":{{"stringValue":"i1"}}}},
    {{"key":"host.name","value":{{"stringValue":"h"}}}}]}},
    "scopeMetrics":[{{"scope":{{"name":"lib","version":"2"}},"metrics":[{}]}}]}}]}})",
                     metrics);
}

class TranslatorTest : public testing::Test {
 protected:
  // Every series as "name{labels} value@time".
  std::vector<std::string> Series(std::string_view metrics) {
    config_.with_scope_info = scope_;
    config_.with_target_info = target_;
    losses_.clear();
    std::vector<std::string> out;
    for (const Translator::Part& part :
         Translator(config_).Run(*otlp::DecodeMetricsJson(Request(metrics)), losses_)) {
      const auto lines = ReadMessage(part.bytes, config_.is_version_2);
      out.insert(out.end(), lines.begin(), lines.end());
      points_ += part.points;
      ++parts_;
    }
    return out;
  }

  RemoteWriteConfig config_;
  bool scope_ = false, target_ = false;
  Translator::Losses losses_;
  size_t points_ = 0, parts_ = 0;
};

constexpr std::string_view kCounter = R"({"name":"http.requests","description":"d","sum":{
  "aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"asInt":"5",
  "startTimeUnixNano":"1000000000","timeUnixNano":"2000000000","attributes":[
  {"key":"a.b","value":{"stringValue":"1"}},{"key":"a_b","value":{"stringValue":"2"}}],
  "exemplars":[{"asDouble":0.5,"timeUnixNano":"1500000000",
  "traceId":"0102030405060708090a0b0c0d0e0f10"}]}]}})";

TEST_F(TranslatorTest, CountersWithExemplars) {
  EXPECT_THAT(Series(kCounter),
              ElementsAre("http_requests_total{a_b=1;2,instance=i1,job=shop} 5@2000 "
                          "#{trace_id=0102030405060708090a0b0c0d0e0f10} 0.5@1500"));
  EXPECT_EQ(points_, 1u);
}

TEST_F(TranslatorTest, Version2SaysTheSame) {
  config_.is_version_2 = true;
  EXPECT_THAT(Series(kCounter),
              ElementsAre("http_requests_total{a_b=1;2,instance=i1,job=shop} 5@2000 "
                          "#{trace_id=0102030405060708090a0b0c0d0e0f10} 0.5@1500 "
                          "type=1 help=d created=1000"));
}

TEST_F(TranslatorTest, HistogramsAndSummaries) {
  EXPECT_THAT(
      Series(R"({"name":"h","unit":"s","histogram":{"aggregationTemporality":2,"dataPoints":[
        {"timeUnixNano":"2000000000","count":"7","sum":4.5,"bucketCounts":["1","2","4"],
         "explicitBounds":[0.5,1000000]}]}},
        {"name":"q","summary":{"dataPoints":[{"timeUnixNano":"2000000000","count":"6","sum":3,
         "quantileValues":[{"quantile":0.99,"value":2}]}]}})"),
      ElementsAre("h_seconds_sum{instance=i1,job=shop} 4.5@2000",
                  "h_seconds_count{instance=i1,job=shop} 7@2000",
                  "h_seconds_bucket{instance=i1,job=shop,le=0.5} 1@2000",
                  "h_seconds_bucket{instance=i1,job=shop,le=1000000} 3@2000",
                  "h_seconds_bucket{instance=i1,job=shop,le=+Inf} 7@2000",
                  "q_sum{instance=i1,job=shop} 3@2000", "q_count{instance=i1,job=shop} 6@2000",
                  "q{instance=i1,job=shop,quantile=0.99} 2@2000"));
}

TEST_F(TranslatorTest, ExponentialHistogramsAreNative) {
  EXPECT_THAT(
      Series(R"({"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[
        {"timeUnixNano":"2000000000","count":"6","sum":9,"scale":9,"zeroCount":"1",
         "positive":{"offset":2,"bucketCounts":["1","2","1"]},
         "negative":{"bucketCounts":["1"]}}]}})"),
      ElementsAre("e{instance=i1,job=shop} histogram count=6 sum=9 schema=8 zero=1 "
                  "negative=1:[1] positive=2:[3,1] @2000"));
  EXPECT_THAT(
      Series(R"({"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[
        {"timeUnixNano":"1","scale":-5}]}})"),
      IsEmpty());
  EXPECT_EQ(losses_["unsupported"], 1u);
}

TEST_F(TranslatorTest, DeltasAreLost) {
  EXPECT_THAT(Series(R"({"name":"d","sum":{"aggregationTemporality":1,"dataPoints":[
        {"timeUnixNano":"1","asInt":"1"},{"timeUnixNano":"2","asInt":"1"}]}})"),
              IsEmpty());
  EXPECT_EQ(losses_["not_cumulative"], 2u);
}

TEST_F(TranslatorTest, StaleMarkers) {
  const auto series = Series(R"({"name":"g","gauge":{"dataPoints":[
        {"timeUnixNano":"2000000000","flags":1}]}})");
  EXPECT_THAT(series, ElementsAre("g{instance=i1,job=shop} stale@2000"));
}

TEST_F(TranslatorTest, ScopeTargetAndExternalLabels) {
  scope_ = target_ = true;
  config_.external_labels = {{"region", "north"}};
  config_.name_prefix = "ns";
  EXPECT_THAT(Series(R"({"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"2000000000",
        "asDouble":1.5}]}})"),
              ElementsAre("ns_g{instance=i1,job=shop,otel_scope_name=lib,otel_scope_version=2,"
                          "region=north} 1.5@2000",
                          "ns_target_info{host_name=h,instance=i1,job=shop,region=north} 1@2000"));
}

TEST_F(TranslatorTest, MetadataWhenAskedFor) {
  config_.with_metadata = true;
  EXPECT_THAT(Series(kCounter), Contains("metadata http_requests_total type=1 help=d"));
}

TEST_F(TranslatorTest, LargeMessagesAreCut) {
  config_.batch_bytes_max = 1;
  std::string metrics;
  for (int i = 0; i < 5; ++i) {
    metrics += fmt::format(R"({}{{"name":"g{}","gauge":{{"dataPoints":[{{"asInt":"1"}}]}}}})",
                           i == 0 ? "" : ",", i);
  }
  EXPECT_EQ(Series(metrics).size(), 5u);
  EXPECT_EQ(parts_, 5u);
  EXPECT_EQ(points_, 5u);
}

}  // namespace
}  // namespace narthex::exporters
