#include "exporters/otlp_grpc/otlp_grpc_exporter.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "net/grpc_server.h"
#include "otlp/response.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::exporters {
namespace {

using base::Code;
using testing::HasSubstr;

class OtlpGrpcExporterTest : public testing::Test {
 protected:
  void SetUp() override {
    server_ = *net::GrpcServer::Start(
        {.listen_address = "127.0.0.1:0",
         .methods = {"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"}},
        [this](net::GrpcRequest request, net::GrpcResponder responder) {
          base::MutexLock lock(mutex_);
          requests_.push_back(std::move(request));
          if (error_.has_value()) return responder.Fail(*error_, details_);
          responder.Send(answer_);
        });
  }
  void TearDown() override { server_->Stop(std::chrono::milliseconds(0)); }

  base::Status Export(std::string_view keys) {
    exporter_ = host_.Make(
        &OtlpGrpcExporter::Create,
        fmt::format("endpoint: 127.0.0.1:{}\ntls: {{insecure: true}}\n"
                    "sending_queue: {{enabled: false}}\n"
                    "retry_on_failure: {{initial_interval: 1ms, max_elapsed_time: 1s}}\n{}",
                    server_->port(), keys));
    EXPECT_EQ(host_.errors(), "");
    EXPECT_TRUE(exporter_->Start().has_value());
    return exporter_->Consume(pipeline::GaugeBatch(3));
  }
  std::string Errors(std::string_view yaml) {
    (void)host_.Make(&OtlpGrpcExporter::Create, yaml);
    return host_.errors();
  }

  pipeline::TestHost host_;
  base::Mutex mutex_;
  std::vector<net::GrpcRequest> requests_ GUARDED_BY(mutex_);
  std::optional<base::Error> error_ GUARDED_BY(mutex_);
  std::string details_ GUARDED_BY(mutex_);
  std::string answer_ GUARDED_BY(mutex_);
  std::unique_ptr<net::GrpcServer> server_;
  std::unique_ptr<pipeline::Exporter> exporter_;
};

TEST_F(OtlpGrpcExporterTest, SendsTheBytesThatCameIn) {
  ASSERT_TRUE(Export("headers: {x-tenant: shop}").has_value());
  base::MutexLock lock(mutex_);
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(requests_[0].message, pipeline::GaugeRequest(3));
  EXPECT_EQ(requests_[0].metadata.Get("x-tenant"), "shop");
  EXPECT_EQ(host_.Count("otelcol_exporter_sent_metric_points"), 3);
}

TEST_F(OtlpGrpcExporterTest, EveryCompression) {
  for (const char* codec : {"gzip", "snappy", "zstd"}) {
    ASSERT_TRUE(Export(fmt::format("compression: {}", codec)).has_value()) << codec;
    base::MutexLock lock(mutex_);
    EXPECT_EQ(requests_.at(requests_.size() - 1).message, pipeline::GaugeRequest(3)) << codec;
  }
}

TEST_F(OtlpGrpcExporterTest, AFinalAnswerIsFinal) {
  {
    base::MutexLock lock(mutex_);
    error_ = {Code::kInvalidArgument, "no such tenant"};
  }
  EXPECT_THAT(Export("").error().message, HasSubstr("no such tenant"));
  base::MutexLock lock(mutex_);
  EXPECT_EQ(requests_.size(), 1u);
}

TEST_F(OtlpGrpcExporterTest, ExhaustedIsFinalUnlessTheServerSaysWhenToCome) {
  {
    base::MutexLock lock(mutex_);
    error_ = {Code::kResourceExhausted, "quota"};
  }
  EXPECT_EQ(Export("").error().code, Code::kInternal);
  EXPECT_EQ(host_.Imbalance(), 0);
  base::MutexLock lock(mutex_);
  EXPECT_EQ(requests_.size(), 1u);
}

TEST_F(OtlpGrpcExporterTest, SendsThroughAUnixSocket) {
  const std::string path = fmt::format("{}g{}.sock", testing::TempDir(), getpid());
  const auto server =
      net::GrpcServer::Start(
          {.listen_address = "unix:" + path, .methods = {std::string(otlp::kExportMethod)}},
          [](const net::GrpcRequest& request, net::GrpcResponder responder) {
            EXPECT_EQ(request.metadata.Get("x-tenant"), "shop");
            responder.Send("");
          })
          .value();
  for (const std::string& target : {"unix://" + path, "unix:" + path}) {
    const auto exporter = host_.Make(
        &OtlpGrpcExporter::Create,
        fmt::format("endpoint: {}\ntls: {{insecure: true}}\nheaders: {{x-tenant: shop}}\n"
                    "sending_queue: {{enabled: false}}",
                    target));
    EXPECT_EQ(host_.errors(), "");
    ASSERT_TRUE(exporter->Start().has_value());
    EXPECT_TRUE(exporter->Consume(pipeline::GaugeBatch(3)).has_value());
  }
}

TEST_F(OtlpGrpcExporterTest, CountsAPartialSuccess) {
  {
    base::MutexLock lock(mutex_);
    answer_ = otlp::EncodeExportResponse({2, "too old"}, otlp::Encoding::kProtobuf);
  }
  ASSERT_TRUE(Export("compression: none").has_value());
  EXPECT_EQ(host_.Count("otelcol_exporter_sent_metric_points"), 1);
  EXPECT_EQ(host_.Count("narthex_points_lost", "rejected_by_server"), 2);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(OtlpGrpcExporterTest, MistakesInItsConfiguration) {
  EXPECT_THAT(Errors(""), HasSubstr("requires a non-empty \"endpoint\""));
  EXPECT_EQ(Errors("endpoint: localhost:4317"), "");
  EXPECT_EQ(Errors("endpoint: https://localhost:4317"), "");
  EXPECT_EQ(Errors("endpoint: unix:///x"), "");
  EXPECT_THAT(Errors("endpoint: 'unix://'"), HasSubstr("endpoint: must be unix:///path"));
  EXPECT_THAT(Errors("endpoint: ftp://x"), HasSubstr("test.yaml:1:11: endpoint: only http://"));
  EXPECT_THAT(Errors("endpoint: localhost\ntls: {insecure: true}"), HasSubstr("host:port"));
  EXPECT_THAT(Errors("endpoint: http://a:1\ntls: {cert_file: x}"), HasSubstr("key_file: TLS"));
  EXPECT_THAT(Errors("endpoint: http://a:1\ncompression: lz4"), HasSubstr("unsupported"));
  EXPECT_EQ(Errors("endpoint: http://a:1"), "");
  EXPECT_EQ(Errors("endpoint: dns:///a:1\ntls: {insecure: true}"), "");
}

// Nobody listens: what is taken is tried once more at the end, and counted as lost.
TEST(OtlpGrpcExporter, KeepsTheContract) {
  pipeline::ExpectExporterContract(
      &OtlpGrpcExporter::Create,
      "{endpoint: 'http://127.0.0.1:1', retry_on_failure: {enabled: false}}");
}

}  // namespace
}  // namespace narthex::exporters
