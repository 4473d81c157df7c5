#include "exporters/prometheusremotewrite/exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/mutex.h"
#include "compress/compress.h"
#include "exporters/prometheusremotewrite/testing/read_message.h"
#include "net/http_server.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::exporters {
namespace {

using base::Code;
using testing::HasSubstr;

class RemoteWriteExporterTest : public testing::Test {
 protected:
  void SetUp() override {
    server_ = *net::HttpServer::Start({.listen_address = "127.0.0.1:0"},
                                      [this](net::HttpRequest request, net::Responder reply) {
                                        base::MutexLock lock(mutex_);
                                        requests_.push_back(std::move(request));
                                        reply.Send({.status = status_, .headers = headers_});
                                      });
  }
  void TearDown() override { server_->Stop(std::chrono::milliseconds(0)); }

  // One batch without a queue: the server's word is the answer.
  base::Status Export(int status, std::string_view keys = "") {
    {
      base::MutexLock lock(mutex_);
      status_ = status;
    }
    exporter_ = host_.Make(
        &RemoteWriteExporter::Create,
        fmt::format("{{endpoint: 'http://127.0.0.1:{}/api/v1/write', retry_on_failure: {{enabled: "
                    "false}}, remote_write_queue: {{enabled: false}}{}}}",
                    server_->port(), keys));
    EXPECT_EQ(host_.errors(), "");
    base::Status result = exporter_->Consume(*otlp::DecodeMetrics(batch_));
    EXPECT_EQ(host_.Imbalance(), 0);
    return result;
  }
  // The same in version 2, to a server that says what it has written; "" for not a word.
  base::Status Export2(int status, const std::string& samples, const std::string& exemplars = "0") {
    {
      base::MutexLock lock(mutex_);
      headers_ = {};
      if (!samples.empty()) {
        headers_.Set("X-Prometheus-Remote-Write-Samples-Written", samples);
        headers_.Set("X-Prometheus-Remote-Write-Histograms-Written", "0");
        headers_.Set("X-Prometheus-Remote-Write-Exemplars-Written", exemplars);
      }
    }
    return Export(status, ", protobuf_message: io.prometheus.write.v2.Request");
  }
  // Points that count as sent and as lost since the last call.
  std::pair<int64_t, int64_t> Books() {
    const int64_t sent = host_.Count("otelcol_exporter_sent_metric_points"),
                  failed = host_.Count("otelcol_exporter_send_failed_metric_points");
    return {sent - std::exchange(sent_, sent), failed - std::exchange(failed_, failed)};
  }
  net::HttpRequest LastRequest() {
    base::MutexLock lock(mutex_);
    return requests_.at(requests_.size() - 1);
  }
  std::string Errors(std::string_view yaml) {
    (void)host_.Make(&RemoteWriteExporter::Create, yaml);
    return host_.errors();
  }

