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
          if (is_protobuf_) {
            answer.headers.Set("Content-Type", exposition::ProtobufContentType());
          }
          responder.Send(std::move(answer));
        });
  }
  void SetPage(std::string page) {
    base::MutexLock lock(mutex_);
    page_ = std::move(page);
  }
  void SetProtobuf(std::string page) {
    base::MutexLock lock(mutex_);
    page_ = std::move(page);
    is_protobuf_ = true;
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
  bool is_protobuf_ GUARDED_BY(mutex_) = false;
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

// The store keeps no native histograms: they come as classic ones rather than not at all.
TEST_F(PrometheusReceiverTest, NativeHistogramsAreNotLost) {
  exposition::ProtobufWriter writer;
  writer.Family("h", model::MetricType::kHistogram, "");
  writer.NativeHistogram(
      "", {.count = 3, .sum = 6, .positive_spans = {{1, 1}}, .positive_deltas = {3}}, {});
  SetProtobuf(writer.Finish());
  const auto receiver = Start(", scrape_native_histograms: true");
  ASSERT_TRUE(next_.WaitForPoints(1));
  receiver->Stop();
  const otlp::Tree tree = otlp::Tree::From(next_.Take());
  const otlp::TreeMetric* histogram = FindMetric(tree, "h");
  ASSERT_NE(histogram, nullptr);
  EXPECT_EQ(histogram->points.at(0).count, 3u);
  EXPECT_EQ(histogram->points.at(0).optionals.sum, 6);
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
    return {.series = std::move(series), .time = 1'000, .value = value, .exemplars = {}};
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
