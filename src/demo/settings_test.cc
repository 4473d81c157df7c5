#include "demo/settings.h"

#include <gmock/gmock.h>

#include "base/testing/memory_file_system.h"
#include "net/http_server.h"

namespace narthex::demo {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

TEST(RewriteConfig, ChangesPortsAndIntervalsOnly) {
  Ports ports;
  ports.exporter = 18889;
  ports.otlp_http = 5000;
  EXPECT_EQ(RewriteConfig("global:\n"
                          "  scrape_interval: 10s  # comment\n"
                          "jobs:\n"
                          "  - scrape_interval: 1m\n"
                          "    targets: [\"localhost:8889\", \"x:88890\", 'y:8888']\n"
                          "    port: 8888\n"
                          "    endpoint: 0.0.0.0:4318",
                          ports, 1500),
            "global:\n"
            "  scrape_interval: 1s500ms\n"
            "jobs:\n"
            "  - scrape_interval: 1s500ms\n"
            "    targets: [\"localhost:18889\", \"x:88890\", 'y:8888']\n"
            "    port: 8888\n"
            "    endpoint: 0.0.0.0:5000");
  EXPECT_EQ(RewriteConfig("scrape_interval: 10s\n", Ports(), 0), "scrape_interval: 10s\n");
}

Settings TestSettings() {
  Settings settings;
  settings.program = "/bin/narthex";
  settings.config_directory = "config";
  settings.data_directory = "data";
  settings.run = "run1";
  return settings;
}

TEST(Settings, ChildrenGetTheirPortsAndFiles) {
  Settings settings = TestSettings();
  settings.ports.server = 19090;
  settings.duration = std::chrono::seconds(20);
  EXPECT_THAT(ServerSpec(settings).arguments, Contains("--web.listen-address=127.0.0.1:19090"));
  EXPECT_THAT(ServerSpec(settings).arguments, Contains("--storage.tsdb.path=data/prometheus"));
  EXPECT_THAT(CollectorSpec(settings).arguments, Contains("data/run/otel-collector-config.yaml"));
  EXPECT_EQ(ApiSpec(settings, 2).variables.at("OTEL_RESOURCE_ATTRIBUTES"),
            "service.instance.id=run1.2");
  EXPECT_THAT(LoadSpec(settings).arguments, Contains("--duration=20000ms"));
}

TEST(Settings, FilesArePrepared) {
  base::MemoryFileSystem files;
  const Settings settings = TestSettings();
  EXPECT_THAT(PrepareFiles(settings, files).error().message, HasSubstr("otel-collector-config"));
  ASSERT_TRUE(files.CreateDirectories("config").has_value());
  for (const char* file : {"config/otel-collector-config.yaml", "config/prometheus.yml"}) {
    ASSERT_TRUE(base::WriteFileAtomically(files, file, "scrape_interval: 10s\n").has_value());
  }
  ASSERT_TRUE(PrepareFiles(settings, files).has_value());
  EXPECT_EQ(*base::ReadFile(files, "data/run/prometheus.yml"), "scrape_interval: 1s\n");
  EXPECT_EQ(*base::ReadFile(files, "data/run/otel-collector-config.yaml"),
            "scrape_interval: 10s\n");
}

TEST(Settings, TakenPortIsNamed) {
  const auto taken = net::HttpServer::Bind({.listen_address = "127.0.0.1:0"}).value();
  Settings settings = TestSettings();
  settings.ports = {.api = taken->port(),
                    .otlp_grpc = 0,
                    .otlp_http = 0,
                    .exporter = 0,
                    .telemetry = 0,
                    .health = 0,
                    .server = 0};
  EXPECT_THAT(CheckPortsFree(settings).error().message,
              HasSubstr(std::to_string(taken->port()) + ": Address already in use"));
}

}  // namespace
}  // namespace narthex::demo
