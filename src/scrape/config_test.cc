#include "scrape/config.h"

#include <gtest/gtest.h>

#include "scrape/target.h"

namespace narthex::scrape {
namespace {

struct Read {
  JobConfig job;
  std::vector<std::string> findings;
  std::vector<std::string> warnings;
};

Read ReadJob(std::string_view text) {
  Read result;
  const config::Node node = *config::ParseYaml(text, "p.yml");
  config::Diagnostics diagnostics("p.yml");
  result.job = ReadJobConfig(node, GlobalConfig{}, diagnostics, result.warnings);
  result.findings = diagnostics.findings();
  return result;
}

TEST(JobConfig, MakesTargets) {
  const Read read = ReadJob(R"(
job_name: web
scrape_interval: 5s
metrics_path: /m
params:
  module: [a b, c]
static_configs:
  - targets: [host1:80, host2:80, host3:80]
    labels: {env: test}
relabel_configs:
  - source_labels: [__address__]
    regex: host3.*
    action: drop
  - source_labels: [__address__]
    regex: host2:(.*)
    target_label: instance
    replacement: second
)");
  ASSERT_TRUE(read.findings.empty()) << read.findings[0];
  const Targets targets = TargetsOf(read.job, {});
  ASSERT_EQ(targets.active.size(), 2u);
  EXPECT_EQ(targets.active[0].labels.ToString(), R"({env="test", instance="host1:80", job="web"})");
  EXPECT_EQ(targets.active[0].url, "http://host1:80/m?module=a%20b&module=c");
  EXPECT_EQ(targets.active[0].timeout_ms, 5000);
  EXPECT_EQ(targets.active[1].labels.Get("instance"), "second");
  EXPECT_EQ(targets.dropped.size(), 1u);
  const int64_t offset = OffsetOf(targets.active[0], 7);
  EXPECT_TRUE(offset >= 0 && offset < 5000);
  EXPECT_EQ(offset, OffsetOf(targets.active[0], 7));
}

TEST(JobConfig, PathsAreRelativeToTheFile) {
  Read read = ReadJob("{job_name: a, tls_config: {ca_file: ca.pem, cert_file: /c.pem, key: K}}");
  ASSERT_TRUE(read.findings.empty()) << read.findings[0];
  ResolvePaths("/etc/p", read.job);
  EXPECT_EQ(read.job.client.tls->ca.file, "/etc/p/ca.pem");
  EXPECT_EQ(read.job.client.tls->cert.file, "/c.pem");
  EXPECT_EQ(read.job.client.tls->key.file, "");
}

TEST(JobConfig, ReportsWhatItCannotDo) {
  EXPECT_EQ(ReadJob("job_name: a\nscrape_intervall: 5s\n").findings,
            std::vector<std::string>{"p.yml:2:1: unknown key \"scrape_intervall\" (did you mean "
                                     "\"scrape_interval\"?)"});
  EXPECT_EQ(ReadJob("scrape_interval: 5s\nscrape_timeout: 6s\n").findings.size(), 2u);
  EXPECT_EQ(
      ReadJob("job_name: a\nkubernetes_sd_configs: [{role: pod}]\n").findings,
      std::vector<std::string>{"p.yml:2:24: kubernetes_sd_configs: not supported in this version"});
  EXPECT_EQ(ReadJob("job_name: a\nstatic_configs: [{targets: [\"http://x/y\"]}]\n").findings.size(),
            1u);
  EXPECT_EQ(ReadJob("job_name: a\nrelabel_configs: [{action: hashmod}]\n").findings.size(), 1u);
  EXPECT_EQ(ReadJob("job_name: a\nscrape_protocols: [Morse]\n").findings.size(), 1u);
}

TEST(JobConfig, WarnsOfWhatHasNoEffect) {
  const Read read = ReadJob("job_name: a\nkeep_dropped_targets: 5\n");
  EXPECT_TRUE(read.findings.empty());
  ASSERT_EQ(read.warnings.size(), 1u);
  EXPECT_EQ(read.warnings[0], "line 2: keep_dropped_targets has no effect in this version");
}

TEST(JobConfig, NativeHistogramsAskForProtobufFirst) {
  EXPECT_EQ(ReadJob("job_name: a\n").job.protocols.front(), Protocol::kOpenMetrics100);
  const JobConfig native = ReadJob(
                               "job_name: a\nscrape_native_histograms: true\n"
                               "native_histogram_bucket_limit: 9\n")
                               .job;
  EXPECT_EQ(native.protocols.size(), 5u);
  EXPECT_EQ(native.protocols.front(), Protocol::kProtobuf);
  EXPECT_EQ(native.limits.histogram_buckets, 9u);
  const JobConfig own = ReadJob(
                            "job_name: a\nscrape_native_histograms: true\n"
                            "scrape_protocols: [PrometheusText0.0.4]\n")
                            .job;
  EXPECT_EQ(own.protocols, std::vector<Protocol>{Protocol::kText004});
}

}  // namespace
}  // namespace narthex::scrape
