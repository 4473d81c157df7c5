#include "receivers/influxdb/points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "otlp/decode.h"
#include "otlp/tree.h"

namespace narthex::receivers {
namespace {

using otlp::MetricKind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

base::Result<otlp::Tree> Translate(std::string_view text, int64_t unit_ns = 1) {
  InfluxPoints points(7, unit_ns);
  InfluxReader reader(text);
  for (;;) {
    const auto line = reader.Next();
    EXPECT_TRUE(line.has_value()) << line.error().message;
    if (!line.has_value() || !line->has_value()) break;
    RETURN_IF_ERROR(points.Add(**line));
  }
  ASSIGN_OR_RETURN(std::string request, points.Take());
  return otlp::Tree::From(*otlp::DecodeMetrics(std::move(request)));
}

// Of the only scope.
std::deque<otlp::TreeMetric> MetricsOf(std::string_view text) {
  auto tree = Translate(text);
  EXPECT_TRUE(tree.has_value()) << tree.error().message;
  if (!tree.has_value() || tree->resources.empty()) return {};
  EXPECT_EQ(tree->resources.size(), 1u);
  EXPECT_EQ(tree->resources[0].scopes.size(), 1u);
  return std::move(tree->resources[0].scopes[0].metrics);
}

std::string ErrorOf(std::string_view text, int64_t unit_ns = 1) {
  const auto tree = Translate(text, unit_ns);
  return tree.has_value() ? "" : tree.error().message;
}

TEST(InfluxPoints, WithoutASchemaEveryNumberIsAGauge) {
  const auto tree = *Translate(
      "cpu,container.name=42,otel.library.name=My\\ Library,otel.library.version=latest,cpu=cpu4 "
      "usage_user=0.1,some_int=7i,name=\"x\",up=true 1395066363000000123");
  ASSERT_EQ(tree.resources.size(), 1u);
  EXPECT_THAT(tree.resources[0].attributes, ElementsAre(Pair("container.name", "42")));
  const otlp::TreeScope& scope = tree.resources[0].scopes.at(0);
  EXPECT_EQ(scope.name, "My Library");
  EXPECT_EQ(scope.version, "latest");
  ASSERT_EQ(scope.metrics.size(), 2u);
  EXPECT_EQ(scope.metrics[0].name, "cpu_usage_user");
  EXPECT_EQ(scope.metrics[0].kind, MetricKind::kGauge);
  EXPECT_EQ(scope.metrics[0].points[0].real, 0.1);
  EXPECT_EQ(scope.metrics[0].points[0].time_ns, 1395066363000000123u);
  EXPECT_THAT(scope.metrics[0].points[0].attributes, ElementsAre(Pair("cpu", "cpu4")));
  EXPECT_EQ(scope.metrics[1].name, "cpu_some_int");
  EXPECT_EQ(scope.metrics[1].points[0].whole, 7);
}

TEST(InfluxPoints, TimesAreInTheSendersUnit) {
  EXPECT_EQ(MetricsOf("a b=1")[0].points[0].time_ns, 7u) << "without a time, it is now";
  const auto tree = *Translate("a b=1 3", 1'000'000'000);
  EXPECT_EQ(tree.resources[0].scopes[0].metrics[0].points[0].time_ns, 3'000'000'000u);
  EXPECT_THAT(ErrorOf("a b=1 9223372036854775807", 1'000), HasSubstr("is out of range"));
  EXPECT_THAT(ErrorOf("a b=1 -1"), HasSubstr("the timestamp -1 is out of range"));
}

TEST(InfluxPoints, Version1) {
  const auto metrics = MetricsOf(
      "cpu_temp,foo=bar gauge=87.332\n"
      "http_requests_total,method=post,code=200 counter=1027\n"
      "http_requests_total,method=post,code=400 counter=3\n"
      "http_request_duration_seconds 0.05=24054,0.1=33444,0.2=100392,0.5=129389,1=133988,"
      "+Inf=144320,sum=53423,count=144320\n"
      "rpc_duration_seconds 0.01=3102,0.05=3272,0.5=4773,0.9=9001,0.99=76656,sum=1.7560473e+07,"
      "count=2693\n");
  ASSERT_EQ(metrics.size(), 4u);
  EXPECT_EQ(metrics[0].name, "cpu_temp");
  EXPECT_EQ(metrics[0].kind, MetricKind::kGauge);
  EXPECT_EQ(metrics[1].name, "http_requests_total");
  EXPECT_EQ(metrics[1].kind, MetricKind::kSum);
  EXPECT_TRUE(metrics[1].is_monotonic);
  EXPECT_EQ(metrics[1].temporality, otlp::Temporality::kCumulative);
  EXPECT_EQ(metrics[1].points.size(), 2u);
  EXPECT_EQ(metrics[2].kind, MetricKind::kHistogram);
  const otlp::TreePoint& histogram = metrics[2].points.at(0);
  EXPECT_EQ(histogram.count, 144320u);
  EXPECT_EQ(histogram.optionals.sum, 53423);
  EXPECT_THAT(histogram.explicit_bounds, ElementsAre(0.05, 0.1, 0.2, 0.5, 1));
  EXPECT_THAT(histogram.bucket_counts, ElementsAre(24054, 9390, 66948, 28997, 4599, 10332));
  EXPECT_EQ(metrics[3].kind, MetricKind::kSummary);
  EXPECT_THAT(metrics[3].points.at(0).quantiles,
              ElementsAre(Pair(0.01, 3102), Pair(0.05, 3272), Pair(0.5, 4773), Pair(0.9, 9001),
                          Pair(0.99, 76656)));
}

TEST(InfluxPoints, Version2) {
  const auto metrics = MetricsOf(
      "prometheus,foo=bar cpu_temp=87.332\n"
      "prometheus,le=0.05 http_request_duration_seconds_bucket=24054\n"
      "prometheus,le=0.1  http_request_duration_seconds_bucket=33444\n"
      "prometheus,le=+Inf http_request_duration_seconds_bucket=144320\n"
      "prometheus         http_request_duration_seconds_count=144320,"
      "http_request_duration_seconds_sum=53423\n"
      "prometheus,quantile=0.01 rpc_duration_seconds=3102\n"
      "prometheus,quantile=0.99 rpc_duration_seconds=76656\n"
      "prometheus               "
      "rpc_duration_seconds_count=2693,rpc_duration_seconds_sum=1.7e+07\n");
  ASSERT_EQ(metrics.size(), 3u);
  EXPECT_EQ(metrics[0].name, "cpu_temp");
  EXPECT_EQ(metrics[0].kind, MetricKind::kGauge);
  EXPECT_THAT(metrics[0].points[0].attributes, ElementsAre(Pair("foo", "bar")));
  EXPECT_EQ(metrics[1].name, "http_request_duration_seconds");
  EXPECT_EQ(metrics[1].kind, MetricKind::kHistogram);
  ASSERT_EQ(metrics[1].points.size(), 1u);
  EXPECT_THAT(metrics[1].points[0].bucket_counts, ElementsAre(24054, 9390, 110876));
  EXPECT_THAT(metrics[1].points[0].attributes, IsEmpty());
  EXPECT_EQ(metrics[2].name, "rpc_duration_seconds");
  EXPECT_EQ(metrics[2].kind, MetricKind::kSummary);
  EXPECT_EQ(metrics[2].points[0].count, 2693u);
  EXPECT_THAT(metrics[2].points[0].quantiles, ElementsAre(Pair(0.01, 3102), Pair(0.99, 76656)));
}

TEST(InfluxPoints, WhatOnlyLooksLikeASchemaIsGauges) {
  std::vector<std::string> names;
  for (const auto& metric : MetricsOf("stage,metric_type=timing count=10,sum=100\n"
                                      "mem count=1\n"
                                      "disk count=1,sum=2,mean=3\n"
                                      "odd 5=1,7=9,count=2,sum=3")) {
    EXPECT_EQ(metric.kind, MetricKind::kGauge);
    names.push_back(metric.name);
  }
  EXPECT_THAT(names, ElementsAre("stage_count", "stage_sum", "mem_count", "disk_count", "disk_sum",
                                 "disk_mean", "odd_5", "odd_7", "odd_count", "odd_sum"));
}

TEST(InfluxPoints, DeltasAreTold) {
  const auto metrics = MetricsOf("hits,temporality=delta counter=3i");
  EXPECT_EQ(metrics[0].temporality, otlp::Temporality::kDelta);
  EXPECT_THAT(metrics[0].points[0].attributes, IsEmpty());
}

TEST(InfluxPoints, ContradictionsAreRefused) {
  EXPECT_EQ(ErrorOf("a gauge=1\na counter=1"), "value type conflict for metric 'a'");
  EXPECT_EQ(ErrorOf("prometheus,le=x a_bucket=1"), "the tag le is no number: \"x\"");
  EXPECT_EQ(ErrorOf("prometheus,le=1 a_bucket=5\nprometheus,le=2 a_bucket=3"),
            "the counts of metric 'a' contradict one another");
  EXPECT_EQ(ErrorOf("prometheus,le=1 a_bucket=-5"),
            "the counts of metric 'a' contradict one another");
  EXPECT_EQ(ErrorOf("prometheus,quantile=7 a=1"),
            "the counts of metric 'a' contradict one another");
}

TEST(InfluxPoints, MetricsOfOneRequestAreBounded) {
  std::string text;
  for (int i = 0; i < 100'001; ++i) text += "m" + std::to_string(i) + " f=1\n";
  EXPECT_THAT(ErrorOf(text), HasSubstr("more than 100000 metrics in one request"));
}

TEST(InfluxPoints, LargeNaturalsAreDoubles) {
  EXPECT_EQ(MetricsOf("a b=18446744073709551615u")[0].points[0].real, 18446744073709551615.0);
}

}  // namespace
}  // namespace narthex::receivers
