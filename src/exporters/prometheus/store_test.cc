#include "exporters/prometheus/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/manual_clock.h"
#include "otlp/json.h"

namespace narthex::exporters {
namespace {

using testing::HasSubstr;
using testing::Not;

// {"key":"<key>","value":{"stringValue":"<value>"}}, for each pair of "a=1,b=2".
std::string Attributes(std::string_view pairs) {
  std::string out;
  while (!pairs.empty()) {
    const size_t comma = std::min(pairs.find(','), pairs.size());
    const std::string_view pair = pairs.substr(0, comma);
    pairs.remove_prefix(std::min(comma + 1, pairs.size()));
    const size_t equals = pair.find('=');
    if (!out.empty()) out += ',';
    out += fmt::format(R"({{"key":"{}","value":{{"stringValue":"{}"}}}})", pair.substr(0, equals),
                       pair.substr(equals + 1));
  }
  return "\"attributes\":[" + out + "]";
}

// One point with attributes, times in seconds and any further members.
std::string Point(std::string_view attributes, int start, int time, std::string_view more) {
  return fmt::format(R"({{{},"startTimeUnixNano":"{}000000000","timeUnixNano":"{}000000000",{}}})",
                     Attributes(attributes), start, time, more);
}

class StoreTest : public testing::Test {
 protected:
  StoreTest() { Use({.without_scope_info = true}); }
  void Use(PrometheusConfig config) { store_ = std::make_unique<Store>(config, clock_); }

  // Brings in one metric: `data` is its members after the name.
  StoreCounts Update(std::string_view name, std::string_view data, std::string_view resource = "",
                     std::string_view scope = "") {
    const std::string request = fmt::format(
        R"({{"resourceMetrics":[{{"resource":{{{}}},"scopeMetrics":[{{"scope":{{{}}},"metrics":[)"
        R"({{"name":"{}",{}}}]}}]}}]}})",
        Attributes(resource), scope, name, data);
    auto batch = otlp::DecodeMetricsJson(request);
    EXPECT_TRUE(batch.has_value()) << batch.error().message << request;
    return store_->Update(*batch);
  }
  StoreCounts Gauge(std::string_view name, std::string_view points) {
    return Update(name, fmt::format(R"("gauge":{{"dataPoints":[{}]}})", points));
  }
  StoreCounts Sum(std::string_view name, std::string_view points, int temporality = 2,
                  bool monotonic = true) {
    return Update(name, fmt::format(R"("sum":{{"aggregationTemporality":{},"isMonotonic":{},)"
                                    R"("dataPoints":[{}]}})",
                                    temporality, monotonic, points));
  }
  StoreCounts Histogram(std::string_view name, std::string_view points, int temporality = 2) {
    return Update(name, fmt::format(R"("histogram":{{"aggregationTemporality":{},)"
                                    R"("dataPoints":[{}]}})",
                                    temporality, points));
  }
  std::string Page(Store::Page page = {}) { return store_->Render(page); }
  // The lines that are no comments.
  std::string Samples() {
    std::string out;
    const std::string page = Page();
    for (size_t at = 0; at < page.size();) {
      const size_t end = page.find('\n', at) + 1;
      if (page[at] != '#') out += page.substr(at, end - at);
      at = end;
    }
    return out;
  }

  base::ManualClock clock_{1'000'000};
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, ALineAsTheOfficialExporterWritesIt) {
  Use({.name_prefix = "testns", .send_timestamps = true});
  Update("gen", R"("sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"asInt":"2",
      "timeUnixNano":"1781369164374000000","attributes":[{"key":"tg_label",
      "value":{"stringValue":"v1"}}]}]})",
         "service.name=telemetrygen");
  EXPECT_EQ(Page(),
            "# HELP testns_gen_total \n"
            "# TYPE testns_gen_total counter\n"
            "testns_gen_total{job=\"telemetrygen\",otel_scope_name=\"\","
            "otel_scope_schema_url=\"\",otel_scope_version=\"\",tg_label=\"v1\"} 2 "
            "1781369164374\n");
}

TEST_F(StoreTest, FamiliesByNameAndSeriesByLabels) {
  Gauge("b", Point("k=2", 0, 1, R"("asInt":2)") + "," + Point("k=1", 0, 1, R"("asDouble":1.5)"));
  Gauge("a", Point("", 0, 1, R"("asInt":1000000)"));
  EXPECT_EQ(Page(),
            "# HELP a \n# TYPE a gauge\na 1e+06\n"
            "# HELP b \n# TYPE b gauge\nb{k=\"1\"} 1.5\nb{k=\"2\"} 2\n");
}

