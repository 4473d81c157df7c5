#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "sdk/testing/count_allocations.h"
#include "sdk/testing/sdk_fixture.h"

namespace narthex::sdk {
namespace {

using testing::ElementsAre;

TEST_F(SdkTest, CounterSumsPerAttributeSetInAnyOrder) {
  auto counter = meter()->CreateUInt64Counter("c", "help", "{request}");
  counter->Add(1, {{"method", "GET"}, {"status", 200}});
  counter->Add(2, {{"status", 200}, {"method", "GET"}});
  counter->Add(5);
  counter->Bind({{"method", "GET"}, {"status", 200}}).Add(4);
  counter->Add(9, {{"status", "200"}, {"method", "GET"}});  // A string is another value.
  const MetricData* metric = Find("c");
  ASSERT_NE(metric, nullptr);
  EXPECT_EQ(metric->kind, DataKind::kSum);
  EXPECT_TRUE(metric->is_monotonic);
  EXPECT_EQ(metric->unit, "{request}");
  EXPECT_EQ(metric->description, "help");
  std::vector<int64_t> values;
  for (const NumberPoint& point : metric->numbers) values.push_back(point.int_value);
  EXPECT_THAT(values, ElementsAre(7, 5, 9));
}

TEST_F(SdkTest, RepeatedKeyTakesTheLastValue) {
  auto counter = meter()->CreateUInt64Counter("c");
  counter->Add(1, {{"k", "a"}, {"k", "b"}});
  counter->Add(1, {{"k", "b"}});
  EXPECT_EQ(Numbers("c"), (Values{{"k=b", 2}}));
}

TEST_F(SdkTest, ForbiddenValuesAreIgnored) {
  auto counter = meter()->CreateDoubleCounter("c");
  for (double value : {1.5, -1.0, std::nan(""), HUGE_VAL}) counter->Add(value);
  EXPECT_EQ(Numbers("c"), (Values{{"", 1.5}}));
  auto histogram = meter()->CreateDoubleHistogram("h");
  for (double value : {-1.0, std::nan(""), HUGE_VAL}) histogram->Record(value);
  EXPECT_EQ(Find("h"), nullptr);
}

TEST_F(SdkTest, UpDownCounterGoesBothWays) {
  auto in_flight = meter()->CreateInt64UpDownCounter("u");
  in_flight->Add(3);
  in_flight->Add(-2);
  EXPECT_EQ(Numbers("u"), (Values{{"", 1}}));
  EXPECT_FALSE(Find("u")->is_monotonic);
}

TEST_F(SdkTest, GaugeKeepsTheLastValue) {
  auto gauge = meter()->CreateDoubleGauge("g");
  gauge->Record(3.5, {{"k", true}});
  gauge->Record(-1, {{"k", true}});
  EXPECT_EQ(Numbers("g"), (Values{{"k=true", -1}}));
  EXPECT_EQ(Find("g")->kind, DataKind::kGauge);
}

TEST_F(SdkTest, HistogramBucketsIncludeTheirUpperBound) {
  auto histogram =
      meter()->CreateDoubleHistogram("h", "", "s", {.boundaries = std::vector{0.1, 1.0, 10.0}});
  for (double value : {0.0, 0.1, 0.10001, 1.0, 10.0, 11.0, 400.0}) histogram->Record(value);
  const MetricData* metric = Find("h");
  ASSERT_NE(metric, nullptr);
  ASSERT_EQ(metric->histograms.size(), 1u);
  const HistogramPoint& point = metric->histograms[0];
  EXPECT_THAT(metric->BucketCounts(point), ElementsAre(2, 2, 1, 2));
  EXPECT_EQ(point.count, 7u);
  EXPECT_DOUBLE_EQ(point.sum, 422.20001);
  EXPECT_EQ(point.min, 0);
  EXPECT_EQ(point.max, 400);
}

TEST_F(SdkTest, EveryNumberOfBoundsFindsTheSameBucketsAsACountDoes) {
  for (size_t n = 0; n <= 20; ++n) {
    std::vector<double> bounds;
    for (size_t i = 0; i < n; ++i) bounds.push_back(static_cast<double>(i));
    auto histogram = meter()->CreateDoubleHistogram("h" + std::to_string(n), "", "", {bounds});
    std::vector<uint64_t> want(n + 1);
    for (double value = 0; value <= 21; value += 0.5) {
      histogram->Record(value);
      ++want[static_cast<size_t>(
          std::ranges::count_if(bounds, [&](double bound) { return value > bound; }))];
    }
    const MetricData* metric = Find("h" + std::to_string(n));
    EXPECT_THAT(metric->BucketCounts(metric->histograms[0]), testing::ElementsAreArray(want));
  }
}

TEST_F(SdkTest, CumulativePointsKeepTheirStart) {
  auto counter = meter()->CreateUInt64Counter("c");
  counter->Add(1);
  clock_.AdvanceMs(500);
  EXPECT_EQ(Find("c")->numbers[0].start_ns, 1'000'000'000);
  EXPECT_EQ(Find("c")->numbers[0].time_ns, 1'500'000'000);
  clock_.AdvanceMs(500);
  EXPECT_EQ(Find("c")->numbers[0].start_ns, 1'000'000'000);
}

TEST_F(SdkTest, DeltaPointsAreContiguousAndEmptyIntervalsSilent) {
  Use({.clock = clock_, .readers = {{.temporality = TemporalityPreference::kDelta}}});
  auto counter = meter()->CreateUInt64Counter("c");
  auto histogram = meter()->CreateDoubleHistogram("h", "", "", {std::vector<double>{10}});
  auto in_flight = meter()->CreateInt64UpDownCounter("u");
  in_flight->Add(1);
  counter->Add(3);
  histogram->Record(7);
  clock_.AdvanceMs(100);
  EXPECT_EQ(Numbers("c"), (Values{{"", 3}}));
  counter->Add(4);
  histogram->Record(20);
  clock_.AdvanceMs(100);
  const MetricData* metric = Find("c");
  ASSERT_NE(metric, nullptr);
  EXPECT_EQ(metric->temporality, Temporality::kDelta);
  EXPECT_EQ(metric->numbers[0].int_value, 4);
  EXPECT_EQ(metric->numbers[0].start_ns, 1'100'000'000);
  EXPECT_EQ(metric->numbers[0].time_ns, 1'200'000'000);
  const MetricData& second = batch_.scopes[0].metrics[1];
  EXPECT_EQ(second.name, "h");
  EXPECT_EQ(second.histograms[0].min, 20);  // Of this interval only.
  EXPECT_EQ(second.histograms[0].count, 1u);
  EXPECT_EQ(Find("c"), nullptr);
  EXPECT_EQ(Numbers("u"), (Values{{"", 1}}));  // Stays cumulative.
}

TEST_F(SdkTest, SeriesBeyondTheLimitGoIntoOneOverflowSeries) {
  Use({.clock = clock_, .cardinality_limit = 4});
  auto counter = meter()->CreateUInt64Counter("c");
  for (int i = 0; i < 10; ++i) counter->Add(1, {{"i", i}, {"j", 0}});
  for (int i = 0; i < 10; ++i) counter->Add(1, {{"j", 0}, {"i", i}});
  EXPECT_EQ(
      Numbers("c"),
      (Values{{"i=0,j=0", 2}, {"i=1,j=0", 2}, {"i=2,j=0", 2}, {"otel.metric.overflow=true", 14}}));
}

TEST_F(SdkTest, ManySpellingsOfOneSeriesStayBounded) {
  Use({.clock = clock_, .cardinality_limit = 2});
  auto counter = meter()->CreateUInt64Counter("c");
  std::vector<Attribute> attributes = {{"a", 1}, {"b", 2}, {"c", 3}, {"d", 4}, {"e", 5}};
  do {
    counter->Add(1, attributes);
  } while (std::ranges::next_permutation(attributes, {}, &Attribute::key).found);
  EXPECT_EQ(Numbers("c"), (Values{{"a=1,b=2,c=3,d=4,e=5", 120}}));
}

TEST_F(SdkTest, ObservablesReportOnlyWhatTheirCallbackSaw) {
  bool second = true;
  auto gauge = meter()->CreateInt64ObservableGauge("g");
  gauge->AddCallback([&](ObserverResult<int64_t>& result) {
    result.Observe(1, {{"k", "a"}});
    if (second) result.Observe(2, {{"k", "b"}});
  });
  EXPECT_EQ(Numbers("g"), (Values{{"k=a", 1}, {"k=b", 2}}));
  second = false;
  EXPECT_EQ(Numbers("g"), (Values{{"k=a", 1}}));
  gauge->RemoveCallbacks();
  EXPECT_EQ(Numbers("g"), (Values{}));
}

TEST_F(SdkTest, ObservableCounterReportsTotals) {
  auto counter = meter()->CreateDoubleObservableCounter("c");
  double total = 1.5;
  counter->AddCallback([&](ObserverResult<double>& result) { result.Observe(total); });
  EXPECT_EQ(Numbers("c"), (Values{{"", 1.5}}));
  total = 4;
  EXPECT_EQ(Numbers("c"), (Values{{"", 4}}));
  EXPECT_TRUE(Find("c")->is_monotonic);
}

TEST_F(SdkTest, TheSameInstrumentTwiceIsOneWhateverItsCase) {
  meter()->CreateUInt64Counter("Requests", "d", "u")->Add(1);
  meter()->CreateUInt64Counter("requests", "d", "u")->Add(2);
  meter()->CreateUInt64Counter("requests", "other", "u")->Add(4);
  provider_->Collect(batch_);
  ASSERT_EQ(batch_.scopes.size(), 1u);
  ASSERT_EQ(batch_.scopes[0].metrics.size(), 2u);
  EXPECT_EQ(batch_.scopes[0].metrics[0].numbers[0].int_value, 3);
  EXPECT_EQ(batch_.scopes[0].metrics[1].numbers[0].int_value, 4);
  EXPECT_EQ(batch_.scopes[0].metrics[1].name, "Requests");
}

TEST_F(SdkTest, ForbiddenNamesReportNothing) {
  for (const std::string& name :
       {std::string(), std::string("1x"), std::string("a b"), std::string(256, 'a')}) {
    meter()->CreateUInt64Counter(name)->Add(1);
  }
  meter()->CreateUInt64Counter(std::string(255, 'a'))->Add(1);
  provider_->Collect(batch_);
  EXPECT_EQ(batch_.point_count(), 1u);
}

TEST_F(SdkTest, ScopesStayApart) {
  provider_->GetMeter("a", "1")->CreateUInt64Counter("c")->Add(1);
  provider_->GetMeter("a", "2", "url")->CreateUInt64Counter("c")->Add(1);
  EXPECT_EQ(provider_->GetMeter("a", "1"), provider_->GetMeter("a", "1"));
  provider_->Collect(batch_);
  ASSERT_EQ(batch_.scopes.size(), 2u);
  EXPECT_EQ(batch_.scopes[1].version, "2");
  EXPECT_EQ(batch_.scopes[1].schema_url, "url");
}

TEST_F(SdkTest, HandlesOutliveTheProvider) {
  auto counter = meter()->CreateUInt64Counter("c");
  auto bound = counter->Bind({{"k", "v"}});
  auto gauge = meter()->CreateInt64ObservableGauge("g");
  provider_.reset();
  counter->Add(1, {{"k", "new"}});
  bound.Add(1);
}

TEST_F(SdkTest, HotPathDoesNotAllocate) {
  auto counter = meter()->CreateUInt64Counter("c");
  auto histogram = meter()->CreateDoubleHistogram("h");
  const std::string endpoint = "/api/users/and/a/rather/long/path";
  const auto measure = [&] {
    counter->Add(1, {{"method", "GET"}, {"endpoint", endpoint}, {"status", 200}});
    histogram->Record(3, {{"method", "GET"}, {"endpoint", endpoint}});
  };
  measure();
  auto bound = counter->Bind({{"k", "v"}});
  bound.Add(1);
  const size_t before = AllocationCount();
  for (int i = 0; i < 100; ++i) {
    measure();
    bound.Add(1);
  }
  EXPECT_EQ(AllocationCount(), before);
}

TEST_F(SdkTest, NothingIsLostBetweenThreads) {
  constexpr int kThreads = 20, kRounds = 5000;  // More threads than shards.
  auto counter = meter()->CreateUInt64Counter("c");
  auto sum = meter()->CreateDoubleCounter("d");
  auto histogram = meter()->CreateUInt64Histogram("h");
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      auto bound = histogram->Bind({{"k", "v"}});
      for (int i = 0; i < kRounds; ++i) {
        counter->Add(1, {{"t", i % 7}});
        sum->Add(0.5);
        bound.Record(static_cast<uint64_t>(t));
      }
    });
  }
  for (int i = 0; i < 10; ++i) provider_->Collect(batch_);
  for (std::thread& thread : threads) thread.join();
  double total = 0;
  for (const auto& [attributes, value] : Numbers("c")) total += value;
  EXPECT_EQ(total, kThreads * kRounds);
  EXPECT_EQ(Numbers("d"), (Values{{"", kThreads * kRounds / 2.0}}));
  const HistogramPoint point = Find("h")->histograms[0];
  EXPECT_EQ(point.count, static_cast<uint64_t>(kThreads * kRounds));
  EXPECT_EQ(point.sum, kRounds * (kThreads - 1) * kThreads / 2.0);
  EXPECT_EQ(point.max, kThreads - 1);
}

TEST_F(SdkTest, DeltaHistogramLosesNothingBetweenThreads) {
  Use({.clock = clock_, .readers = {{.temporality = TemporalityPreference::kDelta}}});
  auto histogram = meter()->CreateDoubleHistogram("h");
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 20000; ++i) histogram->Record(1);
    done = true;
  });
  uint64_t count = 0;
  const auto take = [&] {
    if (const MetricData* metric = Find("h")) {
      EXPECT_EQ(metric->histograms[0].min, 1);
      count += metric->histograms[0].count;
    }
  };
  while (!done) take();
  writer.join();
  take();
  EXPECT_EQ(count, 20000u);
}

TEST(Resource, DefaultsGiveWayToWhatIsGiven) {
  const Resource resource = Resource::Create({{"service.name", "api"}, {"zone", 3}});
  EXPECT_EQ(resource.attributes().Find("service.name")->AsString(), "api");
  EXPECT_EQ(resource.attributes().Find("telemetry.sdk.language")->AsString(), "cpp");
  EXPECT_EQ(
      resource.Merge(Resource(AttributeSet({{"zone", 4}}))).attributes().Find("zone")->AsInt(), 4);
  EXPECT_EQ(Resource::Create().attributes().Find("service.name")->AsString(), "unknown_service");
}

TEST(Resource, EnvironmentTextIsPercentDecoded) {
  const auto attributes = ParseResourceAttributes(" a = b%20c , d=, ,e=f=g");
  ASSERT_TRUE(attributes.has_value());
  EXPECT_EQ(Text(*attributes), "a=b c,d=,e=f=g");
  for (const char* text : {"a", "=b", "a=%2", "a=%zz"}) {
    EXPECT_FALSE(ParseResourceAttributes(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace narthex::sdk
