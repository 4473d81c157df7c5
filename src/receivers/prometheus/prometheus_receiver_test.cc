#include "receivers/prometheus/prometheus_receiver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/manual_clock.h"
#include "exposition/protobuf_writer.h"
#include "net/http_server.h"
#include "otlp/tree.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"
#include "receivers/prometheus/to_otlp.h"

namespace narthex::receivers {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kPage[] = R"(# HELP hits_total How often.
# TYPE hits_total counter
hits_total{path="/a",drop="x"} 5
# TYPE depth gauge
depth 1.5
odd 7
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.1"} 1
wait_seconds_bucket{le="1"} 3
wait_seconds_bucket{le="+Inf"} 4
wait_seconds_sum 2.5
wait_seconds_count 4
# TYPE size summary
size{quantile="0.5"} 10
size{quantile="0.9"} 20
size_sum 100
size_count 9
# TYPE target_info gauge
target_info{host_name="h1"} 1
# TYPE scoped gauge
scoped{otel_scope_name="lib",otel_scope_version="1",otel_scope_kind="x"} 3
)";

class PrometheusReceiverTest : public testing::Test {
 protected:
  void SetUp() override {
    server_ = *net::HttpServer::Start(
        {.listen_address = "127.0.0.1:0"}, [this](net::HttpRequest, net::Responder responder) {
          base::MutexLock lock(mutex_);
          net::HttpResponse answer = net::HttpResponse::Text(200, page_);
          if (!type_.empty()) answer.headers.Set("Content-Type", type_);
          responder.Send(std::move(answer));
        });
  }
  void SetPage(std::string page, std::string type = "") {
    base::MutexLock lock(mutex_);
    page_ = std::move(page);
    type_ = std::move(type);
  }
  void SetProtobuf(std::string page) {
    SetPage(std::move(page), std::string(exposition::ProtobufContentType()));
  }
  void SetOpenMetrics(std::string page) {
    SetPage(std::move(page), "application/openmetrics-text; version=1.0.0");
  }
  std::unique_ptr<pipeline::Receiver> Start(std::string_view global = "") {
    auto receiver = host_.Make(&PrometheusReceiver::Create,
                               fmt::format(R"(
config:
  global: {{scrape_interval: 100ms, scrape_timeout: 100ms{}}}
  scrape_configs:
    - job_name: shop
      static_configs: [{{targets: ['127.0.0.1:{}']}}]
      metric_relabel_configs: [{{action: labeldrop, regex: drop}}]
)",
                                           global, server_->port()),
                               next_);
    EXPECT_EQ(host_.errors(), "");
    EXPECT_TRUE(receiver->Start().has_value());
    return receiver;
  }

  base::Mutex mutex_;
  std::string page_ GUARDED_BY(mutex_) = kPage;
  std::string type_ GUARDED_BY(mutex_);
  base::Env env_ = base::RealEnv();
  pipeline::TestHost host_;
  pipeline::FakeConsumer next_;
  std::unique_ptr<net::HttpServer> server_;
};

const otlp::TreeMetric* FindMetric(const otlp::Tree& tree, std::string_view name) {
  for (const otlp::TreeResource& resource : tree.resources) {
    for (const otlp::TreeScope& scope : resource.scopes) {
      for (const otlp::TreeMetric& metric : scope.metrics) {
        if (metric.name == name) return &metric;
      }
    }
  }
  return nullptr;
}

std::string TextOf(const otlp::AttributeMap& map, std::string_view key) {
  const otlp::Any* value = otlp::Find(map, key);
  return value == nullptr ? "none" : otlp::Text(*value);
}

