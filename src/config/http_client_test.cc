#include "config/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace narthex::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Read {
  HttpClientConfig config;
  std::vector<std::string> findings;
};

Read ReadBlock(std::string_view text) {
  const Node node = *ParseYaml(text, "p.yml");
  Diagnostics diagnostics("p.yml");
  Read read;
  MapReader reader(node, diagnostics);
  ReadHttpClient(reader, diagnostics, read.config);
  reader.Finish();
  read.findings = diagnostics.findings();
  return read;
}

TEST(HttpClientConfig, ReadsTheWholeBlock) {
  const Read read = ReadBlock(R"(
oauth2:
  client_id: me
  client_secret_file: secret
  token_url: http://t/token
  scopes: [a, b]
  endpoint_params: {audience: x}
  tls_config: {ca_file: ca.pem}
proxy_url: http://proxy:3128
no_proxy: a.example,10.0.0.0/8
proxy_connect_header: {X-P: [1, 2]}
http_headers:
  X-A: {values: [one], secrets: [two], files: [three]}
follow_redirects: false
tls_config: {insecure_skip_verify: true}
)");
  ASSERT_THAT(read.findings, IsEmpty());
  const HttpClientConfig& config = read.config;
  ASSERT_TRUE(config.oauth2.has_value());
  EXPECT_EQ(config.oauth2->client_secret.file, "secret");
  EXPECT_THAT(config.oauth2->scopes, ElementsAre("a", "b"));
  EXPECT_EQ(config.oauth2->endpoint_params.at(0).second, "x");
  EXPECT_EQ(config.proxy.no_proxy, "a.example,10.0.0.0/8");
  EXPECT_EQ(config.proxy.connect_headers.size(), 2u);
  ASSERT_EQ(config.headers.size(), 1u);
  EXPECT_EQ(config.headers[0].values.at(2).file, "three");
  EXPECT_FALSE(config.follow_redirects);
  EXPECT_TRUE(config.tls->insecure_skip_verify);
}

TEST(HttpClientConfig, TheOldBearerTokenIsAnAuthorization) {
  EXPECT_EQ(ReadBlock("bearer_token: t").config.authorization->credentials.text, "t");
  const Read file = ReadBlock("bearer_token_file: f");
  EXPECT_EQ(file.config.authorization->type, "Bearer");
  EXPECT_EQ(file.config.authorization->credentials.file, "f");
}

TEST(HttpClientConfig, SaysWhereAndWhatIsWrong) {
  constexpr std::pair<const char*, const char*> kWrong[] = {
      {"{basic_auth: {username: u}, bearer_token: t}", "p.yml:1:14: basic_auth: at most one of"},
      {"{bearer_token: t, authorization: {credentials: c}}", "authorization is not compatible"},
      {"{bearer_token: t, bearer_token_file: f}", "p.yml:1:38: bearer_token_file: at most one of"},
      {"{authorization: {type: BASIC, credentials: c}}", "use \"basic_auth\" instead"},
      {"{basic_auth: {password: p, password_file: f}}", "at most one of password & password_file"},
      {"{oauth2: {client_id: i, token_url: u}}", "client_secret_file must be configured"},
      {"{oauth2: {client_id: i, client_secret: s, token_url: u, grant_type: jwt}}", "grant_type"},
      {"{no_proxy: a}", "p.yml:1:12: no_proxy: if no_proxy is configured"},
      {"{proxy_from_environment: true, proxy_url: \"http://p\"}", "proxy_url must not"},
      {"{proxy_connect_header: {A: [b]}}", "must also be configured"},
      {"{http_headers: {Host: {values: [x]}}}", "p.yml:1:17: setting header \"Host\" is not"},
      {"{http_headers: {\"A b\": {values: [x]}}}", "is not the name of a header"},
      {"{http_headers: {A: {values: [\"x\\r\\nB: y\"]}}}", "has control characters"},
      {"{bearer_token: \"x\\ny\"}", "has control characters"},
  };
  for (const auto& [text, finding] : kWrong) {
    EXPECT_THAT(ReadBlock(text).findings, ElementsAre(HasSubstr(finding))) << text;
  }
}

TEST(HttpClientConfig, PathsAreRelativeToTheFile) {
  Read read = ReadBlock(R"(
basic_auth: {username_file: u, password_file: /p}
tls_config: {ca_file: ca.pem}
http_headers: {A: {files: [f]}}
)");
  ResolvePaths("/etc/p", read.config);
  EXPECT_EQ(read.config.basic_auth->username.file, "/etc/p/u");
  EXPECT_EQ(read.config.basic_auth->password.file, "/p");
  EXPECT_EQ(read.config.tls->ca.file, "/etc/p/ca.pem");
  EXPECT_EQ(read.config.headers[0].values[0].file, "/etc/p/f");
}

}  // namespace
}  // namespace narthex::config
