#include "processors/resourcedetection/resourcedetection_processor.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/testing/memory_file_system.h"
#include "net/http_server.h"
#include "net/testing/certificates.h"
#include "net/testing/unix_server.h"
#include "otlp/json.h"
#include "otlp/tree.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::processors {
namespace {

using testing::HasSubstr;

class ResourceDetectionTest : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("OTEL_RESOURCE_ATTRIBUTES", "zone=a%20b,host.name=from_env", 1);
    files_.SetContent("/proc/sys/kernel/hostname", "box\n");
    files_.SetContent("/etc/hosts", "127.0.0.1 localhost\n10.0.0.1 box.example.org box # it\n");
    files_.SetContent("/etc/os-release", "NAME=\"Some OS\"\nVERSION_ID=12\n");
    files_.SetContent("/etc/machine-id", "abc\n");
    files_.SetContent("/proc/cpuinfo", "processor : 0\nmodel\t\t: 85\nmodel name\t: Fast CPU\n");
    files_.SetContent("/proc/net/fib_trie",
                      "Local:\n  |-- 10.0.0.1\n     /32 host LOCAL\n  |-- 127.0.0.1\n     /32 host "
                      "LOCAL\n  |-- 10.0.0.255\n     /32 link BROADCAST\n");
    files_.SetContent("/proc/net/if_inet6",
                      "00000000000000000000000000000001 01 80 10 80       lo\n"
                      "fe800000000000000000000000000001 02 40 20 80     eth0\n");
  }
  void TearDown() override { ::unsetenv("OTEL_RESOURCE_ATTRIBUTES"); }

  // What becomes of the resource {zone: old, kept: 1}, as "key=value …".
  std::string After(std::string_view yaml) {
    processor_ = host_.Make(&ResourceDetectionProcessor::Create, yaml, next_);
    EXPECT_EQ(host_.errors(), "");
    EXPECT_TRUE(processor_->Start().has_value());
    return Send();
  }
  std::string Send() {
    const auto batch = otlp::DecodeMetricsJson(
        R"({"resourceMetrics":[{"resource":{"attributes":[
        {"key":"zone","value":{"stringValue":"old"}},{"key":"kept","value":{"intValue":"1"}}]},
        "scopeMetrics":[{"metrics":[{"name":"a","gauge":{"dataPoints":[
        {"timeUnixNano":"1","asInt":"1"}]}}]}]}]})");
    EXPECT_TRUE(processor_->Consume(batch->Clone()).has_value());
    std::string text;
    const otlp::Tree tree = otlp::Tree::From(next_.Take());
    for (const auto& [key, value] : tree.resources[0].attributes) {
      text += key + '=' + otlp::Text(value) + ' ';
    }
    EXPECT_EQ(host_.Imbalance(), 0);
    return text;
  }
  std::string Errors(std::string_view yaml) {
    (void)host_.Make(&ResourceDetectionProcessor::Create, yaml, next_);
    return host_.errors();
  }

  base::MemoryFileSystem files_;
  pipeline::TestHost host_{files_};
  pipeline::FakeConsumer next_;
  std::unique_ptr<pipeline::Processor> processor_;
};

TEST(ResourceDetection, KeepsTheContract) {
  pipeline::ExpectProcessorContract(&ResourceDetectionProcessor::Create,
                                    "{detectors: [env, system], system: {hostname_sources: [os]}}");
}

TEST_F(ResourceDetectionTest, TheEnvironmentIsAskedByDefault) {
  EXPECT_EQ(After(""), "zone=a b kept=1 host.name=from_env ");
}

TEST_F(ResourceDetectionTest, WhatIsThereStaysWhereToldSo) {
  EXPECT_EQ(After("override: false"), "zone=old kept=1 host.name=from_env ");
}

TEST_F(ResourceDetectionTest, TheFirstDetectorThatKnowsAKeyHasIt) {
  EXPECT_EQ(After("detectors: [system, env]"),
            "zone=a b kept=1 host.name=box.example.org os.type=linux ");
  EXPECT_EQ(After("detectors: [env, system]"), "zone=a b kept=1 host.name=from_env os.type=linux ");
}

