#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <vector>

#include "compress/compress.h"
#include "net/grpc_server.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/testing/certificates.h"
#include "otlp/decode.h"
#include "otlp/json.h"
#include "telemetry/console_exporter.h"
#include "telemetry/metrics.h"
#include "telemetry/otlp_grpc_exporter.h"
#include "telemetry/otlp_http_exporter.h"
#include "telemetry/prometheus_reader.h"

namespace narthex::telemetry {
namespace {

using std::chrono::milliseconds;

// A collector that answers from a script, then with success, and keeps what it accepted.
class FakeCollector {
 public:
  FakeCollector() {
    auto server =
        net::HttpServer::Start({.listen_address = "127.0.0.1:0"},
                               [this](net::HttpRequest request, net::Responder responder) {
                                 base::MutexLock lock(mutex_);
                                 requests_.push_back(std::move(request));
                                 changed_.NotifyAll();
                                 net::HttpResponse response{.status = 200};
                                 if (!answers_.empty()) {
                                   response = answers_.front();
                                   answers_.erase(answers_.begin());
                                 }
                                 responder.Send(std::move(response));
                               });
    EXPECT_TRUE(server.has_value());
    server_ = *std::move(server);
  }
  ~FakeCollector() { server_->Stop(milliseconds(0)); }

  void Answer(net::HttpResponse response) {
    base::MutexLock lock(mutex_);
    answers_.push_back(std::move(response));
  }
  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(server_->port()) + "/v1/metrics";
  }
  // Waits for the n-th request.
  net::HttpRequest Request(size_t n) {
    base::MutexLock lock(mutex_);
    while (requests_.size() <= n) {
      if (!changed_.WaitFor(mutex_, std::chrono::seconds(10))) {
        ADD_FAILURE() << "no request " << n;
        return {};
      }
    }
    return requests_[n];
  }
  size_t request_count() {
    base::MutexLock lock(mutex_);
    return requests_.size();
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<net::HttpRequest> requests_ GUARDED_BY(mutex_);
  std::vector<net::HttpResponse> answers_ GUARDED_BY(mutex_);
  std::unique_ptr<net::HttpServer> server_;
};

class ExporterTest : public testing::Test {
 protected:
  ExporterTest() {
    provider_.GetMeter("scope", "1.2")
        ->CreateUInt64Counter("requests", "help", "{r}")
        ->Add(3, {{"method", "GET"}, {"status", 200}, {"ok", true}, {"load", 0.5}});
    provider_.GetMeter("scope", "1.2")
        ->CreateDoubleHistogram("latency", "", "s", {std::vector{0.5}})
        ->Record(0.25);
    provider_.Collect(batch_);
  }
  base::Status Export(OtlpHttpExporter::Config config, milliseconds timeout = milliseconds(5000)) {
    config.url = collector_.url();
    config.retry_delays.first = milliseconds(1);
    OtlpHttpExporter exporter(config, base::SystemClock(), base::NullLogger());
    return exporter.Export(batch_, timeout);
  }
  static void ExpectContents(const otlp::Batch& batch) {
    ASSERT_EQ(batch.point_count(), 2u);
    EXPECT_EQ(otlp::Text(*otlp::FindAttribute(batch.resources[0].attributes, "service.name")),
              "unit");
    EXPECT_EQ(batch.scopes[0].name, "scope");
    EXPECT_EQ(batch.scopes[0].version, "1.2");
    EXPECT_EQ(batch.metrics[0].unit, "{r}");
    EXPECT_TRUE(batch.metrics[0].is_monotonic);
    EXPECT_EQ(batch.metrics[0].temporality, otlp::Temporality::kCumulative);
    EXPECT_EQ(batch.numbers[0].Int(), 3);
    const auto text = [&](std::string_view key) {
      return otlp::Text(*otlp::FindAttribute(batch.numbers[0].attributes, key));
    };
    EXPECT_EQ(text("status"), "200");
    EXPECT_EQ(text("ok"), "true");
    EXPECT_EQ(text("load"), "0.5");
    EXPECT_EQ(batch.histograms[0].count, 1u);
    EXPECT_EQ(batch.histograms[0].optionals.max, 0.25);
    EXPECT_EQ(batch.histograms[0].bucket_counts.size(), 2u);
  }

