#include "exporters/otlp_http/otlp_http_exporter.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "base/mutex.h"
#include "compress/compress.h"
#include "net/http_server.h"
#include "otlp/json.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::exporters {
namespace {

using base::Code;
using testing::HasSubstr;

class OtlpHttpExporterTest : public testing::Test {
 protected:
  void SetUp() override {
    server_ = *net::HttpServer::Start({.listen_address = "127.0.0.1:0"},
                                      [this](net::HttpRequest request, net::Responder reply) {
                                        base::MutexLock lock(mutex_);
                                        requests_.push_back(std::move(request));
                                        net::HttpResponse answer = answer_;
                                        reply.Send(std::move(answer));
                                      });
  }
  void TearDown() override { server_->Stop(std::chrono::milliseconds(0)); }

  // One batch without a queue or retries: the server's word is the answer.
  base::Status Export(std::string_view keys,
                      std::string_view retry = "retry_on_failure: {enabled: false}") {
    exporter_ =
        host_.Make(&OtlpHttpExporter::Create, fmt::format("endpoint: http://127.0.0.1:{}/base/\n"
                                                          "sending_queue: {{enabled: false}}\n"
                                                          "{}\n{}",
                                                          server_->port(), retry, keys));
    EXPECT_EQ(host_.errors(), "");
    EXPECT_TRUE(exporter_->Start().has_value());
    return exporter_->Consume(pipeline::GaugeBatch(3));
  }
  void Answer(net::HttpResponse answer) {
    base::MutexLock lock(mutex_);
    answer_ = std::move(answer);
  }
  net::HttpRequest LastRequest() {
    base::MutexLock lock(mutex_);
    return requests_.at(requests_.size() - 1);
  }
  std::string Errors(std::string_view yaml) {
    (void)host_.Make(&OtlpHttpExporter::Create, yaml);
    return host_.errors();
  }