TEST_F(ResourceDetectionTest, OnlyWhatIsListedIsKept) {
  EXPECT_EQ(After("{detectors: [env, system], attributes: [os.type]}"),
            "zone=old kept=1 os.type=linux ");
}

TEST_F(ResourceDetectionTest, TheSystemKnowsMore) {
  const std::string all = After(
      "{detectors: [system], system: {hostname_sources: [os], resource_attributes: {os.type: "
      "{enabled: false}, host.id: {enabled: true}, host.ip: {enabled: true}, os.name: {enabled: "
      "true}, os.version: {enabled: true}, host.cpu.model.id: {enabled: true}, "
      "host.cpu.model.name: {enabled: true}, host.cpu.family: {enabled: true}}}}");
  EXPECT_THAT(all, HasSubstr("host.name=box "));
  EXPECT_THAT(all, testing::Not(HasSubstr("os.type")));
  EXPECT_THAT(all, HasSubstr("host.id=abc "));
  EXPECT_THAT(all, HasSubstr(R"(host.ip=["10.0.0.1","fe80::1"])"));
  EXPECT_THAT(all, HasSubstr("os.name=Some OS "));
  EXPECT_THAT(all, HasSubstr("os.version=12 "));
  EXPECT_THAT(all, HasSubstr("host.cpu.model.id=85 "));
  EXPECT_THAT(all, HasSubstr("host.cpu.model.name=Fast CPU "));
  EXPECT_THAT(all, testing::Not(HasSubstr("host.cpu.family"))) << "the machine does not say";
}

TEST_F(ResourceDetectionTest, ADetectorThatFailsSaysNothing) {
  files_.SetContent("/proc/sys/kernel/hostname", "");
  EXPECT_EQ(After("detectors: [system, env]"), "zone=a b kept=1 host.name=from_env ");
}

TEST_F(ResourceDetectionTest, DetectsAgainAfterAWhile) {
  EXPECT_EQ(After("{refresh_interval: 10s, detectors: [system], system: {hostname_sources: [os]}}"),
            "zone=old kept=1 host.name=box os.type=linux ");
  files_.SetContent("/proc/sys/kernel/hostname", "other\n");
  EXPECT_THAT(Send(), HasSubstr("host.name=box "));
  host_.clock().AdvanceMs(10'000);
  EXPECT_THAT(Send(), HasSubstr("host.name=other "));
}

std::string DockerAnswer(std::string_view body) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
}

class DockerDetectorTest : public ResourceDetectionTest {
 protected:
  DockerDetectorTest() { ::setenv("DOCKER_HOST", ("unix://" + path_).c_str(), 1); }
  ~DockerDetectorTest() override {
    for (const char* name : {"DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"}) {
      ::unsetenv(name);
    }
  }

  const std::string path_ = testing::TempDir() + "/narthex_docker.sock";
};

TEST_F(DockerDetectorTest, TheDaemonKnowsItsMachine) {
  net::UnixServer daemon(path_, DockerAnswer(R"({"Name":"outside","OSType":"Linux","ID":7})"));
  EXPECT_EQ(After("detectors: [docker, env]"), "zone=a b kept=1 host.name=outside os.type=linux ");
  EXPECT_TRUE(daemon.request().starts_with("GET /info HTTP/1.1\r\n"));
  EXPECT_EQ(After("{detectors: [docker], docker: {resource_attributes: {os.type: {enabled: "
                  "false}}}}"),
            "zone=old kept=1 host.name=outside ");
}

