#include "demo/readings.h"

#include <gtest/gtest.h>

#include <cmath>

namespace narthex::demo {
namespace {

TEST(Readings, LoadReport) {
  const LoadTotals totals =
      ParseLoadReport(R"({"planned":9,"sent":8,"completed":6,"failed":1,"dropped":1,"in_flight":1,
          "response_ms":{"p95":120.5},
          "requests":[{"method":"GET","endpoint":"/health","status":"200","count":6}]})")
          .value();
  EXPECT_EQ(totals.planned, 9u);
  EXPECT_EQ(totals.in_flight, 1u);
  EXPECT_EQ(totals.p95_ms, 120.5);
  EXPECT_EQ(totals.requests, (RequestCounts{{{"GET", "/health", "200"}, 6}}));
  EXPECT_FALSE(ParseLoadReport("not json").has_value());
}

TEST(Readings, CollectorCountsThisRunOnly) {
  const CollectorTotals totals =
      ParseCollectorMetrics(
          "otelcol_receiver_accepted_metric_points{receiver=\"otlp\",transport=\"http\"} 30\n"
          "otelcol_receiver_accepted_metric_points_total{receiver=\"otlp\",transport=\"grpc\"} 2\n"
          "otelcol_exporter_sent_metric_points{exporter=\"prometheus\"} 31\n"
          "otelcol_exporter_sent_metric_points{exporter=\"debug\"} 31\n"
          "otelcol_receiver_refused_metric_points 1\n",
          "# TYPE http_requests_total counter\n"
          "http_requests_total{method=\"GET\",endpoint=\"/a\",status=\"200\",instance=\"r1.1\"} 5\n"
          "http_requests_total{method=\"GET\",endpoint=\"/a\",status=\"200\",instance=\"r1.2\"} 2\n"
          "http_requests_total{method=\"GET\",endpoint=\"/a\",status=\"200\",instance=\"r0.1\"} 9\n"
          "orders_total{status=\"success\",instance=\"r1.1\"} 5\n",
          "r1")
          .value();
  EXPECT_EQ(totals.accepted_points, 32u);
  EXPECT_EQ(totals.sent_points, 31u);
  EXPECT_EQ(totals.refused_points, 1u);
  EXPECT_EQ(totals.requests, (RequestCounts{{{"GET", "/a", "200"}, 7}}));
}

TEST(Readings, QueryAnswers) {
  const auto vector = ParseQueryAnswer(
      R"({"status":"success","data":{"resultType":"vector","result":[
          {"metric":{"method":"GET","endpoint":"/a","status":"200"},"value":[1.5,"7"]},
          {"metric":{},"value":[1.5,"NaN"]}]}})");
  ASSERT_EQ(vector->size(), 2u);
  EXPECT_EQ((*vector)[0].timestamp_s, 1.5);
  EXPECT_TRUE(std::isnan((*vector)[1].value));
  EXPECT_EQ(RequestsOf({(*vector)[0]}), (RequestCounts{{{"GET", "/a", "200"}, 7}}));

  const auto matrix = ParseQueryAnswer(
      R"({"status":"success","data":{"resultType":"matrix","result":[
          {"metric":{"job":"x"},"values":[[1,"0"],[2,"1"]]}]}})");
  EXPECT_EQ((*matrix)[0].value, 1);
  EXPECT_EQ((*matrix)[0].timestamp_s, 2);

  const auto scalar =
      ParseQueryAnswer(R"({"status":"success","data":{"resultType":"scalar","result":[3,"4"]}})");
  EXPECT_EQ((*scalar)[0].value, 4);

  const auto failed = ParseQueryAnswer(R"({"status":"error","error":"parse error"})");
  EXPECT_EQ(failed.error().message, "parse error");
}

}  // namespace
}  // namespace narthex::demo
