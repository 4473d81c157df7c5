#include "extensions/oauth2client/oauth2client.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "base/mutex.h"
#include "base/testing/memory_file_system.h"
#include "net/http.h"
#include "net/http_server.h"
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
  EXPECT_THAT(errors("{client_id: a, client_secret: b, token_url: c, claims: {a: b}}"),
              HasSubstr("not supported in this version"));
}

TEST(OAuth2Client, KeepsTheContract) {
  pipeline::ExpectStartStopContract(&OAuth2Client::Create,
                                    "{client_id: a, client_secret: b, token_url: 'http://c'}");
}

}  // namespace
}  // namespace narthex::extensions