TEST_F(DockerDetectorTest, ADaemonBehindTlsAsksWhoWeAre) {
  const net::CertificateAuthority ca, stranger;
  const net::Identity own = ca.Issue("collector");
  config::TlsServerConfig tls;
  tls.client_ca.text = ca.cert();
  tls.client_auth = config::TlsServerConfig::ClientAuth::kRequireAndVerify;
  const auto daemon =
      net::HttpServer::Start(
          {.listen_address = "127.0.0.1:0",
           .tls = net::ServerTls(ca.Issue("daemon"), std::move(tls))},
          [](const net::HttpRequest&, net::Responder responder) {
            responder.Send(net::HttpResponse::Json(200, R"({"Name":"outside","OSType":"linux"})"));
          })
          .value();
  ::setenv("DOCKER_HOST", fmt::format("tcp://127.0.0.1:{}", daemon->port()).c_str(), 1);
  EXPECT_EQ(After("detectors: [docker]"), "zone=old kept=1 ") << "in the clear";
  ::setenv("DOCKER_CERT_PATH", "/certs", 1);
  EXPECT_EQ(After("detectors: [docker]"), "zone=old kept=1 ") << "without the files";
  files_.SetContent("/certs/cert.pem", own.cert);
  files_.SetContent("/certs/key.pem", own.key);
  files_.SetContent("/certs/ca.pem", stranger.cert());
  const std::string outside = "zone=old kept=1 host.name=outside os.type=linux ";
  EXPECT_EQ(After("detectors: [docker]"), outside) << "whoever answers";
  ::setenv("DOCKER_TLS_VERIFY", "1", 1);
  EXPECT_EQ(After("detectors: [docker]"), "zone=old kept=1 ") << "of another authority";
  files_.SetContent("/certs/ca.pem", ca.cert());
  EXPECT_EQ(After("detectors: [docker]"), outside);
}

TEST_F(DockerDetectorTest, AnswersOfOthersAreNone) {
  net::UnixServer daemon(path_, DockerAnswer(R"({"Name":7})"));
  EXPECT_EQ(After("detectors: [docker]"), "zone=old kept=1 ");
  ::setenv("DOCKER_HOST", "ssh://somewhere", 1);
  EXPECT_EQ(After("detectors: [docker, system]"), After("detectors: [system]"));
}

TEST_F(DockerDetectorTest, AnAbsentDaemonIsToldOnceAndTheOthersGoOn) {
  base::Logger logger(base::LogLevel::kInfo, base::LogFormat::kLogfmt);
  pipeline::Host loud{host_.host().env, logger, host_.host().meter, host_.host().instruments};
  ResourceDetectionProcessor processor({.detectors = {"docker", "env"},
                                        .refresh_interval = std::chrono::seconds(1),
                                        .docker = {.attributes = {"host.name"}}},
                                       "resourcedetection", loud, next_);
  const auto refresh = [&] {
    host_.clock().AdvanceMs(1'000);
    EXPECT_TRUE(processor.Consume(pipeline::GaugeBatch(1)).has_value());
    return otlp::Tree::From(next_.Take()).resources.at(0).attributes;
  };
  testing::internal::CaptureStderr();
  ASSERT_TRUE(processor.Start().has_value());
  EXPECT_EQ(*otlp::Find(refresh(), "host.name"), otlp::Any("from_env"));
  refresh();
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("failed to detect resource"), HasSubstr("detector=docker"),
                    testing::Not(testing::ContainsRegex("failed(.|\n)*failed to detect"))));
  const net::UnixServer daemon(path_, DockerAnswer(R"({"Name":"outside","OSType":"linux"})"));
  testing::internal::CaptureStderr();
  EXPECT_EQ(*otlp::Find(refresh(), "host.name"), otlp::Any("outside"));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("a detector works again"));
}

TEST_F(ResourceDetectionTest, MistakesInItsConfiguration) {
  EXPECT_THAT(Errors("detectors: [dokcer]"),
              HasSubstr("invalid detector key: \"dokcer\"; there are docker, env and system"));
  EXPECT_THAT(Errors("docker: {resource_attributes: {host.id: {enabled: true}}}"),
              HasSubstr("unknown key \"host.id\""));
  EXPECT_THAT(Errors("timeout: 0s"), HasSubstr("timeout: must be a positive duration"));
  EXPECT_THAT(Errors("system: {hostname_sources: [oracle]}"), HasSubstr("no hostname source"));
  EXPECT_THAT(Errors("system: {resource_attributes: {host.nam: {enabled: true}}}"),
              HasSubstr("did you mean"));
}

}  // namespace
}  // namespace narthex::processors
