#include "exporters/debug/debug_exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "otlp/json.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::exporters {
namespace {

std::string Print(DebugExporter::Verbosity verbosity, std::string_view json) {
  pipeline::TestHost host;
  std::string printed;
  DebugExporter exporter(verbosity, "debug", host.host(),
                         [&](std::string_view text) { printed += text; });
  EXPECT_TRUE(exporter.Consume(*otlp::DecodeMetricsJson(json)).has_value());
  EXPECT_EQ(host.Imbalance(), 0);
  return printed;
}

constexpr std::string_view kRequest = R"({"resourceMetrics":[{"resource":{"attributes":[
    {"key":"service.name","value":{"stringValue":"api"}}]},"scopeMetrics":[{"scope":{"name":"s"},
    "metrics":[{"name":"r","unit":"1","sum":{"aggregationTemporality":2,"isMonotonic":true,
      "dataPoints":[{"asInt":"3","timeUnixNano":"5","attributes":[
        {"key":"a","value":{"intValue":"1"}}]}]}},
     {"name":"h","histogram":{"dataPoints":[{"count":"3","sum":1.5,"bucketCounts":["1","2"],
        "explicitBounds":[0.5]}]}},
     {"name":"q","summary":{"dataPoints":[{"count":"2","sum":4}]}}]}]}]})";

TEST(DebugExporter, NormalPrintsALinePerPoint) {
  EXPECT_EQ(Print(DebugExporter::Verbosity::kNormal, kRequest),
            "Resource  {service.name=api}\n"
            "Scope s  {}\n"
            "r{a=1} value=3\n"
            "h{} count=3 sum=1.5 le0.5=1 le+Inf=2\n"
            "q{} count=2 sum=4\n");
}

TEST(DebugExporter, DetailedPrintsEveryField) {
  const std::string printed = Print(DebugExporter::Verbosity::kDetailed, kRequest);
  EXPECT_THAT(printed, testing::HasSubstr("Metric r () unit=\"1\" Sum Cumulative monotonic\n"));
  EXPECT_THAT(printed, testing::HasSubstr("r{a=1} value=3 start_ns=0 time_ns=5 flags=0\n"));
}

TEST(DebugExporter, BasicPrintsNoPoints) {
  EXPECT_EQ(Print(DebugExporter::Verbosity::kBasic, kRequest), "");
}

TEST(DebugExporter, ChecksItsVerbosity) {
  pipeline::TestHost host;
  (void)host.Make(&DebugExporter::Create, "verbosity: loud");
  EXPECT_THAT(host.errors(), testing::HasSubstr("verbosity: must be basic, normal or detailed"));
}

TEST(DebugExporter, KeepsTheContract) {
  pipeline::ExpectExporterContract(&DebugExporter::Create, "verbosity: detailed");
}

}  // namespace
}  // namespace narthex::exporters