TEST_F(StoreTest, HelpComesFromTheDescriptionAndTheFirstOneStays) {
  Update("g", R"("description":"first","gauge":{"dataPoints":[{"asInt":1,"timeUnixNano":"1"}]})");
  Update("g", R"("description":"second","gauge":{"dataPoints":[{"asInt":2,"timeUnixNano":"2"}]})");
  EXPECT_THAT(Page(), HasSubstr("# HELP g first\n"));
  EXPECT_THAT(Page(), HasSubstr("\ng 2\n"));
}

TEST_F(StoreTest, HistogramBucketsAreCumulative) {
  Histogram("h", Point("a=x", 0, 1,
                       R"("count":"6","sum":7.5,"bucketCounts":["1","2","3"],)"
                       R"("explicitBounds":[0.5,10])"));
  EXPECT_EQ(Page(),
            "# HELP h \n# TYPE h histogram\n"
            "h_bucket{a=\"x\",le=\"0.5\"} 1\n"
            "h_bucket{a=\"x\",le=\"10\"} 3\n"
            "h_bucket{a=\"x\",le=\"+Inf\"} 6\n"
            "h_sum{a=\"x\"} 7.5\n"
            "h_count{a=\"x\"} 6\n");
}

TEST_F(StoreTest, SummariesHaveQuantiles) {
  Update("s", R"("summary":{"dataPoints":[{"count":"4","sum":2,"timeUnixNano":"1",
      "quantileValues":[{"quantile":0.5,"value":1},{"quantile":0.99,"value":3}]}]})");
  EXPECT_EQ(Page(),
            "# HELP s \n# TYPE s summary\n"
            "s{quantile=\"0.5\"} 1\ns{quantile=\"0.99\"} 3\ns_sum 2\ns_count 4\n");
}

TEST_F(StoreTest, ExponentialHistogramsShowTheirTotals) {
  Update("e", R"("exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"count":"4",
      "sum":2,"timeUnixNano":"1","scale":3,"positive":{"offset":1,"bucketCounts":["4"]}}]})");
  EXPECT_EQ(Samples(), "e_bucket{le=\"+Inf\"} 4\ne_sum 2\ne_count 4\n");
}

// The parts of the message that make a native histogram. Source: client_model, metrics.proto.
TEST_F(StoreTest, ExponentialHistogramsAreNativeInProtobuf) {
  const auto update = [&](int start, int time, std::string_view scale) {
    return Update(
        "e", fmt::format(R"("exponentialHistogram":{{"aggregationTemporality":1,"dataPoints":[)"
                         R"({{"count":"4","sum":2,"startTimeUnixNano":"{}","timeUnixNano":"{}",)"
                         R"("scale":{},"zeroCount":"1","positive":{{"offset":1,)"
                         R"("bucketCounts":["3"]}}}}]}})",
                         start, time, scale));
  };
  update(1, 2, "3");
  const std::string schema_3("\x28\x06", 2);
  // From bucket 2 on, one; in it, three.
  const std::string span("\x62\x04\x08\x04\x10\x01", 6), delta("\x68\x06", 2);
  EXPECT_THAT(Page({.is_protobuf = true}), HasSubstr(schema_3));
  EXPECT_THAT(Page({.is_protobuf = true}), HasSubstr(span + delta));
  // The next delta is coarser, and so is the sum: bucket 1 at scale 3 is bucket 0 at scale 2.
  update(2, 3, "2");
  const std::string page = Page({.is_protobuf = true});
  EXPECT_THAT(page, HasSubstr(std::string("\x28\x04", 2)));
  EXPECT_THAT(page, HasSubstr(std::string("\x62\x04\x08\x02\x10\x02", 6) +
                              std::string("\x68\x06\x68\x00", 4)));
  EXPECT_THAT(page, HasSubstr(std::string("\x38\x02", 2)));  // Zeros.
}

TEST_F(StoreTest, UnknownTypeByMetadata) {
  Update("u", R"("metadata":[{"key":"prometheus.type","value":{"stringValue":"unknown"}}],
      "gauge":{"dataPoints":[{"asInt":1,"timeUnixNano":"1"}]})");
  EXPECT_THAT(Page(), HasSubstr("# TYPE u untyped\n"));
}

