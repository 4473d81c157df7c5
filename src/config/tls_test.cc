#include "config/tls.h"

#include <gmock/gmock.h>

namespace narthex::config {
namespace {

using ::testing::HasSubstr;

template <class Read>
std::string Findings(Read read, std::string_view yaml) {
  const Node node = ParseYaml(yaml, "c.yaml").value();
  Diagnostics diagnostics("c.yaml");
  read(node, diagnostics);
  const base::Status status = diagnostics.ToStatus();
  return status.has_value() ? "" : status.error().message;
}

template <class Read>
auto Get(Read read, std::string_view yaml) {
  const Node node = ParseYaml(yaml, "c.yaml").value();
  Diagnostics diagnostics("c.yaml");
  auto config = read(node, diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.ToStatus().error().message;
  return config;
}

TEST(TlsConfig, ReadsACollectorsServer) {
  const TlsServerConfig config =
      Get(&ReadTlsServer,
          "{cert_file: c.pem, key_pem: KEY, client_ca_file: ca.pem, max_version: '1.3',\n"
          " cipher_suites: [TLS_X], curve_preferences: [X25519], reload_interval: 1.5s}");
  EXPECT_EQ(config.cert.file, "c.pem");
  EXPECT_EQ(config.key.text, "KEY");
  EXPECT_EQ(config.client_auth, TlsServerConfig::ClientAuth::kRequireAndVerify);
  EXPECT_EQ(config.min_version, TlsVersion::k12);
  EXPECT_EQ(config.max_version, TlsVersion::k13);
  EXPECT_EQ(config.reload_interval, std::chrono::milliseconds(1500));
}

TEST(TlsConfig, ReadsAClient) {
  const TlsClientConfig config =
      Get(&ReadTlsClient,
          "{ca_file: ca.pem, insecure_skip_verify: true, server_name_override: shop.example}");
  EXPECT_TRUE(config.insecure_skip_verify);
  EXPECT_EQ(config.server_name, "shop.example");
}

TEST(TlsConfig, ReadsPrometheusWebConfiguration) {
  const TlsServerConfig config =
      Get(&ReadWebTls, "{cert_file: c.pem, key_file: k.pem, min_version: TLS13}");
  EXPECT_EQ(config.min_version, TlsVersion::k13);
  EXPECT_EQ(config.client_auth, TlsServerConfig::ClientAuth::kNone);
}

TEST(TlsConfig, ReadsPrometheusScrapeJobs) {
  const TlsClientConfig config =
      Get(&ReadScrapeTls,
          "{ca: CA, cert_file: c.pem, key: KEY, server_name: shop.example, min_version: TLS12,\n"
          " max_version: TLS13, insecure_skip_verify: true}");
  EXPECT_EQ(config.ca.text, "CA");
  EXPECT_EQ(config.cert.file, "c.pem");
  EXPECT_EQ(config.key.text, "KEY");
  EXPECT_EQ(config.server_name, "shop.example");
  EXPECT_EQ(config.max_version, TlsVersion::k13);
  EXPECT_TRUE(config.insecure_skip_verify);
  EXPECT_GT(config.reload_interval.count(), 0);
  EXPECT_THAT(Findings(&ReadScrapeTls, "{ca: a, ca_file: b}"), HasSubstr("cannot be combined"));
  EXPECT_THAT(Findings(&ReadScrapeTls, "cert: a"), HasSubstr("both certificate and key"));
  EXPECT_THAT(Findings(&ReadScrapeTls, "ca_pem: a"), HasSubstr("unknown key \"ca_pem\""));
}

TEST(TlsConfig, MistakesAreSaidWithTheirPlace) {
  EXPECT_THAT(Findings(&ReadTlsServer, "{}"), HasSubstr("must include both certificate and key"));
  EXPECT_THAT(Findings(&ReadTlsServer, "cert_file: a"),
              HasSubstr("must include both certificate and key"));
  EXPECT_THAT(Findings(&ReadTlsServer, "{cert_file: a, cert_pem: b, key_file: k}"),
              HasSubstr("cert_pem: cannot be combined with cert_file"));
  EXPECT_THAT(Findings(&ReadTlsClient, "\nmin_version: '1.4'"),
              HasSubstr("c.yaml:2:14: min_version: unsupported TLS version: \"1.4\""));
  EXPECT_THAT(Findings(&ReadTlsClient, "{min_version: '1.3', max_version: '1.2'}"),
              HasSubstr("max_version: must not be lower"));
  EXPECT_THAT(Findings(&ReadTlsClient, "curve_preferences: [P1]"), HasSubstr("invalid curve"));
  EXPECT_THAT(Findings(&ReadTlsClient, "insecur: true"), HasSubstr("did you mean \"insecure\""));
  EXPECT_THAT(Findings(&ReadWebTls, "{cert_file: a, key_file: b, client_ca_file: c}"),
              HasSubstr("without a Client Auth Policy"));
  EXPECT_THAT(Findings(&ReadWebTls, "{cert_file: a, key_file: b, client_auth_type: Maybe}"),
              HasSubstr("invalid ClientAuth"));
}

}  // namespace
}  // namespace narthex::config
