#include "extensions/oauth2client/oauth2client.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "base/mutex.h"
#include "base/testing/memory_file_system.h"
#include "net/http.h"
#include "net/http_server.h"
#include "net/testing/certificates.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/test_host.h"

namespace narthex::extensions {
namespace {

using testing::HasSubstr;

class OAuth2ClientTest : public testing::Test {
 protected:
  OAuth2ClientTest()
      : server_(*net::HttpServer::Start({.listen_address = "127.0.0.1:0"},
                                        [this](net::HttpRequest request, net::Responder responder) {
                                          responder.Send(Answer(std::move(request)));
                                        })) {}
  ~OAuth2ClientTest() override { server_->Stop(std::chrono::milliseconds(100)); }

  net::HttpResponse Answer(net::HttpRequest request) {
    base::MutexLock lock(mutex_);
    last_ = std::move(request);
    if (refuses_) return net::HttpResponse::Text(401, "who are you");
    return net::HttpResponse::Text(
        200, fmt::format(R"({{"access_token":"t{}","token_type":"bearer","expires_in":600}})",
                         ++tokens_));
  }
  net::HttpRequest last() {
    base::MutexLock lock(mutex_);
    return last_;
  }
  void Start(std::string_view more) {
    extension_ = host_.Make(
        &OAuth2Client::Create,
        fmt::format("token_url: \"http://127.0.0.1:{}/token\"\n{}", server_->port(), more));
    ASSERT_EQ(host_.errors(), "");
    ASSERT_TRUE(extension_->Start().has_value());
  }
  base::Result<std::string> Authorization() {
    pipeline::HeaderList headers;
    RETURN_IF_ERROR(static_cast<const OAuth2Client&>(*extension_).SetHeaders(headers, nullptr));
    return *headers.Find("Authorization");
  }