  FakeCollector collector_;
  sdk::MeterProvider provider_{{.resource = sdk::Resource::Create({{"service.name", "unit"}})}};
  sdk::MetricBatch batch_;
};

TEST_F(ExporterTest, SendsProtobuf) {
  ASSERT_TRUE(Export({.headers =
                          [] {
                            net::Headers headers;
                            headers.Add("x-key", "k");
                            return headers;
                          }()})
                  .has_value());
  const net::HttpRequest request = collector_.Request(0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.headers.Get("Content-Type"), "application/x-protobuf");
  EXPECT_EQ(request.headers.Get("x-key"), "k");
  ExpectContents(*otlp::DecodeMetrics(request.body));
}

TEST_F(ExporterTest, SendsCompressedJson) {
  ASSERT_TRUE(Export({.encoding = otlp::Encoding::kJson, .gzip = true}).has_value());
  const net::HttpRequest request = collector_.Request(0);
  EXPECT_EQ(request.headers.Get("Content-Type"), "application/json");
  EXPECT_EQ(request.headers.Get("Content-Encoding"), "gzip");
  ExpectContents(*otlp::DecodeMetricsJson(*compress::GzipDecode(request.body, 1 << 20)));
}

TEST_F(ExporterTest, RetriesWhatIsRetryable) {
  for (const int status : {429, 502, 503, 504}) collector_.Answer({.status = status});
  EXPECT_TRUE(Export({}).has_value());
  EXPECT_EQ(collector_.request_count(), 5u);
}

TEST_F(ExporterTest, OtherErrorsAreFinalAndNameTheReason) {
  collector_.Answer({.status = 400,
                     .body = otlp::EncodeStatus({base::Code::kInvalidArgument, "bad metric"},
                                                otlp::Encoding::kProtobuf)});
  const base::Status status = Export({});
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, base::Code::kInvalidArgument);
  EXPECT_TRUE(status.error().message.ends_with("status 400 Bad Request: bad metric"))
      << status.error().message;
  EXPECT_EQ(collector_.request_count(), 1u);
}

TEST_F(ExporterTest, DoesNotWaitLongerThanAllowed) {
  net::HttpResponse response{.status = 503};
  response.headers.Set("Retry-After", "100");
  collector_.Answer(response);
  const base::Status status = Export({}, milliseconds(500));
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, base::Code::kUnavailable);
}

TEST_F(ExporterTest, CancelEndsTheWaitForTheNextAttempt) {
  net::HttpResponse response{.status = 503};
  response.headers.Set("Retry-After", "100");
  collector_.Answer(response);
  OtlpHttpExporter exporter({.url = collector_.url()}, base::SystemClock(), base::NullLogger());
  std::thread cancel([&] {
    collector_.Request(0);
    exporter.Cancel();
  });
  EXPECT_FALSE(exporter.Export(batch_, std::chrono::hours(1)).has_value());
  cancel.join();
}

TEST_F(ExporterTest, ExponentialHistogramsExemplarsAndScopeAttributesArriveWhole) {
  sdk::MeterProvider provider(
      {.readers = {{.histogram_aggregation = sdk::Aggregation::kBase2ExponentialHistogram}},
       .views = {{.attributes = {.without = {"user"}}}},
       .exemplars = sdk::ExemplarFilter::kAlwaysOn});
  const std::vector<sdk::Attribute> scope = {{"shard", 1}};
  const auto meter = provider.GetMeter("scope", "1.2", "", scope);
  const sdk::SpanScope span({.trace_id = {1}, .span_id = {2}, .is_sampled = true});
  const auto latency = meter->CreateDoubleHistogram("latency", "", "s");
  for (double value : {0.0, 1.0, 2.0}) latency->Record(value, {{"user", "ada"}});
  meter->CreateUInt64Counter("requests")->Add(7);
  provider.Collect(batch_);
  ASSERT_TRUE(Export({}).has_value());

  const auto batch = otlp::DecodeMetrics(collector_.Request(0).body);
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(otlp::Text(*otlp::FindAttribute(batch->scopes[0].attributes, "shard")), "1");
  ASSERT_EQ(batch->exponentials.size(), 1u);
  const otlp::ExponentialHistogramPoint& point = batch->exponentials[0];
  EXPECT_EQ(point.count, 3u);
  EXPECT_EQ(point.zero_count, 1u);
  EXPECT_EQ(point.optionals.sum, 3);
  EXPECT_EQ(point.optionals.max, 2);
  const std::string json = otlp::EncodeMetricsJson(*batch);
  for (const char* part :
       {R"("traceId":"01000000000000000000000000000000")", R"("spanId":"0200000000000000")",
        R"("asInt":"7")",
        R"("filteredAttributes":[{"key":"user","value":{"stringValue":"ada"}}])"}) {
    EXPECT_NE(json.find(part), std::string::npos) << part << " in " << json;
  }
}

