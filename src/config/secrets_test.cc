#include "config/secrets.h"

#include <gtest/gtest.h>

#include "config/yaml_writer.h"

namespace narthex::config {
namespace {

std::string Masked(std::string_view text) {
  Node node = *ParseYaml(text, "p.yml");
  MaskSecrets(node);
  return FormatYaml(node);
}

TEST(MaskSecrets, LeavesNoSecretAndNothingElseOut) {
  const std::string text = Masked(R"(
global: {external_labels: {token: mine}}
scrape_configs:
  - job_name: a
    basic_auth: {username: u, password: S1}
    http_headers: {X-A: {values: [v], secrets: [S2, S3], files: [f]}}
    oauth2: {client_id: i, client_secret: S4, client_secret_file: g}
    tls_config: {key: S5, key_file: k.pem}
    proxy_url: http://me:S6@proxy:3128/x
    proxy_connect_header: {Authorization: [S7]}
    static_configs: [{targets: ["a:1"], labels: {password: shown}}]
alerting: {alertmanagers: [{authorization: {credentials: S8}, bearer_token: S9}]}
)");
  EXPECT_EQ(text.find("S1"), text.npos) << text;
  for (char digit = '2'; digit <= '9'; ++digit) {
    EXPECT_EQ(text.find(std::string("S") + digit), text.npos) << text;
  }
  for (const char* const kept :
       {"token: mine", "username: u", "- v", "- f", "client_secret_file: g", "key_file: k.pem",
        "http://me:xxxxx@proxy:3128/x", "password: shown", "password: \"<secret>\""}) {
    EXPECT_NE(text.find(kept), text.npos) << kept << text;
  }
}

TEST(MaskSecrets, AddressesWithoutPasswordStay) {
  EXPECT_EQ(Masked("{a: \"http://h:1/x:y@z\", b: \"http://u@h\", c: \"x@y\"}"),
            "a: \"http://h:1/x:y@z\"\nb: \"http://u@h\"\nc: \"x@y\"\n");
}

}  // namespace
}  // namespace narthex::config