  base::MemoryFileSystem files_;
  pipeline::TestHost host_{files_};
  base::Mutex mutex_;
  net::HttpRequest last_ GUARDED_BY(mutex_);
  std::atomic<bool> refuses_ = false;
  std::atomic<int> tokens_ = 0;
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<pipeline::Extension> extension_;
};

TEST_F(OAuth2ClientTest, RequestsCarryATokenUntilItIsAboutToExpire) {
  Start(
      "client_id: me\n"
      "client_secret: s3cret\n"
      "scopes: [api.metrics, api.more]\n"
      "endpoint_params: {audience: someone, resource: [a, b]}\n"
      "expiry_buffer: 100s\n"
      "timeout: 2s");
  EXPECT_EQ(*Authorization(), "Bearer t1");
  EXPECT_EQ(last().path, "/token");
  EXPECT_EQ(last().body,
            "grant_type=client_credentials&scope=api.metrics%20api.more&audience=someone&"
            "resource=a&resource=b");
  EXPECT_EQ(last().headers.Get("Authorization"), net::BasicAuthorization("me", "s3cret"));
  host_.clock().AdvanceMs(499'000);
  EXPECT_EQ(*Authorization(), "Bearer t1");
  host_.clock().AdvanceMs(2'000);
  EXPECT_EQ(*Authorization(), "Bearer t2");
}

TEST_F(OAuth2ClientTest, FilesAreReadAgain) {
  const auto write = [&](const std::string& path, std::string_view text) {
    ASSERT_TRUE(base::WriteFileAtomically(files_, path, text).has_value());
  };
  write("/id", "first\n");
  write("/secret", "one\n");
  Start("client_id_file: /id\nclient_secret_file: /secret");
  EXPECT_EQ(*Authorization(), "Bearer t1");
  EXPECT_EQ(last().headers.Get("Authorization"), net::BasicAuthorization("first", "one"));
  EXPECT_EQ(*Authorization(), "Bearer t1");
  write("/id", "second\n");
  EXPECT_EQ(*Authorization(), "Bearer t2");
  EXPECT_EQ(last().headers.Get("Authorization"), net::BasicAuthorization("second", "one"));
  write("/secret", "two\n");
  EXPECT_EQ(*Authorization(), "Bearer t3");
  EXPECT_EQ(last().headers.Get("Authorization"), net::BasicAuthorization("second", "two"));
}

TEST_F(OAuth2ClientTest, WithoutATokenThereIsAnErrorAndACount) {
  refuses_ = true;
  Start("client_id: me\nclient_secret: s");
  const auto refused = Authorization();
  EXPECT_EQ(refused.error().code, base::Code::kUnauthenticated);
  EXPECT_THAT(refused.error().message, HasSubstr("401 who are you"));
  EXPECT_EQ(host_.Count("narthex_oauth2client_failures"), 1);
  refuses_ = false;
  EXPECT_TRUE(Authorization().has_value());
}

TEST_F(OAuth2ClientTest, AnAssertionMayStandForTheSecret) {
  const net::RsaKey key = net::MakeRsaKey();
  ASSERT_TRUE(base::WriteFileAtomically(files_, "/key.pem", key.pem).has_value());
  Start(
      "grant_type: urn:ietf:params:oauth:grant-type:jwt-bearer\n"
      "client_id: me\n"
      "client_certificate_key_file: /key.pem\n"
      "scopes: [a]\n"
      "endpoint_params: {x: y}");
  EXPECT_EQ(*Authorization(), "Bearer t1");
  EXPECT_EQ(last().headers.Get("Authorization"), "");
  const std::string body = last().body;
  EXPECT_THAT(
      body, testing::StartsWith("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&"
                                "assertion=eyJ"));
  EXPECT_THAT(body, testing::EndsWith("&scope=a&x=y"));
  EXPECT_EQ(*Authorization(), "Bearer t1");
  // A new key is shown at once; one that does not sign says so.
  ASSERT_TRUE(base::WriteFileAtomically(files_, "/key.pem", net::MakeRsaKey().pem).has_value());
  EXPECT_EQ(*Authorization(), "Bearer t2");
  ASSERT_TRUE(base::WriteFileAtomically(files_, "/key.pem", "no key").has_value());
  EXPECT_THAT(Authorization().error().message, HasSubstr("oauth2 client key: not an RSA key"));
  // Refused once is refused: there is no other way to say it.
  ASSERT_TRUE(base::WriteFileAtomically(files_, "/key.pem", key.pem).has_value());
  refuses_ = true;
  EXPECT_EQ(Authorization().error().code, base::Code::kUnauthenticated);
  EXPECT_EQ(last().body.find("client_secret"), std::string::npos);
}

TEST_F(OAuth2ClientTest, TheGrantMayHaveAnotherName) {
  Start("client_id: me\nclient_secret: s\nendpoint_params: {grant_type: password}");
  EXPECT_EQ(*Authorization(), "Bearer t1");
  EXPECT_EQ(last().body, "grant_type=password");
}

TEST_F(OAuth2ClientTest, KnowsNothingOfSenders) {
  Start("client_id: me\nclient_secret: s");
  const auto identity =
      static_cast<const OAuth2Client&>(*extension_).Authenticate([](auto) { return "Bearer t1"; });
  EXPECT_EQ(identity.error().code, base::Code::kFailedPrecondition);
}

TEST(OAuth2Client, ReadsItsConfiguration) {
  pipeline::TestHost host;
  const auto errors = [&](std::string_view yaml) {
    (void)host.Make(&OAuth2Client::Create, yaml);
    return host.errors();
  };
  EXPECT_EQ(errors(R"(
client_id: someclientid
client_secret: someclientsecret
endpoint_params: {audience: someaudience}
token_url: https://example.com/oauth2/default/v1/token
scopes: [api.metrics]
tls: {insecure: true, ca_file: /var/lib/mycert.pem, cert_file: certfile, key_file: keyfile}
timeout: 2s
expiry_buffer: 10s
grant_type: client_credentials
)"),
            "");
  const std::string nothing = errors("{}");
  EXPECT_THAT(nothing, HasSubstr("client_id: oauth2 client_id must be configured"));
  EXPECT_THAT(nothing, HasSubstr("either oauth2 client_secret or client_secret_file"));
  EXPECT_THAT(nothing, HasSubstr("token_url: oauth2 token_url must be configured"));
  EXPECT_THAT(errors("{client_id: a, client_secret: b, token_url: c, scope: [d]}"),
              HasSubstr("test.yaml:1:48: unknown key \"scope\" (did you mean \"scopes\"?)"));
  EXPECT_THAT(errors("{client_id: a, client_secret: b, token_url: c, timeout: -1s}"),
              HasSubstr("timeout: must not be negative"));
  EXPECT_THAT(errors("{client_id: a, client_secret: b, token_url: c, expiry_buffer: -1s}"),
              HasSubstr("expiry_buffer: must not be negative"));
  const std::string jwt =
      "client_id: a\ntoken_url: c\ngrant_type: urn:ietf:params:oauth:grant-type:jwt-bearer\n";
  EXPECT_EQ(errors(jwt + R"(
client_certificate_key: "-----BEGIN PRIVATE KEY-----\n"
client_certificate_key_id: k1
signature_algorithm: RS512
iss: them
audience: you
claims: {sub: someone, nested: {a: [1]}}
)"),
            "");
  EXPECT_THAT(errors(jwt), HasSubstr("either client_certificate_key or"));
  EXPECT_THAT(errors(jwt + "client_certificate_key: k\nclient_certificate_key_file: f"),
              HasSubstr("either client_certificate_key or"));
  EXPECT_THAT(errors(jwt + "client_certificate_key: k\nsignature_algorithm: none"),
              HasSubstr("test.yaml:5:22: signature_algorithm: must be RS256, RS384 or RS512"));
  EXPECT_THAT(errors(jwt + "client_certificate_key: k\nclaims: [a]"),
              HasSubstr("claims: expected a map"));
  EXPECT_THAT(errors(jwt + "client_certificate_key: k\nendpoint_params: {assertion: a}"),
              HasSubstr("endpoint_params: cannot overwrite \"assertion\""));
  EXPECT_THAT(errors("{client_id: a, client_secret: b, token_url: c, grant_type: password}"),
              HasSubstr("grant_type: must be client_credentials or urn:"));
}

TEST(OAuth2Client, KeepsTheContract) {
  pipeline::ExpectStartStopContract(&OAuth2Client::Create,
                                    "{client_id: a, client_secret: b, token_url: 'http://c'}");
}

}  // namespace
}  // namespace narthex::extensions
