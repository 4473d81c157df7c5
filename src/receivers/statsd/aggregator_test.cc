#include "receivers/statsd/aggregator.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

namespace narthex::receivers {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class StatsdTest : public testing::Test {
 protected:
  void Send(std::string_view line) {
    const base::Status status = aggregator().Add(line);
    EXPECT_TRUE(status.has_value()) << line << ": " << status.error().message;
  }
  std::string ErrorOf(std::string_view line) {
    const base::Status status = aggregator().Add(line);
    return status.has_value() ? "" : status.error().message;
  }
  StatsdAggregator& aggregator() {
    if (!aggregator_.has_value()) aggregator_.emplace(rules_, 1'000);
    return *aggregator_;
  }
  std::deque<otlp::TreeMetric> Take() {
    tree_ = aggregator().Take(1'000, 2'000);
    return tree_.resources[0].scopes[0].metrics;
  }

  StatsdRules rules_;
  std::optional<StatsdAggregator> aggregator_;
  otlp::Tree tree_;
};

TEST_F(StatsdTest, CountersAddUp) {
  Send("hits:1|c");
  Send("hits:2|c|@0.1");
  Send("hits:5|c|#host:a");
  Send("hits:-1|c");
  Send("hits:1:1|c|c:container|T1700000000");
  const auto metrics = Take();
  ASSERT_EQ(metrics.size(), 1u);
  EXPECT_EQ(metrics[0].kind, otlp::MetricKind::kSum);
  EXPECT_EQ(metrics[0].temporality, otlp::Temporality::kDelta);
  EXPECT_FALSE(metrics[0].is_monotonic);
  ASSERT_EQ(metrics[0].points.size(), 2u);
  EXPECT_EQ(metrics[0].points[0].whole, 22);
  EXPECT_EQ(metrics[0].points[0].start_ns, 1'000u);
  EXPECT_EQ(metrics[0].points[0].time_ns, 2'000u);
  EXPECT_EQ(metrics[0].points[1].whole, 5);
  EXPECT_THAT(metrics[0].points[1].attributes, ElementsAre(Pair("host", otlp::Any("a"))));
  EXPECT_TRUE(Take().empty());
}

TEST_F(StatsdTest, GaugesAreSetAndChanged) {
  Send("depth:10|g");
  Send("depth:+2.5|g");
  Send("depth:-1|g");
  EXPECT_EQ(Take()[0].points[0].real, 11.5);
  Send("depth:+1|g");  // From where the last interval left it.
  EXPECT_EQ(Take()[0].points[0].real, 12.5);
  EXPECT_TRUE(Take().empty());
}

TEST_F(StatsdTest, SetsCountDifferentMembers) {
  for (const char* user : {"ann", "bob", "ann"}) Send(fmt::format("users:{}|s", user));
  const auto metrics = Take();
  EXPECT_EQ(metrics[0].kind, otlp::MetricKind::kGauge);
  EXPECT_EQ(metrics[0].points[0].whole, 2);
}

TEST_F(StatsdTest, TimingsAreGaugesUnlessMapped) {
  rules_.metric_type = true;
  Send("wait:3.5|ms");
  Send("wait:4|ms");
  const auto metrics = Take();
  EXPECT_EQ(metrics[0].unit, "ms");
  ASSERT_EQ(metrics[0].points.size(), 2u);
  EXPECT_EQ(metrics[0].points[1].real, 4);
  EXPECT_THAT(metrics[0].points[0].attributes,
              ElementsAre(Pair("metric_type", otlp::Any("timing"))));
}

TEST_F(StatsdTest, Summaries) {
  rules_.timing = {.kind = StatsdObserver::Kind::kSummary, .percentiles = {0, 50, 100}};
  for (int i = 10; i >= 1; --i) Send(fmt::format("wait:{}|ms", i));
  Send("wait:10|ms|@0.1");
  const auto metrics = Take();
  EXPECT_EQ(metrics[0].kind, otlp::MetricKind::kSummary);
  const otlp::TreePoint& point = metrics[0].points[0];
  EXPECT_EQ(point.count, 20u);
  EXPECT_EQ(point.optionals.sum, 155);
  EXPECT_THAT(point.quantiles, ElementsAre(Pair(0, 1), Pair(0.5, 10), Pair(1, 10)));
}

TEST_F(StatsdTest, HistogramsWithBounds) {
  rules_.histogram.kind = StatsdObserver::Kind::kHistogram;
  rules_.histogram.explicit_bounds.push_back(
      {std::make_shared<const re2::RE2>("^size"), {1, 10, 100}});
  for (const char* value : {"1", "5", "10", "11", "1000"}) Send(fmt::format("size:{}|h", value));
  Send("other:1|h");
  const auto metrics = Take();
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[0].name, "other");
  EXPECT_EQ(metrics[0].kind, otlp::MetricKind::kExponentialHistogram);
  EXPECT_EQ(metrics[1].kind, otlp::MetricKind::kHistogram);
  EXPECT_THAT(metrics[1].points[0].bucket_counts, ElementsAre(1, 2, 1, 1));
  EXPECT_EQ(metrics[1].points[0].optionals.max, 1000);
}

TEST_F(StatsdTest, DisabledKindsAreDropped) {
  rules_.distribution.kind = StatsdObserver::Kind::kDisabled;
  Send("size:1|d");
  EXPECT_TRUE(Take().empty());
}

TEST_F(StatsdTest, NonsenseIsRefused) {
  EXPECT_THAT(ErrorOf(":1|c"), HasSubstr("has no name"));
  EXPECT_THAT(ErrorOf("a:1"), HasSubstr("unsupported metric type: \"\""));
  EXPECT_THAT(ErrorOf("a:1|x"), HasSubstr("unsupported metric type: \"x\""));
  EXPECT_THAT(ErrorOf("a:|c"), HasSubstr("is not a value"));
  EXPECT_THAT(ErrorOf("a:1x|c"), HasSubstr("\"1x\" is not a value"));
  EXPECT_THAT(ErrorOf("a:nan|g"), HasSubstr("is not a value"));
  EXPECT_THAT(ErrorOf("a:1|c|@0"), HasSubstr("is not a sample rate"));
  EXPECT_THAT(ErrorOf("a:1|c|@2"), HasSubstr("is not a sample rate"));
  EXPECT_THAT(ErrorOf("a:1|c|#bare"), HasSubstr("invalid tag format"));
  EXPECT_THAT(ErrorOf("a:1|c|what"), HasSubstr("unrecognized message part"));
  EXPECT_TRUE(Take().empty());
}

TEST_F(StatsdTest, SimpleTagsWhereAllowed) {
  rules_.simple_tags = true;
  Send("a:1|c|#bare,k:v");
  EXPECT_THAT(Take()[0].points[0].attributes,
              ElementsAre(Pair("bare", otlp::Any("")), Pair("k", otlp::Any("v"))));
}

TEST_F(StatsdTest, TheNumberOfSeriesIsBounded) {
  for (int i = 0; i < 1'000; ++i) Send(fmt::format("a:1|c|#k:{}", i));
  EXPECT_THAT(ErrorOf("a:1|c|#k:more"), HasSubstr("too many series"));
  Send("a:1|c|#k:7");
}

}  // namespace
}  // namespace narthex::receivers
