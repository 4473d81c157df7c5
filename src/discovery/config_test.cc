#include "discovery/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace narthex::discovery {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Read {
  std::vector<Config> configs;
  std::vector<std::string> findings;
};

Read ReadText(std::string_view text) {
  const config::Node node = *config::ParseYaml(text, "p.yml");
  config::Diagnostics diagnostics("p.yml");
  config::MapReader reader(node, diagnostics);
  Read read;
  read.configs = ReadDiscovery(reader, diagnostics);
  reader.Finish();
  read.findings = diagnostics.findings();
  return read;
}

TEST(DiscoveryConfig, ReadsEveryKindWithItsDefaults) {
  Read read = ReadText(R"(
file_sd_configs: [{files: [a/*.json, /b.yml]}]
http_sd_configs: [{url: "http://h/t", basic_auth: {username: u, password_file: p}}]
dns_sd_configs: [{names: [x.example]}, {names: [y], type: a, port: 80, refresh_interval: 5s}]
)");
  ASSERT_THAT(read.findings, IsEmpty());
  ASSERT_EQ(read.configs.size(), 4u);
  for (Config& config : read.configs) ResolvePaths("/etc", config);
  const auto& file = std::get<FileConfig>(read.configs[0]);
  EXPECT_THAT(file.files, ElementsAre("/etc/a/*.json", "/b.yml"));
  EXPECT_EQ(file.refresh_interval_ms, 300'000);
  const auto& http = std::get<HttpConfig>(read.configs[1]);
  EXPECT_EQ(http.refresh_interval_ms, 60'000);
  EXPECT_EQ(http.client.basic_auth->password.file, "/etc/p");
  const auto& dns = std::get<DnsConfig>(read.configs[2]);
  EXPECT_EQ(dns.type, net::DnsType::kSrv);
  EXPECT_EQ(dns.refresh_interval_ms, 30'000);
  EXPECT_EQ(std::get<DnsConfig>(read.configs[3]).port, 80);
}

TEST(DiscoveryConfig, SaysWhereAndWhatIsWrong) {
  constexpr std::pair<const char*, const char*> kWrong[] = {
      {"file_sd_configs: [{}]", "p.yml:1:19: files: file service discovery config must contain"},
      {"file_sd_configs: [{files: [a.txt]}]", "path name \"a.txt\" is not valid"},
      {"file_sd_configs: [{files: [\"*/a.json\"]}]", "path name \"*/a.json\" is not valid"},
      {"file_sd_configs: [{files: [a.json], refresh_interval: 0s}]", "has to be above 0"},
      {"file_sd_configs: [null]", "empty or null section"},
      {"http_sd_configs: [{}]", "URL is missing"},
      {"http_sd_configs: [{url: \"ftp://x\"}]", "p.yml:1:25: url: URL scheme must be"},
      {"http_sd_configs: [{url: \"http:///x\"}]", "host is missing"},
      {"http_sd_configs: [{url: \"http://x\", bearer_tokn: y}]", "unknown key \"bearer_tokn\""},
      {"dns_sd_configs: [{}]", "must contain at least one SRV record name"},
      {"dns_sd_configs: [{names: [x], type: TXT}]",
       "p.yml:1:37: type: invalid DNS-SD records type"},
      {"dns_sd_configs: [{names: [x], type: A}]", "a port is required"},
      {"dns_sd_configs: [{names: [x], port: 70000}]", "is not a port"},
      {"dns_sd_configs: {names: [x]}", "expected a list"},
      {"consul_sd_configs: [{}]", "p.yml:1:20: consul_sd_configs: not supported in this version"},
  };
  for (const auto& [text, finding] : kWrong) {
    EXPECT_THAT(ReadText(text).findings, ElementsAre(HasSubstr(finding))) << text;
  }
}

}  // namespace
}  // namespace narthex::discovery
