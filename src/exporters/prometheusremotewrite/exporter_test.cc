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
                                        reply.Send({.status = status_});
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
    base::Status result = exporter_->Consume(pipeline::GaugeBatch(3));
    EXPECT_EQ(host_.Imbalance(), 0);
    return result;
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
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<pipeline::Exporter> exporter_;
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
  ASSERT_TRUE(Export(204, ", protobuf_message: io.prometheus.write.v2.Request").has_value());
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
