#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "sdk/testing/count_allocations.h"
#include "sdk/testing/sdk_fixture.h"

namespace narthex::sdk {
namespace {

using testing::ElementsAre;

class ViewTest : public SdkTest {
 protected:
  void UseViews(std::vector<View> views) { Use({.clock = clock_, .views = std::move(views)}); }
};

TEST(Wildcard, StarsAndQuestionMarksInAnyCase) {
  EXPECT_TRUE(MatchesWildcard("*", ""));
  EXPECT_TRUE(MatchesWildcard("http.*", "HTTP.requests"));
  EXPECT_TRUE(MatchesWildcard("*.re?uests", "a.b.requests"));
  EXPECT_TRUE(MatchesWildcard("a*b*c", "aXbbYc"));
  EXPECT_FALSE(MatchesWildcard("a*b*c", "aXbbY"));
  EXPECT_FALSE(MatchesWildcard("?", ""));
  EXPECT_FALSE(MatchesWildcard("", "a"));
  EXPECT_FALSE(MatchesWildcard(std::string(200, '*') + "b", std::string(10'000, 'a')));
}

TEST_F(ViewTest, RenamesAndDescribesWhatItSelects) {
  UseViews({{.selector = {.name = "http.*", .unit = "s"}, .name = "web", .description = "told"}});
  meter()->CreateDoubleCounter("http.time", "own", "s")->Add(1);
  meter()->CreateDoubleCounter("http.size", "own", "By")->Add(2);
  EXPECT_EQ(Numbers("web"), (Values{{"", 1}}));
  EXPECT_EQ(Find("web")->description, "told");
  EXPECT_EQ(Find("http.time"), nullptr);
  EXPECT_EQ(Find("http.size")->description, "own");
}

TEST_F(ViewTest, SelectsByKindAndMeter) {
  UseViews({{.selector = {.kind = InstrumentKind::kGauge, .meter_name = "test"},
             .aggregation = Aggregation::kDrop}});
  auto dropped = meter()->CreateInt64Gauge("g");
  dropped->Record(1);
  EXPECT_FALSE(dropped->Enabled());
  auto other = provider_->GetMeter("other")->CreateInt64Gauge("g");
  EXPECT_TRUE(other->Enabled());
  other->Record(2);
  meter()->CreateUInt64Counter("c")->Add(3);
  EXPECT_EQ(Numbers("g"), (Values{{"", 2}}));
  EXPECT_EQ(Numbers("c"), (Values{{"", 3}}));
}

TEST_F(ViewTest, EveryMatchingViewMakesAStream) {
  UseViews({{.selector = {.name = "c"}, .name = "by.method", .attributes = {.only = {{"method"}}}},
            {.selector = {.name = "c"}, .name = "total", .attributes = {.only = {{}}}}});
  auto counter = meter()->CreateUInt64Counter("c");
  counter->Add(1, {{"method", "GET"}, {"path", "/a"}});
  counter->Add(2, {{"method", "GET"}, {"path", "/b"}});
  counter->Bind({{"method", "PUT"}, {"path", "/b"}}).Add(4);
  EXPECT_EQ(Numbers("by.method"), (Values{{"method=GET", 3}, {"method=PUT", 4}}));
  EXPECT_EQ(Numbers("total"), (Values{{"", 7}}));
}

TEST_F(ViewTest, AttributesAreTakenAwayBeforeTheLimitCounts) {
  UseViews({{.attributes = {.without = {"id"}}, .cardinality_limit = 3}});
  auto counter = meter()->CreateUInt64Counter("c");
  for (int i = 0; i < 12; ++i) counter->Add(1, {{"id", i}, {"k", i % 2}});
  EXPECT_EQ(Numbers("c"), (Values{{"k=0", 6}, {"k=1", 6}}));
  for (int i = 2; i < 12; ++i) counter->Add(1, {{"k", i}});
  EXPECT_EQ(Numbers("c")["otel.metric.overflow=true"], 10);
}

TEST_F(ViewTest, FilteredMeasurementsDoNotAllocateEither) {
  UseViews({{.attributes = {.only = {{"method"}}}}});
  auto counter = meter()->CreateUInt64Counter("c");
  const auto measure = [&] { counter->Add(1, {{"method", "GET"}, {"path", "/a"}}); };
  measure();
  const size_t before = AllocationCount();
  for (int i = 0; i < 100; ++i) measure();
  EXPECT_EQ(AllocationCount(), before);
}

TEST_F(ViewTest, AggregationsCanBeExchanged) {
  UseViews({{.selector = {.name = "a"},
             .aggregation = Aggregation::kExplicitBucketHistogram,
             .boundaries = std::vector<double>{2, 4},
             .record_min_max = false},
            {.selector = {.name = "b"}, .aggregation = Aggregation::kSum},
            {.selector = {.name = "c"}, .aggregation = Aggregation::kLastValue},
            {.selector = {.name = "d"},
             .aggregation = Aggregation::kExplicitBucketHistogram,
             .boundaries = std::vector<double>{2}}});
  auto a = meter()->CreateInt64UpDownCounter("a");
  for (int value : {1, 3, 5, 7}) a->Add(value);
  auto b = meter()->CreateDoubleHistogram("b");
  for (double value : {0.5, 1.0}) b->Record(value);
  auto c = meter()->CreateUInt64Counter("c");
  for (uint64_t value : {4u, 3u}) c->Add(value);
  auto d = meter()->CreateInt64ObservableGauge("d");
  d->AddCallback([](ObserverResult<int64_t>& result) {
    result.Observe(1);
    result.Observe(3);
  });
  const MetricData* histogram = Find("a");
  EXPECT_THAT(histogram->BucketCounts(histogram->histograms[0]), ElementsAre(1, 1, 2));
  EXPECT_FALSE(histogram->has_min_max);
  EXPECT_EQ(Numbers("b"), (Values{{"", 1.5}}));
  EXPECT_EQ(Find("b")->kind, DataKind::kSum);
  EXPECT_EQ(Numbers("c"), (Values{{"", 3}}));
  EXPECT_EQ(Find("c")->kind, DataKind::kGauge);
  const MetricData* observed = Find("d");
  EXPECT_EQ(observed->histograms[0].count % 2, 0u);  // Two of each collection.
}

TEST_F(ViewTest, ObservationsThatBecomeOneSeriesAddUp) {
  UseViews({{.attributes = {.only = {{}}}}});
  auto counter = meter()->CreateInt64ObservableCounter("c");
  auto gauge = meter()->CreateInt64ObservableGauge("g");
  const auto observe = [](ObserverResult<int64_t>& result) {
    result.Observe(2, {{"k", "a"}});
    result.Observe(3, {{"k", "b"}});
  };
  counter->AddCallback(observe);
  gauge->AddCallback(observe);
  EXPECT_EQ(Numbers("c"), (Values{{"", 5}}));
  EXPECT_EQ(Numbers("c"), (Values{{"", 5}}));
  EXPECT_EQ(Numbers("g"), (Values{{"", 3}}));
}

TEST_F(SdkTest, EachReaderHasItsOwnIntervals) {
  Use({.clock = clock_,
       .readers = {{.temporality = TemporalityPreference::kDelta},
                   {.temporality = TemporalityPreference::kCumulative},
                   {.temporality = TemporalityPreference::kDelta}}});
  auto counter = meter()->CreateUInt64Counter("c");
  auto gauge = meter()->CreateInt64ObservableGauge("g");
  int calls = 0;
  gauge->AddCallback([&](ObserverResult<int64_t>& result) {
    ++calls;
    result.Observe(1);
  });
  const auto read = [&](size_t reader) -> int64_t {
    provider_->Collect(reader, batch_);
    for (const MetricData& metric : batch_.scopes[0].metrics) {
      if (metric.name == "c") return metric.numbers[0].int_value;
    }
    return 0;
  };
  counter->Add(1);
  EXPECT_EQ(read(0), 1);
  counter->Add(2);
  EXPECT_EQ(read(0), 2);
  EXPECT_EQ(read(1), 3);
  EXPECT_EQ(read(2), 3);
  EXPECT_EQ(read(2), 0);
  EXPECT_EQ(calls, 5);
}

const SpanContext kSampled{.trace_id = {1, 2}, .span_id = {3}, .is_sampled = true};

TEST_F(SdkTest, MeasurementsInsideASampledSpanBecomeExemplars) {
  auto histogram = meter()->CreateDoubleHistogram("h", "", "", {std::vector<double>{1, 2}});
  auto bound = histogram->Bind({{"k", "v"}});
  histogram->Record(0.5, {{"k", "v"}});
  {
    const SpanScope outer(kSampled);
    histogram->Record(0.75, {{"k", "v"}});
    histogram->Record(0.25, {{"k", "v"}});  // Same bucket: the newest stays.
    {
      const SpanScope unsampled(SpanContext{.trace_id = {9}});
      bound.Record(5);
    }
    bound.Record(1.5);
  }
  bound.Record(1.25);
  const MetricData* metric = Find("h");
  const auto exemplars = metric->Exemplars(metric->histograms[0].exemplars);
  ASSERT_EQ(exemplars.size(), 2u);
  EXPECT_EQ(exemplars[0].value, 0.25);
  EXPECT_EQ(exemplars[1].value, 1.5);
  EXPECT_EQ(exemplars[1].span.trace_id, kSampled.trace_id);
  EXPECT_EQ(exemplars[1].time_ns, 1'000'000'000);
  EXPECT_EQ(metric->histograms[0].count, 6u);
  metric = Find("h");
  EXPECT_EQ(metric->histograms[0].exemplars.count, 0u);  // Those of the last interval only.
}

TEST_F(SdkTest, ExemplarsKeepTheAttributesThatAViewDropped) {
  Use({.clock = clock_,
       .views = {{.attributes = {.without = {"user"}}}},
       .exemplars = ExemplarFilter::kAlwaysOn});
  auto counter = meter()->CreateUInt64Counter("c");
  counter->Add(7, {{"user", "ada"}, {"k", "v"}});
  const MetricData* metric = Find("c");
  const auto exemplars = metric->Exemplars(metric->numbers[0].exemplars);
  ASSERT_EQ(exemplars.size(), 1u);
  EXPECT_EQ(exemplars[0].value, 7);
  EXPECT_FALSE(exemplars[0].has_span);
  EXPECT_EQ(Text(exemplars[0].filtered_attributes.items()), "user=ada");
  EXPECT_EQ(Text(*metric->numbers[0].attributes), "k=v");
  counter->Bind({{"user", "bob"}, {"k", "v"}}).Add(1);
  metric = Find("c");
  EXPECT_EQ(Text(metric->exemplars[0].filtered_attributes.items()), "user=bob");
}

TEST_F(SdkTest, ExemplarsCanBeSwitchedOff) {
  Use({.clock = clock_, .exemplars = ExemplarFilter::kAlwaysOff});
  auto gauge = meter()->CreateDoubleGauge("g");
  const SpanScope span(kSampled);
  gauge->Record(1);
  EXPECT_TRUE(Find("g")->exemplars.empty());
}

TEST_F(SdkTest, ManyMeasurementsLeaveAsManyExemplarsAsThereIsRoomFor) {
  Use({.clock = clock_,
       .readers = {{.histogram_aggregation = Aggregation::kBase2ExponentialHistogram}},
       .exemplars = ExemplarFilter::kAlwaysOn});
  auto histogram = meter()->CreateUInt64Histogram("h");
  for (uint64_t i = 0; i < 1000; ++i) histogram->Record(i);
  const MetricData* metric = Find("h");
  EXPECT_EQ(metric->exponentials[0].exemplars.count, 20u);
  EXPECT_EQ(metric->exponentials[0].count, 1000u);
}

TEST_F(SdkTest, ScopeAttributesTellMetersApart) {
  const std::vector<Attribute> attributes = {{"shard", 1}};
  auto sharded = provider_->GetMeter("m", "1", "", attributes);
  EXPECT_NE(sharded, provider_->GetMeter("m", "1"));
  EXPECT_EQ(sharded, provider_->GetMeter("m", "1", "", attributes));
  sharded->CreateUInt64Counter("c")->Add(1);
  provider_->Collect(batch_);
  EXPECT_EQ(Text(*batch_.scopes[0].attributes), "shard=1");
}

}  // namespace
}  // namespace narthex::sdk