TEST_F(StoreTest, ResourcesBecomeJobInstanceAndTargetInfo) {
  Update("g", R"("gauge":{"dataPoints":[{"asInt":1,"timeUnixNano":"1"}]})",
         "service.name=api,service.namespace=shop,service.instance.id=i1,host.name=h,a.b=1,a_b=2");
  EXPECT_EQ(Page(),
            "# HELP g \n# TYPE g gauge\ng{instance=\"i1\",job=\"shop/api\"} 1\n"
            "# HELP target_info Target metadata\n# TYPE target_info gauge\n"
            "target_info{a_b=\"1;2\",host_name=\"h\",instance=\"i1\",job=\"shop/api\"} 1\n");
}

TEST_F(StoreTest, NoTargetInfoWithoutAnInstance) {
  Update("g", R"("gauge":{"dataPoints":[{"asInt":1,"timeUnixNano":"1"}]})",
         "service.name=api,host.name=h");
  EXPECT_EQ(Samples(), "g{job=\"api\"} 1\n");
}

TEST_F(StoreTest, TargetInfoFollowsTheResource) {
  const auto update = [&](std::string_view host) {
    Update("g", R"("gauge":{"dataPoints":[{"asInt":1,"timeUnixNano":"1"}]})",
           fmt::format("service.name=api,service.instance.id=i,host.name={}", host));
  };
  update("first");
  update("second");
  EXPECT_THAT(Samples(), HasSubstr("target_info{host_name=\"second\""));
  EXPECT_THAT(Samples(), Not(HasSubstr("first")));
}

TEST_F(StoreTest, ScopeLabels) {
  Use({});
  Update("g", R"("gauge":{"dataPoints":[{"asInt":1,"timeUnixNano":"1"}]})", "",
         R"("name":"lib","version":"2","attributes":[{"key":"x.y","value":{"intValue":3}}])");
  EXPECT_EQ(Samples(),
            "g{otel_scope_name=\"lib\",otel_scope_schema_url=\"\",otel_scope_version=\"2\","
            "otel_scope_x_y=\"3\"} 1\n");
}

TEST_F(StoreTest, ConstantLabelsAreOnEverySeriesButTargetInfo) {
  Use({.const_labels = {{"env", "test"}}, .without_scope_info = true});
  Update("g", R"("gauge":{"dataPoints":[{"asInt":1,"timeUnixNano":"1"}]})",
         "service.name=a,service.instance.id=i");
  EXPECT_EQ(
      Samples(),
      "g{env=\"test\",instance=\"i\",job=\"a\"} 1\ntarget_info{instance=\"i\",job=\"a\"} 1\n");
}

TEST_F(StoreTest, ChosenResourceAttributesBecomeLabels) {
  Use({.resource_labels = {.included = {"host.*"}, .excluded = {"host.id"}},
       .without_scope_info = true});
  Update("g", R"("gauge":{"dataPoints":[{"asInt":1,"timeUnixNano":"1"}]})",
         "host.name=h,host.id=secret,os.type=linux");
  EXPECT_EQ(Samples(), "g{host_name=\"h\"} 1\n");
}

TEST_F(StoreTest, CollidingLabelsAreJoinedInTheOrderOfTheirKeys) {
  Gauge("g", Point("a_b=2,a.b=1", 0, 1, R"("asInt":1)"));
  EXPECT_EQ(Samples(), "g{a_b=\"1;2\"} 1\n");
}

TEST_F(StoreTest, AttributeOrderDoesNotMatter) {
  Gauge("g", Point("a=1,b=2", 0, 1, R"("asInt":1)"));
  Gauge("g", Point("b=2,a=1", 0, 2, R"("asInt":5)"));
  EXPECT_EQ(Samples(), "g{a=\"1\",b=\"2\"} 5\n");
  EXPECT_EQ(store_->series_count(), 1u);
}

TEST_F(StoreTest, AnotherTypeUnderTheSameNameIsRefused) {
  Gauge("x_total", Point("", 0, 1, R"("asInt":1)"));
  EXPECT_EQ(Sum("x", Point("", 0, 1, R"("asInt":2)")).type_clash, 1u);
  EXPECT_EQ(Samples(), "x_total 1\n");
}

