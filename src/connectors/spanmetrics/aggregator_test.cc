#include "connectors/spanmetrics/aggregator.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "otlp/decode.h"
#include "otlp/exemplar.h"
#include "otlp/tree.h"
#include "pipeline/testing/test_host.h"

namespace narthex::connectors {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr uint64_t kStart = 1'700'000'000'000'000'000;

struct SpanText {
  std::string name = "GET /";
  int kind = 2;
  int status = 0;
  double ms = 5;
  std::string attributes;  // JSON objects.
  std::string events;
  std::string trace_state;
};

std::string Text(const SpanText& span) {
  return fmt::format(
      R"({{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174",)"
      R"("name":"{}","kind":{},"status":{{"code":{}}},"startTimeUnixNano":{},"endTimeUnixNano":{},)"
      R"("traceState":"{}","attributes":[{}],"events":[{}]}})",
      span.name, span.kind, span.status, kStart,
      kStart + static_cast<uint64_t>(static_cast<int64_t>(span.ms * 1e6)), span.trace_state,
      span.attributes, span.events);
}

std::string Attribute(std::string_view key, std::string_view value) {
  return fmt::format(R"({{"key":"{}","value":{{"stringValue":"{}"}}}})", key, value);
}

class SpanAggregatorTest : public testing::Test {
 protected:
  void Configure(std::string_view yaml, SpanAggregator::Options options = {}) {
    const config::Node node = *config::ParseYaml(yaml, "test.yaml");
    config::Diagnostics diagnostics("test.yaml");
    const pipeline::ComponentId id{"spanmetrics", ""};
    config_ = SpanMetricsConfig::Read({id, node, diagnostics, host_.host()});
    const base::Status status = diagnostics.ToStatus();
    EXPECT_TRUE(status.has_value()) << status.error().message;
    aggregator_.emplace(config_, options);
  }
  SpanAggregator::Outcome Add(const std::vector<SpanText>& spans, std::string resource = "",
                              std::string scope = "{}") {
    if (!aggregator_.has_value()) Configure("");
    if (resource.empty()) resource = Attribute("service.name", "shop");
    std::string texts;
    for (const SpanText& span : spans) texts += (texts.empty() ? "" : ",") + Text(span);
    const auto traces = otlp::DecodeTracesJson(
        fmt::format(R"({{"resourceSpans":[{{"resource":{{"attributes":[{}]}},)"
                    R"("scopeSpans":[{{"scope":{},"spans":[{}]}}]}}]}})",
                    resource, scope, texts));
    EXPECT_TRUE(traces.has_value()) << traces.error().message;
    return aggregator_->Add(*traces, now_);
  }
  otlp::Tree Flush() {
    otlp::Batch all;
    for (std::string& request : aggregator_->Flush(now_)) {
      all.Append(*otlp::DecodeMetrics(std::move(request)));
    }
    return otlp::Tree::From(all);
  }
  // Of the only resource.
  std::deque<otlp::TreeMetric> FlushMetrics() {
    otlp::Tree tree = Flush();
    if (tree.resources.empty()) return {};
    EXPECT_EQ(tree.resources.size(), 1u);
    return std::move(tree.resources[0].scopes.at(0).metrics);
  }
  // The values of the metric's points by that attribute.
  std::map<std::string, int64_t> CallsBy(std::string_view attribute, size_t metric = 0) {
    std::map<std::string, int64_t> calls;
    const auto metrics = FlushMetrics();
    for (const otlp::TreePoint& point : metrics.at(metric).points) {
      const otlp::Any* value = otlp::Find(point.attributes, attribute);
      calls[value != nullptr ? otlp::Text(*value) : "none"] += point.whole;
    }
    return calls;
  }
  void Wait(int64_t seconds) {
    now_.monotonic_ns += seconds * 1'000'000'000;
    now_.wall_ns += static_cast<uint64_t>(seconds) * 1'000'000'000;
  }

  pipeline::TestHost host_;
  SpanMetricsConfig config_;
  std::optional<SpanAggregator> aggregator_;
  SpanTime now_{.wall_ns = kStart, .monotonic_ns = 0};
};