  pipeline::TestHost host_;
  base::Mutex mutex_;
  std::vector<net::HttpRequest> requests_ GUARDED_BY(mutex_);
  net::HttpResponse answer_ GUARDED_BY(mutex_);
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<pipeline::Exporter> exporter_;
};

TEST_F(OtlpHttpExporterTest, SendsTheBytesThatCameIn) {
  ASSERT_TRUE(Export("headers: {X-Tenant: shop}").has_value());
  const net::HttpRequest request = LastRequest();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/base/v1/metrics");
  EXPECT_EQ(request.headers.Get("Content-Type"), "application/x-protobuf");
  EXPECT_EQ(request.headers.Get("X-Tenant"), "shop");
  EXPECT_EQ(
      compress::Decode(request.headers.Get("Content-Encoding"), request.body, 1 << 20).value(),
      pipeline::GaugeRequest(3));
  EXPECT_EQ(host_.Count("otelcol_exporter_sent_metric_points"), 3);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(OtlpHttpExporterTest, SpeaksJsonToAnAddressOfItsOwn) {
  ASSERT_TRUE(Export(fmt::format("encoding: json\ncompression: none\n"
                                 "metrics_endpoint: http://127.0.0.1:{}/in",
                                 server_->port()))
                  .has_value());
  EXPECT_EQ(LastRequest().path, "/in");
  EXPECT_EQ(LastRequest().headers.Get("Content-Type"), "application/json");
  EXPECT_FALSE(LastRequest().headers.Has("Content-Encoding"));
  EXPECT_EQ(otlp::DecodeMetricsJson(LastRequest().body)->point_count(), 3u);
}

TEST_F(OtlpHttpExporterTest, EveryCompression) {
  for (const char* codec :
       {"gzip", "zstd", "snappy", "zlib", "deflate", "lz4", "x-snappy-framed"}) {
    ASSERT_TRUE(Export(fmt::format("compression: {}", codec)).has_value()) << codec;
    EXPECT_EQ(LastRequest().headers.Get("Content-Encoding"), codec);
    EXPECT_EQ(compress::Decode(codec, LastRequest().body, 1 << 20).value(),
              pipeline::GaugeRequest(3));
  }
}

TEST_F(OtlpHttpExporterTest, TracesGoThroughAQueueOfTheirOwn) {
  exporter_ = host_.Make(&OtlpHttpExporter::Create,
                         fmt::format("endpoint: http://127.0.0.1:{}", server_->port()));
  pipeline::Passage* passage = exporter_->PassageOf(pipeline::Signal::kTraces);
  ASSERT_TRUE(exporter_->Start().has_value());
  std::optional<pipeline::PassedAnswer> answer;
  passage->Pass({.signal = pipeline::Signal::kTraces,
                 .encoding = otlp::Encoding::kJson,
                 .bytes = "{\"resourceSpans\":[]}",
                 .items = 2},
                [&](pipeline::PassedAnswer given) { answer = std::move(given); });
  ASSERT_TRUE(answer.has_value()) << "the queue answers at once";
  EXPECT_TRUE(answer->status.has_value());
  exporter_->Stop();
  EXPECT_EQ(LastRequest().path, "/v1/traces");
  EXPECT_EQ(LastRequest().headers.Get("Content-Type"), "application/json");
  EXPECT_EQ(compress::GzipDecode(LastRequest().body, 1 << 20).value(), "{\"resourceSpans\":[]}");
  EXPECT_EQ(host_.Count("otelcol_exporter_sent_spans"), 2);
}

TEST_F(OtlpHttpExporterTest, TellsWhatTheServerSaid) {
  net::HttpResponse refusal{.status = 400};
  refusal.headers.Set("Content-Type", "application/x-protobuf");
  refusal.body =
      otlp::EncodeStatus({Code::kInvalidArgument, "no such tenant"}, otlp::Encoding::kProtobuf);
  Answer(refusal);
  const base::Status status = Export("");
  EXPECT_EQ(status.error().code, Code::kInvalidArgument);
  EXPECT_THAT(status.error().message, HasSubstr("status 400 Bad Request: no such tenant"));
  EXPECT_EQ(host_.Count("otelcol_exporter_send_failed_metric_points"), 3);
}

TEST_F(OtlpHttpExporterTest, CountsAPartialSuccess) {
  net::HttpResponse partial{.status = 200};
  partial.headers.Set("Content-Type", "application/x-protobuf");
  partial.body = otlp::EncodeExportResponse({2, "too old"}, otlp::Encoding::kProtobuf);
  Answer(partial);
  ASSERT_TRUE(Export("").has_value());
  EXPECT_EQ(host_.Count("otelcol_exporter_sent_metric_points"), 1);
  EXPECT_EQ(host_.Count("narthex_points_lost", "rejected_by_server"), 2);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(OtlpHttpExporterTest, WaitsAsLongAsTheServerAsks) {
  net::HttpResponse busy{.status = 503};
  busy.headers.Set("Retry-After", "2");
  Answer(busy);
  // The next attempt would be past the end, so there is none.
  const base::Status status =
      Export("", "retry_on_failure: {initial_interval: 1ms, max_elapsed_time: 1s}");
  EXPECT_EQ(status.error().code, Code::kUnavailable);
  base::MutexLock lock(mutex_);
  EXPECT_EQ(requests_.size(), 1u);
}

TEST_F(OtlpHttpExporterTest, MistakesInItsConfiguration) {
  EXPECT_THAT(Errors(""), HasSubstr("at least one endpoint must be specified"));
  EXPECT_THAT(Errors("endpoint: localhost:4318"), HasSubstr("test.yaml:1:11: endpoint: must be"));
  const std::string good = "endpoint: http://localhost:4318\n";
  EXPECT_EQ(Errors(good + "tls: {insecure: true}"), "");
  EXPECT_THAT(Errors(good + "tls: {cert_file: x}"), HasSubstr("test.yaml:2:6: key_file: TLS"));
  EXPECT_THAT(Errors(good + "compression: br"), HasSubstr("unsupported compression"));
  EXPECT_EQ(Errors(good + "compression: zstd\ncompression_params: {level: 3}"), "");
  EXPECT_EQ(Errors(good + "compression_params: {level: -1}"), "");
  EXPECT_THAT(Errors(good + "compression_params: {level: 10}"),
              HasSubstr("unsupported parameters"));
  EXPECT_THAT(Errors(good + "compression: snappy\ncompression_params: {level: 1}"),
              HasSubstr("unsupported parameters"));
  EXPECT_THAT(Errors(good + "encoding: xml"), HasSubstr("must be proto or json"));
  EXPECT_THAT(Errors(good + "headers: {\"a b\": c}"), HasSubstr("is not a header"));
  EXPECT_EQ(Errors(good + "headers: [{name: a, value: b}]"), "");
  EXPECT_THAT(Errors(good + "endpont: x"), HasSubstr("did you mean"));
}

// Nobody listens: what is taken is tried once more at the end, and counted as lost.
TEST(OtlpHttpExporter, KeepsTheContract) {
  pipeline::ExpectExporterContract(
      &OtlpHttpExporter::Create,
      "{endpoint: 'http://127.0.0.1:1', retry_on_failure: {enabled: false}}");
}

}  // namespace
}  // namespace narthex::exporters