TEST_F(StoreTest, OlderPointsAreIgnoredAndEqualOnesReplace) {
  Gauge("g", Point("", 0, 5, R"("asInt":1)"));
  EXPECT_EQ(Gauge("g", Point("", 0, 4, R"("asInt":2)")).out_of_order, 1u);
  EXPECT_EQ(Samples(), "g 1\n");
  EXPECT_EQ(Gauge("g", Point("", 0, 5, R"("asInt":3)")).stored, 1u);
  EXPECT_EQ(Samples(), "g 3\n");
}

TEST_F(StoreTest, DeltaSumsAddUpWhileTheyAreContiguous) {
  Sum("s", Point("", 1, 2, R"("asInt":3)"), 1);
  Sum("s", Point("", 2, 4, R"("asDouble":1.5)"), 1);
  EXPECT_EQ(Samples(), "s_total 4.5\n");
  Sum("s", Point("", 5, 6, R"("asInt":7)"), 1);  // A gap: anew.
  EXPECT_EQ(Samples(), "s_total 7\n");
}

TEST_F(StoreTest, DeltasThatGoBothWaysAndUnknownTemporalityAreRefused) {
  EXPECT_EQ(Sum("s", Point("", 1, 2, R"("asInt":3)"), 1, false).unsupported, 1u);
  EXPECT_EQ(Sum("t", Point("", 1, 2, R"("asInt":3)"), 0).unsupported, 1u);
  EXPECT_EQ(Histogram("h", Point("", 1, 2, R"("count":"1")"), 0).unsupported, 1u);
  EXPECT_EQ(Page(), "");
}

TEST_F(StoreTest, DeltaHistograms) {
  const auto point = [](int start, int time, std::string_view buckets, std::string_view bounds) {
    return Point("", start, time,
                 fmt::format(R"("count":"3","sum":2,"bucketCounts":[{}],"explicitBounds":[{}])",
                             buckets, bounds));
  };
  Histogram("h", point(1, 2, "1,2", "5"), 1);
  Histogram("h", point(2, 3, "3,0", "5"), 1);
  EXPECT_EQ(Samples(), "h_bucket{le=\"5\"} 4\nh_bucket{le=\"+Inf\"} 6\nh_sum 4\nh_count 6\n");
  // Other bounds: the new ones hold.
  Histogram("h", point(3, 4, "1,1,1", "5,10"), 1);
  EXPECT_THAT(Samples(), HasSubstr("h_count 3\n"));
  // An overlap cannot be told apart, a gap starts anew.
  EXPECT_EQ(Histogram("h", point(3, 5, "1,1,1", "5,10"), 1).unsupported, 1u);
  Histogram("h", point(7, 8, "0,0,3", "5,10"), 1);
  EXPECT_THAT(Samples(), HasSubstr("h_bucket{le=\"10\"} 0\n"));
}

TEST_F(StoreTest, BucketsThatDoNotFitTheirBoundsAreRefused) {
  EXPECT_EQ(Histogram("h", Point("", 0, 1,
                                 R"("count":"1","bucketCounts":["1"],)"
                                 R"("explicitBounds":[1,2])"))
                .malformed,
            1u);
  EXPECT_EQ(Histogram("h", Point("", 0, 1,
                                 R"("count":"1","bucketCounts":["1","1","1"],)"
                                 R"("explicitBounds":[2,1])"))
                .malformed,
            1u);
  EXPECT_EQ(Gauge("g", Point("", 0, 1, R"("flags":0)")).malformed, 1u);
  EXPECT_EQ(Page(), "");
}

TEST_F(StoreTest, EndedSeriesDisappearAllOfThemAndMayComeBack) {
  Gauge("g", Point("k=a", 0, 1, R"("asInt":1)") + "," + Point("k=b", 0, 1, R"("asInt":1)") + "," +
                 Point("k=c", 0, 1, R"("asInt":1)"));
  Gauge("g", Point("k=a", 0, 2, R"("flags":1)") + "," + Point("k=b", 0, 2, R"("flags":1)"));
  EXPECT_EQ(Samples(), "g{k=\"c\"} 1\n");
  Gauge("g", Point("k=a", 0, 3, R"("asInt":9)"));
  EXPECT_EQ(Samples(), "g{k=\"a\"} 9\ng{k=\"c\"} 1\n");
  store_->Expire();
  EXPECT_EQ(store_->series_count(), 2u);
}