TEST_F(ExporterTest, SpeaksGrpcAndRetriesWhatTheServerAsksFor) {
  base::Mutex mutex;
  std::vector<net::GrpcRequest> requests;
  auto server = net::GrpcServer::Start(
      {.listen_address = "127.0.0.1:0", .methods = {std::string(otlp::kExportMethod)}},
      [&](net::GrpcRequest request, net::GrpcResponder responder) {
        base::MutexLock lock(mutex);
        requests.push_back(std::move(request));
        if (requests.size() == 1) {
          return responder.Fail({base::Code::kUnavailable, "busy"}, {});
        }
        responder.Send({});
      });
  ASSERT_TRUE(server.has_value());
  net::Headers headers;
  headers.Add("x-key", "k");
  OtlpGrpcExporter exporter({.target = "http://127.0.0.1:" + std::to_string((*server)->port()),
                             .headers = headers,
                             .gzip = true,
                             .retry_delays = {.first = milliseconds(1)}},
                            base::SystemClock(), base::NullLogger());
  EXPECT_TRUE(exporter.Export(batch_, milliseconds(5000)).has_value());
  base::MutexLock lock(mutex);
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[1].metadata.Get("x-key"), "k");
  ExpectContents(*otlp::DecodeMetrics(requests[1].message));
}

TEST_F(ExporterTest, ResourceExhaustedWithoutADelayIsFinal) {
  auto server = net::GrpcServer::Start(
      {.listen_address = "127.0.0.1:0", .methods = {std::string(otlp::kExportMethod)}},
      [&](net::GrpcRequest, net::GrpcResponder responder) {
        responder.Fail({base::Code::kResourceExhausted, "too large"}, {});
      });
  ASSERT_TRUE(server.has_value());
  OtlpGrpcExporter exporter({.target = "http://127.0.0.1:" + std::to_string((*server)->port())},
                            base::SystemClock(), base::NullLogger());
  const base::Status status = exporter.Export(batch_, milliseconds(5000));
  ASSERT_FALSE(status.has_value());
  EXPECT_NE(status.error().message.find("too large"), std::string::npos);
}

TEST_F(ExporterTest, ConsoleWritesALineOfJson) {
  std::string out;
  ConsoleExporter exporter([&](std::string_view line) { out += line; });
  ASSERT_TRUE(exporter.Export(batch_, milliseconds(0)).has_value());
  ASSERT_TRUE(out.ends_with('\n'));
  ExpectContents(*otlp::DecodeMetricsJson(out));
}