TEST_F(PrometheusReceiverTest, AScrapeBecomesMetrics) {
  const auto receiver = Start();
  ASSERT_TRUE(next_.WaitForPoints(11));
  receiver->Stop();
  const otlp::Tree tree = otlp::Tree::From(next_.Take());
  ASSERT_EQ(tree.resources.size(), 1u);
  const otlp::AttributeMap& resource = tree.resources[0].attributes;
  EXPECT_EQ(TextOf(resource, "service.name"), "shop");
  EXPECT_EQ(TextOf(resource, "service.instance.id"), fmt::format("127.0.0.1:{}", server_->port()));
  EXPECT_EQ(TextOf(resource, "server.address"), "127.0.0.1");
  EXPECT_EQ(TextOf(resource, "server.port"), std::to_string(server_->port()));
  EXPECT_EQ(TextOf(resource, "url.scheme"), "http");
  EXPECT_EQ(TextOf(resource, "host_name"), "h1");

  const otlp::TreeMetric& hits = *FindMetric(tree, "hits_total");
  EXPECT_EQ(hits.kind, otlp::MetricKind::kSum);
  EXPECT_TRUE(hits.is_monotonic);
  EXPECT_EQ(hits.description, "How often.");
  EXPECT_EQ(hits.points[0].real, 5);
  EXPECT_EQ(TextOf(hits.points[0].attributes, "path"), "/a");
  EXPECT_EQ(TextOf(hits.points[0].attributes, "drop"), "none");
  EXPECT_EQ(FindMetric(tree, "depth")->kind, otlp::MetricKind::kGauge);
  EXPECT_EQ(TextOf(FindMetric(tree, "odd")->metadata, "prometheus.type"), "unknown");

  const otlp::TreePoint& wait = FindMetric(tree, "wait_seconds")->points.at(0);
  EXPECT_THAT(wait.bucket_counts, ElementsAre(1, 2, 1));
  EXPECT_THAT(wait.explicit_bounds, ElementsAre(0.1, 1));
  EXPECT_EQ(wait.count, 4u);
  EXPECT_EQ(wait.optionals.sum, 2.5);
  const otlp::TreePoint& size = FindMetric(tree, "size")->points.at(0);
  EXPECT_THAT(size.quantiles, ElementsAre(std::pair(0.5, 10.0), std::pair(0.9, 20.0)));
  EXPECT_EQ(size.count, 9u);

  EXPECT_EQ(FindMetric(tree, "up")->points[0].real, 1);
  EXPECT_EQ(FindMetric(tree, "target_info"), nullptr);
  const auto& scopes = tree.resources[0].scopes;
  ASSERT_EQ(scopes.size(), 2u);
  EXPECT_EQ(scopes[1].name, "lib");
  EXPECT_EQ(scopes[1].version, "1");
  EXPECT_EQ(TextOf(scopes[1].attributes, "kind"), "x");
  EXPECT_THAT(scopes[1].metrics[0].points[0].attributes, IsEmpty());
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(PrometheusReceiverTest, NativeHistogramsBecomeExponentialOnes) {
  exposition::ProtobufWriter writer;
  writer.Family("h", model::MetricType::kHistogram, "How long.");
  writer.NativeHistogram("path=\"/a\"",
                         {.schema = 2,
                          .zero_threshold = 0.001,
                          .zero_count = 1,
                          .count = 7,
                          .sum = 6,
                          .positive_spans = {{1, 1}, {2, 1}},
                          .negative_spans = {{-3, 1}},
                          .positive_deltas = {3, -2},
                          .negative_deltas = {2}},
                         {.created_ns = 1'700'000'000'000'000'000});
  SetProtobuf(writer.Finish());
  const auto receiver = Start(", scrape_native_histograms: true");
  ASSERT_TRUE(next_.WaitForPoints(1));
  receiver->Stop();
  const otlp::Tree tree = otlp::Tree::From(next_.Take());
  const otlp::TreeMetric* metric = FindMetric(tree, "h");
  ASSERT_NE(metric, nullptr);
  EXPECT_EQ(metric->kind, otlp::MetricKind::kExponentialHistogram);
  EXPECT_EQ(metric->temporality, otlp::Temporality::kCumulative);
  EXPECT_EQ(metric->description, "How long.");
  const otlp::TreePoint& point = metric->points.at(0);
  EXPECT_EQ(point.scale, 2);
  EXPECT_EQ(point.count, 7u);
  EXPECT_EQ(point.optionals.sum, 6);
  EXPECT_EQ(point.zero_count, 1u);
  EXPECT_EQ(point.zero_threshold, 0.001);
  EXPECT_EQ(point.positive.offset, 0);
  EXPECT_THAT(point.positive.counts, ElementsAre(3, 0, 0, 1));
  EXPECT_EQ(point.negative.offset, -4);
  EXPECT_THAT(point.negative.counts, ElementsAre(2));
  EXPECT_EQ(point.start_ns, 1'700'000'000'000'000'000u);
  EXPECT_EQ(TextOf(point.attributes, "path"), "/a");
}

TEST_F(PrometheusReceiverTest, CreatedTimesAreStartTimes) {
  SetOpenMetrics(R"(# TYPE hits counter
hits_total{path="/a"} 5
hits_created{path="/a"} 1700000000.5
# TYPE wait histogram
wait_bucket{le="+Inf"} 4
wait_count 4
wait_sum 2
wait_created 1700000001
# TYPE gone counter
gone_created 1700000002
# EOF
)");
  const auto receiver = Start();
  ASSERT_TRUE(next_.WaitForPoints(3));
  receiver->Stop();
  const otlp::Tree tree = otlp::Tree::From(next_.Take());
  const otlp::TreeMetric* hits = FindMetric(tree, "hits_total");
  ASSERT_NE(hits, nullptr);
  ASSERT_EQ(hits->points.size(), 1u);
  EXPECT_EQ(hits->points[0].real, 5);
  EXPECT_EQ(hits->points[0].start_ns, 1'700'000'000'500'000'000u);
  EXPECT_EQ(FindMetric(tree, "wait")->points.at(0).start_ns, 1'700'000'001'000'000'000u);
  EXPECT_EQ(FindMetric(tree, "hits_created"), nullptr);
  EXPECT_EQ(FindMetric(tree, "gone_total"), nullptr);
}

TEST(PrometheusReceiverConfig, MistakesAreSaid) {
  pipeline::TestHost host;
  pipeline::FakeConsumer next;
  const auto errors = [&](std::string_view yaml) {
    (void)host.Make(&PrometheusReceiver::Create, yaml, next);
    return host.errors();
  };
  EXPECT_THAT(errors(""), HasSubstr("no Prometheus scrape_configs are set"));
  EXPECT_THAT(errors("config: {scrape_configs: []}"), HasSubstr("no Prometheus scrape_configs"));
  EXPECT_THAT(errors("config: {scrape_configs: [{job_name: a}, {job_name: a}]}"),
              HasSubstr("found multiple scrape configs with job name \"a\""));
  EXPECT_THAT(errors("config: {scrape_configs: [{job_name: a}], remote_write: [{}]}"),
              HasSubstr("remote_write: unsupported feature"));
  EXPECT_THAT(errors("{config: {scrape_configs: [{job_name: a}]}, target_allocator: {}}"),
              HasSubstr("target_allocator: is not supported"));
  EXPECT_THAT(errors("config: {scrape_configs: [{job_nam: a}]}"), HasSubstr("did you mean"));
}

TEST(PrometheusReceiver, KeepsTheContract) {
  pipeline::FakeConsumer next;
  pipeline::ExpectStartStopContract(
      &PrometheusReceiver::Create,
      "config: {scrape_configs: [{job_name: a, static_configs: [{targets: ['127.0.0.1:1']}]}]}",
      next);
}

// Samples by hand: what a page cannot show.
class ToOtlpTest : public testing::Test {
 protected:
  ScrapedSample Sample(std::vector<model::Label> labels, double value,
                       model::MetricType type = model::MetricType::kUnknown) {
    labels.push_back({"job", "j"});
    labels.push_back({"instance", "i"});
    auto series = std::make_shared<ScrapedSeries>(
        ScrapedSeries{model::Labels::From(std::move(labels)).value(), {.type = type}});
    return {.series = std::move(series), .time = 1'000, .value = value};
  }
};

TEST_F(ToOtlpTest, StaleMarkersArePointsWithoutAValue) {
  const otlp::Tree tree = ToOtlp({Sample({{"__name__", "a"}}, model::StaleNan())}, {});
  EXPECT_TRUE(tree.resources[0].scopes[0].metrics[0].points[0].is_stale());
}

TEST_F(ToOtlpTest, ExemplarsKeepTheirTraces) {
  ScrapedSample sample = Sample({{"__name__", "a_total"}}, 3, model::MetricType::kCounter);
  sample.exemplars.push_back(
      {.labels = model::Labels::From({{"trace_id", "0af7651916cd43dd8448eb211c80319c"},
                                      {"span_id", "b7ad6b7169203331"},
                                      {"user", "ann"}})
                     .value(),
       .value = 0.5,
       .timestamp = 900});
  const otlp::Tree tree = ToOtlp({sample}, {});
  const auto& exemplars = tree.resources[0].scopes[0].metrics[0].points[0].exemplars;
  ASSERT_EQ(exemplars.size(), 1u);
  EXPECT_THAT(exemplars[0], HasSubstr("\x0a\xf7\x65\x19\x16\xcd\x43\xdd"));
  EXPECT_THAT(exemplars[0], HasSubstr("\xb7\xad\x6b\x71\x69\x20\x33\x31"));
  EXPECT_THAT(exemplars[0], HasSubstr("user"));
}

TEST_F(ToOtlpTest, HistogramsThatContradictThemselvesStayWhole) {
  const auto type = model::MetricType::kHistogram;
  const otlp::Tree tree = ToOtlp({Sample({{"__name__", "h_bucket"}, {"le", "2"}}, 3, type),
                                  Sample({{"__name__", "h_bucket"}, {"le", "1"}}, 5, type),
                                  Sample({{"__name__", "h_count"}}, 6, type)},
                                 {});
  const otlp::TreePoint& point = tree.resources[0].scopes[0].metrics[0].points[0];
  EXPECT_THAT(point.bucket_counts, ElementsAre(5, 0, 1));
  EXPECT_THAT(point.explicit_bounds, ElementsAre(1, 2));
  EXPECT_EQ(point.count, 6u);
}

TEST_F(ToOtlpTest, CustomBucketsBecomeExplicitOnes) {
  ScrapedSample sample = Sample({{"__name__", "h"}}, 0, model::MetricType::kHistogram);
  sample.histogram = std::make_shared<const model::FloatHistogram>(
      model::FloatHistogram{.schema = model::kCustomBucketsSchema,
                            .count = 6,
                            .sum = 9,
                            .positive_spans = {{0, 1}, {1, 1}},
                            .positive = {4, 2.7},
                            .custom_bounds = {1, 2}});
  const otlp::Tree tree = ToOtlp({sample}, {});
  const otlp::TreeMetric& metric = tree.resources[0].scopes[0].metrics[0];
  EXPECT_EQ(metric.kind, otlp::MetricKind::kHistogram);
  EXPECT_THAT(metric.points[0].explicit_bounds, ElementsAre(1, 2));
  EXPECT_THAT(metric.points[0].bucket_counts, ElementsAre(4, 0, 2));
  EXPECT_EQ(metric.points[0].count, 6u);
}

TEST_F(ToOtlpTest, TheEndOfANativeHistogramIsOneOfItsKind) {
  const otlp::Tree tree =
      ToOtlp({Sample({{"__name__", "h"}}, model::StaleNan(), model::MetricType::kHistogram)}, {});
  const otlp::TreeMetric& metric = tree.resources[0].scopes[0].metrics[0];
  EXPECT_EQ(metric.kind, otlp::MetricKind::kExponentialHistogram);
  EXPECT_TRUE(metric.points[0].is_stale());
}

// A page may name buckets that lie as far apart as numbers go.
TEST_F(ToOtlpTest, WideGapsMakeHistogramsCoarser) {
  ScrapedSample sample = Sample({{"__name__", "h"}}, 0, model::MetricType::kHistogram);
  sample.histogram = std::make_shared<const model::FloatHistogram>(
      model::FloatHistogram{.schema = 8,
                            .count = 3,
                            .sum = 1,
                            .positive_spans = {{0, 1}, {1 << 20, 1}},
                            .positive = {1, 2}});
  const otlp::Tree tree = ToOtlp({sample}, {});
  const otlp::TreePoint& point = tree.resources[0].scopes[0].metrics[0].points[0];
  EXPECT_LT(point.scale, 8);
  EXPECT_LE(point.positive.counts.size(), 16'384u);
  EXPECT_EQ(point.positive.counts.front(), 1u);
  EXPECT_EQ(point.positive.counts.back(), 2u);
}

TEST(ScrapeStore, ForgetsWhatHasEnded) {
  base::ManualClock clock{1'000'000};
  size_t seen = 0;
  ScrapeStore store(clock, [&](const std::vector<ScrapedSample>& samples) {
    seen += samples.size();
    return base::Status();
  });
  const model::Labels a = model::Labels::From({{"__name__", "a"}}).value();
  const model::Labels b = model::Labels::From({{"__name__", "b"}}).value();
  auto appender = store.OpenAppender();
  const auto ref_a = appender->Resolve(a).value(), ref_b = appender->Resolve(b).value();
  EXPECT_EQ(appender->Append(ref_a, 1, 1), storage::Appended::kYes);
  EXPECT_EQ(appender->Append(ref_b, 1, model::StaleNan()), storage::Appended::kYes);
  EXPECT_TRUE(appender->Commit().has_value());
  EXPECT_EQ(seen, 2u);
  EXPECT_EQ(store.series_count(), 1u);
  EXPECT_EQ(appender->Append(ref_b, 2, 1), storage::Appended::kUnknownSeries);
  EXPECT_EQ(appender->Append(ref_a, 2, 1), storage::Appended::kYes);
  appender->Rollback();
  EXPECT_TRUE(appender->Commit().has_value());
  EXPECT_EQ(seen, 2u);
  clock.AdvanceMs(2 * 3'600'000);
  EXPECT_TRUE(appender->Commit().has_value());
  EXPECT_EQ(store.series_count(), 0u);
}

}  // namespace
}  // namespace narthex::receivers