TEST_F(StoreTest, SeriesExpireByTheTimeOfTheirReceipt) {
  Update("g", R"("gauge":{"dataPoints":[{"asInt":1,"timeUnixNano":"1"}]})",
         "service.name=a,service.instance.id=i");
  clock_.AdvanceMs(200'000);
  Gauge("h", Point("", 0, 1, R"("asInt":1)"));
  clock_.AdvanceMs(200'000);
  EXPECT_EQ(store_->Expire(), 2u);  // With target_info.
  EXPECT_EQ(Samples(), "h 1\n");
  // What comes again is a new series, whatever slot it gets.
  Update("g", R"("gauge":{"dataPoints":[{"asInt":2,"timeUnixNano":"1"}]})",
         "service.name=a,service.instance.id=i");
  EXPECT_THAT(Samples(), HasSubstr("g{instance=\"i\",job=\"a\"} 2\n"));
  EXPECT_THAT(Samples(), HasSubstr("target_info{"));
}

TEST_F(StoreTest, AnExpiredFamilyGivesItsNameFree) {
  Gauge("x_total", Point("", 0, 1, R"("asInt":1)"));
  Sum("x", Point("", 0, 1, R"("asInt":2)"));
  clock_.AdvanceMs(400'000);
  store_->Expire();
  EXPECT_EQ(Sum("x", Point("", 0, 1, R"("asInt":2)")).stored, 1u);
  EXPECT_THAT(Page(), HasSubstr("# TYPE x_total counter\nx_total 2\n"));
}

TEST_F(StoreTest, OpenMetrics) {
  Sum("s", Point("", 1, 2, R"("asInt":3)"));
  Histogram("h", Point("", 0, 1,
                       R"("count":"1","sum":1,"bucketCounts":["1","0"],)"
                       R"("explicitBounds":[1])"));
  EXPECT_EQ(Page({.format = exposition::Format::kOpenMetrics}),
            "# HELP h \n# TYPE h histogram\n"
            "h_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1.0\nh_count 1\n"
            "# HELP s \n# TYPE s counter\ns_total 3.0\n# EOF\n");
}

TEST_F(StoreTest, OpenMetricsShowsTheNewestExemplarOfEachBucket) {
  Use({.enable_open_metrics = true, .without_scope_info = true});
  const auto exemplar = [](std::string_view value, std::string_view trace) {
    return fmt::format(R"({{"timeUnixNano":"1500000000","asDouble":{},"traceId":"{}",)"
                       R"("spanId":"b7ad6b7169203331"}})",
                       value, trace);
  };
  const std::string a(32, 'a'), b(32, 'b');
  Sum("s", Point("", 1, 2, R"("asInt":3,"exemplars":[)" + exemplar("1", a) + "]"));
  for (const std::string& trace : {a, b}) {
    Histogram("h", Point("", 0, trace == a ? 1 : 2,
                         R"("count":"2","sum":9,"bucketCounts":["1","1"],"explicitBounds":[1],)"
                         R"("exemplars":[)" +
                             exemplar("0.5", trace) + "," + exemplar("8", a) + "]"));
  }
  EXPECT_EQ(Page({.format = exposition::Format::kOpenMetrics}),
            "# HELP h \n# TYPE h histogram\n"
            "h_bucket{le=\"1.0\"} 1 # {trace_id=\"" +
                b +
                "\",span_id=\"b7ad6b7169203331\"} 0.5 1.5\n"
                "h_bucket{le=\"+Inf\"} 2 # {trace_id=\"" +
                a +
                "\",span_id=\"b7ad6b7169203331\"} 8.0 1.5\n"
                "h_sum 9.0\nh_count 2\n"
                "# HELP s \n# TYPE s counter\ns_total 3.0 # {trace_id=\"" +
                a + "\",span_id=\"b7ad6b7169203331\"} 1.0 1.5\n# EOF\n");
  EXPECT_THAT(Page(), Not(HasSubstr("trace_id")));
}

TEST_F(StoreTest, Utf8NamesForThoseWhoUnderstandThem) {
  Use({.without_scope_info = true, .strategy = otlp::TranslationStrategy::kNoTranslation});
  Gauge("http.requests", Point("a.b=1", 0, 1, R"("asInt":1)"));
  EXPECT_EQ(Page({.allow_utf8 = true}),
            "# HELP \"http.requests\" \n# TYPE \"http.requests\" gauge\n"
            "{\"http.requests\",\"a.b\"=\"1\"} 1\n");
  EXPECT_EQ(Page(),
            "# HELP http_requests \n# TYPE http_requests gauge\nhttp_requests{a_b=\"1\"} 1\n");
}

}  // namespace
}  // namespace narthex::exporters
