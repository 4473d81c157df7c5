#include "server/config.h"

#include <gtest/gtest.h>

#include "server/api_sources.h"

namespace narthex::server {
namespace {

TEST(Config, ReadsWhatItKnowsAndWarnsOfTheRest) {
  const auto config = ParseConfig(R"(
global:
  scrape_interval: 10s
  external_labels: {cluster: a}
rule_files: [rules.yml]
scrape_configs:
  - job_name: x
    static_configs: [{targets: ["localhost:1"]}]
storage:
  tsdb:
    retention: {time: 3d, size: 2GB, percentage: 12.5}
    out_of_order_time_window: 30m
)",
                                  "p.yml");
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->global.external_labels.Get("cluster"), "a");
  EXPECT_EQ(config->jobs.at(0).interval_ms, 10'000);
  EXPECT_EQ(config->retention_ms, 3 * 86'400'000);
  EXPECT_EQ(config->retention_bytes, uint64_t{2} << 30);
  EXPECT_EQ(config->retention_percentage, 12.5);
  EXPECT_EQ(config->late_window_ms, 30 * 60'000);
  EXPECT_EQ(config->warnings, std::vector<std::string>{"line 5: rule_files has no effect in this "
                                                       "version"});
}

TEST(Config, ReportsEveryMistakeWithItsPlace) {
  const auto config = ParseConfig(R"(global: {scrape_interval: 15x}
scrape_configs:
  - job_name: a
  - job_name: a
    metrics_pth: /x
alertin: {}
storage: {tsdb: {retention: {percentage: 101}}}
)",
                                  "p.yml");
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().message,
            "p.yml:1:27: scrape_interval: \"15x\" is not a duration (such as 15s or 1h30m)\n"
            "p.yml:5:5: unknown key \"metrics_pth\" (did you mean \"metrics_path\"?)\n"
            "p.yml:4:5: found multiple scrape configs with job name \"a\"\n"
            "p.yml:7:42: storage.tsdb.retention.percentage: expected 0 to 100\n"
            "p.yml:6:1: unknown key \"alertin\" (did you mean \"alerting\"?)");
}

TEST(Config, MasksSecrets) {
  EXPECT_EQ(MaskSecrets("a:\n  password: hunter2\n  username: me\n  - credentials: x\n"),
            "a:\n  password: <secret>\n  username: me\n  - credentials: <secret>\n");
  EXPECT_EQ(MaskSecrets("basic_auth: {username: u, password: p, x: y}\n\"password\": q\n"),
            "basic_auth: {username: u, password: <secret>\n\"password\": <secret>\n");
  EXPECT_EQ(MaskSecrets("my_password_file: /run/x\nkeys: [a]\n"),
            "my_password_file: /run/x\nkeys: [a]\n");
}

}  // namespace
}  // namespace narthex::server