TEST_F(SpanAggregatorTest, CallsAndDurationsUnderUpstreamsNames) {
  Add({{.ms = 5}, {.ms = 2}, {.ms = 20'000}});
  Wait(60);
  otlp::Tree tree = Flush();
  EXPECT_THAT(tree.resources.at(0).attributes, ElementsAre(Pair("service.name", "shop")));
  EXPECT_EQ(tree.resources[0].scopes.at(0).name, "spanmetricsconnector");
  const auto& metrics = tree.resources[0].scopes[0].metrics;
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[0].name, "traces.span.metrics.calls");
  EXPECT_EQ(metrics[0].kind, otlp::MetricKind::kSum);
  EXPECT_TRUE(metrics[0].is_monotonic);
  EXPECT_EQ(metrics[0].temporality, otlp::Temporality::kCumulative);
  const otlp::TreePoint& calls = metrics[0].points.at(0);
  EXPECT_EQ(calls.whole, 3);
  EXPECT_EQ(calls.start_ns, kStart);
  EXPECT_EQ(calls.time_ns, kStart + 60'000'000'000);
  EXPECT_THAT(
      calls.attributes,
      ElementsAre(Pair("service.name", "shop"), Pair("span.name", "GET /"),
                  Pair("span.kind", "SPAN_KIND_SERVER"), Pair("status.code", "STATUS_CODE_UNSET")));
  EXPECT_EQ(metrics[1].name, "traces.span.metrics.duration");
  EXPECT_EQ(metrics[1].unit, "ms");
  const otlp::TreePoint& duration = metrics[1].points.at(0);
  EXPECT_EQ(duration.attributes, calls.attributes);
  EXPECT_EQ(duration.count, 3u);
  EXPECT_EQ(duration.optionals.sum, 20'007);
  EXPECT_THAT(duration.explicit_bounds, ElementsAre(2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000,
                                                    1400, 2000, 5000, 10000, 15000));
  EXPECT_THAT(duration.bucket_counts,
              ElementsAre(1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
}

TEST_F(SpanAggregatorTest, AGlobStandsForAllAttributesThatFit) {
  Configure("{dimensions: [{glob: 'k8s.*'}, {glob: 's*'}, {name: route, default: none}]}");
  const std::string resource = Attribute("service.name", "shop") + "," +
                               Attribute("k8s.pod", "p1") + "," + Attribute("k8s.node", "n");
  Add({{.attributes = Attribute("k8s.pod", "p2") + "," + Attribute("size", "5")},
       {.attributes = Attribute("size", "5") + "," + Attribute("k8s.pod", "p2")},
       {.attributes = Attribute("other", "x")}},
      resource);
  const auto metrics = FlushMetrics();
  std::map<std::string, int64_t> calls;
  for (const otlp::TreePoint& point : metrics.at(0).points) {
    std::string text;
    for (const char* const name : {"k8s.pod", "k8s.node", "size", "route", "other"}) {
      const otlp::Any* const value = otlp::Find(point.attributes, name);
      text += (value != nullptr ? otlp::Text(*value) : "-") + " ";
    }
    // Each name once: what every point has does not come again.
    const auto is_service = [](const auto& pair) { return pair.first == "service.name"; };
    EXPECT_EQ(std::ranges::count_if(point.attributes, is_service), 1);
    calls[text] = point.whole;
  }
  EXPECT_THAT(calls, UnorderedElementsAre(Pair("p2 n 5 none - ", 2), Pair("p1 n - none - ", 1)));
}

TEST_F(SpanAggregatorTest, AGlobOfEventsLooksAtTheirs) {
  Configure("{events: {enabled: true, dimensions: [{glob: 'exception.*'}]}}");
  const auto event = [](std::string_view type) {
    return fmt::format(R"({{"name":"e","attributes":[{}]}})", Attribute("exception.type", type));
  };
  Add({{.events = event("a") + "," + event("b")}, {.events = event("a")}});
  EXPECT_THAT(CallsBy("exception.type", 2), UnorderedElementsAre(Pair("a", 2), Pair("b", 1)));
}

TEST_F(SpanAggregatorTest, SeriesAreToldApartByNameKindAndStatus) {
  Add({{}, {.name = "POST /"}, {.kind = 3}, {.status = 2}, {.kind = 77}, {.kind = 78}});
  const auto metrics = FlushMetrics();
  std::map<std::string, int64_t> calls;
  for (const otlp::TreePoint& point : metrics[0].points) {
    std::string key;
    for (const auto& [name, value] : point.attributes) key += otlp::Text(value) + "|";
    calls[key] = point.whole;
  }
  EXPECT_THAT(calls,
              UnorderedElementsAre(Pair("shop|GET /|SPAN_KIND_SERVER|STATUS_CODE_UNSET|", 1),
                                   Pair("shop|POST /|SPAN_KIND_SERVER|STATUS_CODE_UNSET|", 1),
                                   Pair("shop|GET /|SPAN_KIND_CLIENT|STATUS_CODE_UNSET|", 1),
                                   Pair("shop|GET /|SPAN_KIND_SERVER|STATUS_CODE_ERROR|", 1),
                                   Pair("shop|GET /||STATUS_CODE_UNSET|", 2)));
}

TEST_F(SpanAggregatorTest, DimensionsComeFromSpanOrResourceOrTheirDefault) {
  Configure("dimensions: [{name: region}, {name: method, default: GET}]");
  const std::string resource =
      Attribute("service.name", "shop") + "," + Attribute("region", "north");
  Add({{.attributes = Attribute("region", "south")},
       {.attributes = Attribute("method", "GET")},
       {},
       {.attributes = Attribute("method", "PUT")}},
      resource);
  std::map<std::string, int64_t> calls;
  const auto metrics = FlushMetrics();
  for (const otlp::TreePoint& point : metrics.at(0).points) {
    calls[otlp::Text(*otlp::Find(point.attributes, "region")) + " " +
          otlp::Text(*otlp::Find(point.attributes, "method"))] += point.whole;
  }
  EXPECT_THAT(calls, UnorderedElementsAre(Pair("south GET", 1), Pair("north GET", 2),
                                          Pair("north PUT", 1)));
}

TEST_F(SpanAggregatorTest, ValuesThatReadTheSameAreOneSeries) {
  Configure("dimensions: [{name: code}]");
  Add({{.attributes = R"({"key":"code","value":{"intValue":200}})"},
       {.attributes = Attribute("code", "200")},
       {.attributes = Attribute("code", "")},
       {}});
  const auto metrics = FlushMetrics();
  ASSERT_EQ(metrics[0].points.size(), 3u);
  for (const otlp::TreePoint& point : metrics[0].points) {
    const otlp::Any* code = otlp::Find(point.attributes, "code");
    if (point.whole == 2) {
      EXPECT_EQ(*code, otlp::Any(int64_t{200}));
    }
  }
}

TEST_F(SpanAggregatorTest, CallsAndDurationsMayDiffer) {
  Configure(
      "dimensions: [{name: a}]\n"
      "calls_dimensions: [{name: b}]\n"
      "histogram: {dimensions: [{name: c}], unit: s, explicit: {buckets: [10ms, 1s]}}");
  const auto attributes = [](int i) {
    return Attribute("a", "1") + "," + Attribute("b", std::to_string(i % 2)) + "," +
           Attribute("c", std::to_string(i % 3));
  };
  for (int i = 0; i < 6; ++i) Add({{.ms = 500, .attributes = attributes(i)}});
  const auto metrics = FlushMetrics();
  EXPECT_EQ(metrics[0].points.size(), 2u);
  EXPECT_EQ(metrics[1].points.size(), 3u);
  EXPECT_EQ(metrics[1].unit, "s");
  const otlp::TreePoint& point = metrics[1].points[0];
  EXPECT_EQ(otlp::Find(point.attributes, "b"), nullptr);
  EXPECT_NE(otlp::Find(point.attributes, "c"), nullptr);
  EXPECT_THAT(point.explicit_bounds, ElementsAre(0.01, 1));
  EXPECT_THAT(point.bucket_counts, ElementsAre(0, 2, 0));
  EXPECT_EQ(point.optionals.sum, 1);
}

TEST_F(SpanAggregatorTest, ExponentialHistograms) {
  Configure("histogram: {exponential: {max_size: 4}}");
  Add({{.ms = 0}, {.ms = 1}, {.ms = 4}, {.ms = 1'000}});
  const auto metrics = FlushMetrics();
  EXPECT_EQ(metrics[1].kind, otlp::MetricKind::kExponentialHistogram);
  const otlp::TreePoint& point = metrics[1].points[0];
  EXPECT_EQ(point.count, 4u);
  EXPECT_EQ(point.zero_count, 1u);
  EXPECT_EQ(point.optionals.min, 0);
  EXPECT_EQ(point.optionals.max, 1'000);
  EXPECT_EQ(point.optionals.sum, 1'005);
  EXPECT_LE(point.positive.counts.size(), 4u);
}

TEST_F(SpanAggregatorTest, DurationsMayBeOffAndNamesBare) {
  Configure("{histogram: {disable: true}, namespace: ''}");
  Add({{}});
  const auto metrics = FlushMetrics();
  ASSERT_EQ(metrics.size(), 1u);
  EXPECT_EQ(metrics[0].name, "calls");
}

TEST_F(SpanAggregatorTest, WhatEveryMetricHasMayBeLeftOut) {
  Configure("exclude_dimensions: [span.name, status.code, collector.instance.id]",
            {.instance = "id"});
  Add({{.name = "a"}, {.name = "b", .status = 2}});
  const auto metrics = FlushMetrics();
  ASSERT_EQ(metrics[0].points.size(), 1u);
  EXPECT_EQ(metrics[0].points[0].whole, 2);
  EXPECT_THAT(metrics[0].points[0].attributes,
              ElementsAre(Pair("service.name", "shop"), Pair("span.kind", "SPAN_KIND_SERVER")));
}

TEST_F(SpanAggregatorTest, TheCollectorIsNamed) {
  Configure("", {.instance = "627cc493"});
  Add({{}});
  EXPECT_THAT(CallsBy("collector.instance.id"), ElementsAre(Pair("627cc493", 1)));
}

TEST_F(SpanAggregatorTest, EventsAreCountedByTheirAttributes) {
  Configure("events: {enabled: true, dimensions: [{name: type}, {name: service.version}]}");
  const std::string resource =
      Attribute("service.name", "shop") + "," + Attribute("service.version", "7");
  const auto event = [](std::string_view type) {
    return R"({"name":"exception","attributes":[)" + Attribute("type", type) + "]}";
  };
  Add({{.events = event("A") + "," + event("B") + "," + event("A")},
       {.attributes = Attribute("type", "of the span"), .events = event("C")},
       {}},
      resource);
  const auto metrics = FlushMetrics();
  ASSERT_EQ(metrics.size(), 3u);
  EXPECT_EQ(metrics[2].name, "traces.span.metrics.events");
  std::map<std::string, int64_t> events;
  for (const otlp::TreePoint& point : metrics[2].points) {
    EXPECT_EQ(*otlp::Find(point.attributes, "service.version"), otlp::Any("7"));
    events[otlp::Text(*otlp::Find(point.attributes, "type"))] = point.whole;
  }
  EXPECT_THAT(events, UnorderedElementsAre(Pair("A", 2), Pair("B", 1), Pair("of the span", 1)));
}

TEST_F(SpanAggregatorTest, ScopesAreShownWhereAskedFor) {
  Configure("include_instrumentation_scope: [http]");
  Add({{}}, "", R"({"name":"http","version":"1"})");
  Add({{}}, "", R"({"name":"http"})");
  Add({{}}, "", R"({"name":"sql"})");
  EXPECT_THAT(CallsBy("span.instrumentation.scope.name"),
              UnorderedElementsAre(Pair("http", 2), Pair("none", 1)));
  EXPECT_THAT(CallsBy("span.instrumentation.scope.version"),
              UnorderedElementsAre(Pair("1", 1), Pair("none", 2)));
}

TEST_F(SpanAggregatorTest, SampledSpansStandForOthers) {
  Configure("enable_metrics_sampling_method: true");
  Add({{.trace_state = "ot=th:c"}, {}, {.trace_state = "ot=th:8"}});
  const auto metrics = FlushMetrics();
  std::map<std::string, int64_t> calls;
  for (const otlp::TreePoint& point : metrics[0].points) {
    calls[otlp::Text(*otlp::Find(point.attributes, "sampling.method"))] = point.whole;
  }
  EXPECT_THAT(calls, UnorderedElementsAre(Pair("extrapolated", 6), Pair("counted", 1)));
  uint64_t durations = 0;
  for (const otlp::TreePoint& point : metrics[1].points) durations += point.count;
  EXPECT_EQ(durations, 7u);
}

TEST_F(SpanAggregatorTest, CumulativeSeriesGoOn) {
  Add({{}});
  (void)Flush();
  Wait(60);
  EXPECT_EQ(FlushMetrics()[0].points[0].whole, 1);
  Add({{}});
  Wait(60);
  const auto metrics = FlushMetrics();
  EXPECT_EQ(metrics[0].points[0].whole, 2);
  EXPECT_EQ(metrics[0].points[0].start_ns, kStart);
  EXPECT_EQ(metrics[1].points[0].count, 2u);
}

TEST_F(SpanAggregatorTest, DeltasFollowOneAnother) {
  Configure("aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA");
  Add({{}, {.name = "rare"}});
  Wait(60);
  EXPECT_EQ(FlushMetrics()[0].points.size(), 2u);
  Add({{.ms = 1}, {.ms = 1}});
  Wait(60);
  const auto metrics = FlushMetrics();
  ASSERT_EQ(metrics[0].points.size(), 1u);
  EXPECT_EQ(metrics[0].temporality, otlp::Temporality::kDelta);
  EXPECT_EQ(metrics[0].points[0].whole, 2);
  EXPECT_EQ(metrics[0].points[0].start_ns, kStart + 60'000'000'000);
  EXPECT_EQ(metrics[0].points[0].time_ns, kStart + 120'000'000'000);
  EXPECT_EQ(metrics[1].points[0].count, 2u);
  EXPECT_EQ(metrics[1].points[0].optionals.sum, 2);
  EXPECT_EQ(metrics[1].points[0].bucket_counts[0], 2u);
  EXPECT_THAT(FlushMetrics(), IsEmpty());
}

TEST_F(SpanAggregatorTest, DeltasRememberOnlySoManySeries) {
  Configure(
      "{aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA, metric_timestamp_cache_size: 2}");
  Add({{.name = "old"}});
  Wait(60);
  (void)Flush();
  Add({{.name = "a"}, {.name = "b"}});
  Wait(60);
  (void)Flush();
  EXPECT_EQ(aggregator_->series_count(), 2u);
  Wait(60);
  Add({{.name = "a"}, {.name = "old"}});
  Wait(60);
  std::map<std::string, uint64_t> starts;
  const auto metrics = FlushMetrics();
  for (const otlp::TreePoint& point : metrics.at(0).points) {
    starts[otlp::Text(*otlp::Find(point.attributes, "span.name"))] = point.start_ns;
  }
  EXPECT_THAT(starts, ElementsAre(Pair("a", kStart + 120'000'000'000),
                                  Pair("old", kStart + 180'000'000'000)));
}

TEST_F(SpanAggregatorTest, ExemplarsAreThoseOfOneInterval) {
  Configure("exemplars: {enabled: true, max_per_data_point: 2}");
  Add({{}, {}, {}});
  const auto metrics = FlushMetrics();
  EXPECT_EQ(metrics[0].points[0].exemplars.size(), 2u);
  ASSERT_EQ(metrics[1].points[0].exemplars.size(), 2u);
  const otlp::Exemplar exemplar = otlp::DecodeExemplar(metrics[1].points[0].exemplars[0]);
  EXPECT_EQ(otlp::HexOf(exemplar.trace_id), "5b8efff798038103d269b633813fc60c");
  EXPECT_EQ(otlp::HexOf(exemplar.span_id), "eee19b7ec3c1b174");
  EXPECT_EQ(exemplar.value, 5);
  EXPECT_THAT(FlushMetrics()[0].points[0].exemplars, IsEmpty());
}

TEST_F(SpanAggregatorTest, FurtherSeriesCountInOne) {
  Configure("{aggregation_cardinality_limit: 2, histogram: {disable: true}}");
  std::vector<SpanText> spans;
  for (int i = 0; i < 5; ++i) spans.push_back({.name = fmt::format("GET /{}", i)});
  EXPECT_EQ(Add(spans).overflowed, 3u);
  EXPECT_EQ(Add(spans).overflowed, 3u);
  // Of another resource, it is another two.
  Add({{}}, Attribute("service.name", "bank"));
  size_t resources = 0;
  const otlp::Tree tree = Flush();
  for (const otlp::TreeResource& resource : tree.resources) {
    ++resources;
    if (otlp::Text(resource.attributes[0].second) == "bank") continue;
    ASSERT_EQ(resource.scopes[0].metrics[0].points.size(), 3u);
    int64_t overflow = 0;
    for (const otlp::TreePoint& point : resource.scopes[0].metrics[0].points) {
      if (point.attributes == otlp::AttributeMap{{"otel.metric.overflow", true}}) {
        overflow = point.whole;
      }
    }
    EXPECT_EQ(overflow, 6);
  }
  EXPECT_EQ(resources, 2u);
}

TEST_F(SpanAggregatorTest, AllSeriesTogetherAreBounded) {
  Configure("histogram: {disable: true}", {.series_max = 2});
  EXPECT_EQ(Add({{}, {.name = "a"}, {.name = "b"}}).overflowed, 1u);
  const auto outcome = Add({{}, {}}, Attribute("service.name", "bank"));
  EXPECT_EQ(outcome.too_many, 2u);
  EXPECT_EQ(outcome.counted, 0u);
  EXPECT_EQ(aggregator_->series_count(), 3u);
}

TEST_F(SpanAggregatorTest, ResourcesAreToldApartByAllOrSomeAttributes) {
  const std::string first = Attribute("service.name", "shop") + "," + Attribute("pid", "1");
  const std::string second = Attribute("pid", "2") + "," + Attribute("service.name", "shop");
  Add({{}}, first);
  Add({{}}, second);
  // The order does not matter.
  Add({{}}, Attribute("service.name", "shop") + "," + Attribute("pid", "2"));
  EXPECT_EQ(Flush().resources.size(), 2u);
  Configure("resource_metrics_key_attributes: [service.name]");
  Add({{}}, first);
  Add({{}}, second);
  otlp::Tree tree = Flush();
  ASSERT_EQ(tree.resources.size(), 1u);
  EXPECT_EQ(tree.resources[0].scopes[0].metrics[0].points[0].whole, 2);
  EXPECT_EQ(*otlp::Find(tree.resources[0].attributes, "pid"), otlp::Any("1"));
  Configure("add_resource_attributes: false");
  Add({{}}, first);
  Add({{}}, Attribute("service.name", "bank"));
  tree = Flush();
  ASSERT_EQ(tree.resources.size(), 1u);
  EXPECT_THAT(tree.resources[0].attributes, IsEmpty());
  EXPECT_EQ(tree.resources[0].scopes[0].metrics[0].points.size(), 2u);
}

TEST_F(SpanAggregatorTest, SpansOfNamelessServicesAreCountedAsSuch) {
  const auto outcome = Add({{}, {}}, Attribute("host.name", "a"));
  EXPECT_EQ(outcome.without_name, 2u);
  EXPECT_EQ(outcome.counted, 0u);
  EXPECT_TRUE(Flush().resources.empty());
}

TEST_F(SpanAggregatorTest, ResourcesAndSeriesExpire) {
  Configure("{metrics_expiration: 150s, series_expiration: 90s}");
  Add({{.name = "once"}, {.name = "often"}});
  Wait(60);
  Add({{.name = "often"}});
  EXPECT_EQ(FlushMetrics()[0].points.size(), 2u);
  Wait(60);
  // It is told once more, and then forgotten.
  EXPECT_EQ(FlushMetrics()[0].points.size(), 2u);
  EXPECT_EQ(FlushMetrics()[0].points.size(), 1u);
  Wait(600);
  EXPECT_EQ(FlushMetrics()[0].points.size(), 1u);
  EXPECT_THAT(FlushMetrics(), IsEmpty());
  EXPECT_EQ(aggregator_->series_count(), 0u);
}

TEST_F(SpanAggregatorTest, TheResourcesLongestWithoutSpansGo) {
  Configure("resource_metrics_cache_size: 2");
  for (const char* name : {"a", "b", "c", "a"}) Add({{}}, Attribute("service.name", name));
  EXPECT_EQ(Flush().resources.size(), 3u);
  std::vector<std::string> left;
  const otlp::Tree tree = Flush();
  for (const otlp::TreeResource& resource : tree.resources) {
    left.push_back(otlp::Text(resource.attributes[0].second));
  }
  EXPECT_THAT(left, UnorderedElementsAre("a", "c"));
}

TEST_F(SpanAggregatorTest, ClocksThatGoBackGiveNoDuration) {
  Add({{.ms = -5}});
  const auto metrics = FlushMetrics();
  EXPECT_EQ(metrics[1].points[0].optionals.sum, 0);
  EXPECT_EQ(metrics[1].points[0].bucket_counts[0], 1u);
}

}  // namespace
}  // namespace narthex::connectors