TEST(PrometheusReader, EachScrapeIsACollection) {
  sdk::MeterProvider provider;
  auto gauge = provider.GetMeter("m")->CreateInt64ObservableGauge("g");
  int64_t value = 0;
  gauge->AddCallback([&](sdk::ObserverResult<int64_t>& result) { result.Observe(++value); });
  auto reader = PrometheusReader::Start(
      provider, {.listen_address = "127.0.0.1:0", .with_scope = false, .with_target_info = false});
  ASSERT_TRUE(reader.has_value());
  net::HttpClient client;
  const std::string url = "http://127.0.0.1:" + std::to_string((*reader)->port());
  EXPECT_EQ(client.FetchAndWait({.url = url + "/metrics"})->body,
            "# HELP g \n# TYPE g gauge\ng 1\n");
  net::HttpClientRequest open{.url = url + "/metrics"};
  open.headers.Set("Accept", "application/openmetrics-text; version=1.0.0");
  const auto response = client.FetchAndWait(open);
  EXPECT_EQ(response->body, "# HELP g \n# TYPE g gauge\ng 2.0\n# EOF\n");
  EXPECT_EQ(response->headers.Get("Content-Type"),
            "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_EQ(client.FetchAndWait({.url = url + "/"})->status, 404);
  // The port is taken: said, not fatal.
  Settings settings;
  settings.exporter = Settings::Exporter::kPrometheus;
  settings.prometheus_address = url.substr(std::string("http://").size());
  Metrics metrics(settings, base::SystemClock(), base::NullLogger());
  EXPECT_TRUE(metrics.Shutdown().has_value());
}

TEST(Metrics, LastValuesLeaveAtShutdown) {
  FakeCollector collector;
  Settings settings;
  settings.url = collector.url();
  Metrics metrics(settings, base::SystemClock(), base::NullLogger());
  auto counter = metrics.provider().GetMeter("m")->CreateUInt64Counter("c");
  counter->Add(1);
  ASSERT_TRUE(metrics.ForceFlush().has_value());
  counter->Add(1);
  ASSERT_TRUE(metrics.Shutdown().has_value());
  ASSERT_TRUE(metrics.Shutdown().has_value());
  EXPECT_EQ(otlp::DecodeMetrics(collector.Request(0).body)->numbers[0].Int(), 1);
  EXPECT_EQ(otlp::DecodeMetrics(collector.Request(1).body)->numbers[0].Int(), 2);
  EXPECT_EQ(collector.request_count(), 2u);
}

// What the variables name as files, over https and with a certificate of our own.
TEST(Metrics, TrustsAndShowsTheCertificatesOfTheEnvironment) {
  const net::CertificateAuthority authority;
  const net::Identity client = authority.Issue("client");
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "narthex-telemetry-tls";
  std::filesystem::create_directories(folder);
  const auto write = [&](const char* name, const std::string& text) {
    const std::filesystem::path path = folder / name;
    std::ofstream(path) << text;
    return path.string();
  };
  config::TlsServerConfig server_tls;
  server_tls.client_ca.text = authority.cert();
  server_tls.client_auth = config::TlsServerConfig::ClientAuth::kRequireAndVerify;
  std::atomic<int> requests = 0;
  auto server =
      net::HttpServer::Start({.listen_address = "127.0.0.1:0",
                              .tls = net::ServerTls(authority.Issue("server"), server_tls)},
                             [&](net::HttpRequest, net::Responder responder) {
                               ++requests;
                               responder.Send({.status = 200});
                             });
  ASSERT_TRUE(server.has_value());
  Settings settings;
  settings.url = "https://127.0.0.1:" + std::to_string((*server)->port()) + "/v1/metrics";
  settings.ca_file = write("ca.pem", authority.cert());
  settings.cert_file = write("cert.pem", client.cert);
  settings.key_file = write("key.pem", client.key);
  const auto flush = [](const Settings& with) {
    Metrics metrics(with, base::SystemClock(), base::NullLogger());
    metrics.provider().GetMeter("m")->CreateUInt64Counter("c")->Add(1);
    return metrics.ForceFlush().has_value();
  };
  EXPECT_TRUE(flush(settings));
  EXPECT_EQ(requests, 2);  // The last export comes with the end.

  Settings stranger = settings;
  stranger.cert_file = stranger.key_file = "";
  stranger.timeout = milliseconds(300);
  EXPECT_FALSE(flush(stranger));
  EXPECT_EQ(requests, 2);
  // Files that cannot be read: nothing is sent, rather than without them.
  Settings missing = settings;
  missing.ca_file = (folder / "none.pem").string();
  EXPECT_TRUE(flush(missing));
  EXPECT_EQ(requests, 2);
}

TEST(Metrics, ExportsEveryInterval) {
  FakeCollector collector;
  Settings settings;
  settings.url = collector.url();
  settings.interval = milliseconds(1);
  Metrics metrics(settings, base::SystemClock(), base::NullLogger());
  metrics.provider().GetMeter("m")->CreateUInt64Counter("c")->Add(1);
  EXPECT_FALSE(collector.Request(2).body.empty());
}

TEST(Metrics, SwitchedOffSendsNothing) {
  FakeCollector collector;
  Settings settings;
  settings.url = collector.url();
  settings.disabled = true;
  Metrics metrics(settings, base::SystemClock(), base::NullLogger());
  metrics.provider().GetMeter("m")->CreateUInt64Counter("c")->Add(1);
  EXPECT_TRUE(metrics.ForceFlush().has_value());
  EXPECT_TRUE(metrics.Shutdown().has_value());
  EXPECT_EQ(collector.request_count(), 0u);
}

}  // namespace
}  // namespace narthex::telemetry