  pipeline::TestHost host_;
  base::Mutex mutex_;
  std::vector<net::HttpRequest> requests_ GUARDED_BY(mutex_);
  int status_ GUARDED_BY(mutex_) = 200;
  net::Headers headers_ GUARDED_BY(mutex_);
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<pipeline::Exporter> exporter_;
  std::string batch_ = pipeline::GaugeRequest(3);
  int64_t sent_ = 0, failed_ = 0;
};

TEST(RemoteWriteExporter, KeepsTheContract) {
  pipeline::ExpectExporterContract(
      &RemoteWriteExporter::Create,
      "{endpoint: 'http://127.0.0.1:1', retry_on_failure: {enabled: false}}");
}

TEST_F(RemoteWriteExporterTest, SendsBothVersions) {
  ASSERT_TRUE(Export(204).has_value());
  net::HttpRequest request = LastRequest();
  EXPECT_EQ(request.path, "/api/v1/write");
  EXPECT_EQ(request.headers.Get("Content-Encoding"), "snappy");
  EXPECT_EQ(request.headers.Get("Content-Type"), "application/x-protobuf");
  EXPECT_EQ(request.headers.Get("X-Prometheus-Remote-Write-Version"), "0.1.0");
  EXPECT_EQ(ReadMessage(*compress::SnappyDecode(request.body, 1 << 20), false).size(), 3u);
  ASSERT_TRUE(Export2(204, "3").has_value());
  request = LastRequest();
  EXPECT_EQ(request.headers.Get("Content-Type"),
            "application/x-protobuf;proto=io.prometheus.write.v2.Request");
  EXPECT_EQ(request.headers.Get("X-Prometheus-Remote-Write-Version"), "2.0.0");
  EXPECT_EQ(ReadMessage(*compress::SnappyDecode(request.body, 1 << 20), true).size(), 3u);
  EXPECT_EQ(host_.Count("otelcol_exporter_sent_metric_points"), 6);
}

TEST_F(RemoteWriteExporterTest, ServersWords) {
  EXPECT_EQ(Export(400).error().code, Code::kInvalidArgument);
  EXPECT_EQ(Export(503).error().code, Code::kUnavailable);
  EXPECT_EQ(host_.Count("otelcol_exporter_send_failed_metric_points"), 6);
}

using Points = std::pair<int64_t, int64_t>;

TEST_F(RemoteWriteExporterTest, WhatAServerWroteOfARefusedRequestCountsAsSent) {
  EXPECT_EQ(Export2(400, "2").error().code, Code::kInvalidArgument);
  EXPECT_EQ(Books(), Points(2, 1));
  EXPECT_FALSE(Export2(400, "0").has_value());
  EXPECT_EQ(Books(), Points(0, 3));
  EXPECT_FALSE(Export2(400, "").has_value());
  EXPECT_EQ(Books(), Points(0, 3));
  EXPECT_FALSE(Export2(400, "7").has_value());
  EXPECT_EQ(Books(), Points(3, 0));
  // Version 1 has no such headers, whatever is in them.
  EXPECT_FALSE(Export(400).has_value());
  EXPECT_EQ(Books(), Points(0, 3));
}

TEST_F(RemoteWriteExporterTest, WhatIsToBeSentAgainIsNotCountedByParts) {
  EXPECT_FALSE(Export2(503, "2").has_value());
  EXPECT_EQ(Books(), Points(0, 3));
}

TEST_F(RemoteWriteExporterTest, ASuccessIsWhatTheServerWrote) {
  ASSERT_TRUE(Export2(200, "2").has_value());
  EXPECT_EQ(Books(), Points(2, 1));
  EXPECT_EQ(host_.Count("narthex_points_lost", "rejected_by_server"), 1);
  const base::Status silent = Export2(200, "");
  ASSERT_FALSE(silent.has_value()) << "an old server reads a message of version 2 as empty";
  EXPECT_THAT(silent.error().message, HasSubstr("nothing was written"));
  EXPECT_FALSE(Export2(200, "0").has_value());
  for (const char* damaged : {"-1", "2x", "99999999999999999999999", " "}) {
    EXPECT_FALSE(Export2(200, damaged).has_value()) << damaged;
  }
  EXPECT_EQ(Books(), Points(0, 18));
  EXPECT_TRUE(Export2(200, "0", "1").has_value());
  EXPECT_EQ(Books(), Points(0, 3));
}

// A histogram is as many samples as it has series, and its points are lost by their share.
TEST_F(RemoteWriteExporterTest, PointsOfManySamplesCountByTheirShare) {
  otlp::Writer writer;
  const auto resource = writer.Begin(1), scope = writer.Begin(2), metric = writer.Begin(2);
  writer.Bytes(1, "h");
  const auto histogram = writer.Begin(9);
  for (uint64_t i = 0; i < 4; ++i) {
    const auto point = writer.Begin(1);
    writer.Fixed64(3, 1'000'000 * (i + 1));
    writer.End(point);
  }
  writer.Varint(2, 2);
  for (const auto& mark : {histogram, metric, scope, resource}) writer.End(mark);
  batch_ = writer.Take();
  // Each is _count and the bucket +Inf.
  EXPECT_FALSE(Export2(400, "5").has_value());
  EXPECT_EQ(Books(), Points(2, 2));
}

TEST_F(RemoteWriteExporterTest, MistakesInItsConfiguration) {
  EXPECT_THAT(Errors("{}"), HasSubstr("endpoint: must be a URL"));
  EXPECT_THAT(Errors("{endpoint: 'http://a', wal: {directory: x}}"),
              HasSubstr("test.yaml:1:29: wal: is not supported"));
  EXPECT_THAT(Errors("{endpoint: 'http://a', protobuf_message: v3}"), HasSubstr("must be prom"));
  EXPECT_THAT(Errors("{endpoint: 'http://a', external_labels: {a: ''}}"),
              HasSubstr("external labels need"));
  EXPECT_THAT(Errors("{endpoint: 'http://a', remote_write_queue: {queue_size: 0}}"),
              HasSubstr("queue_size: must be positive"));
  EXPECT_THAT(Errors("{endpoint: 'http://a', sending_queue: {}}"), HasSubstr("unknown key"));
}

}  // namespace
}  // namespace narthex::exporters
