#include "net/server_config.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

#include "net/http_client.h"
#include "net/testing/certificates.h"

namespace narthex::net {
namespace {

using ::testing::HasSubstr;

class CorsTest : public testing::Test {
 protected:
  HttpResponse Answer(HttpRequest request) {
    HttpResponse got;
    handler_(std::move(request), Responder([&](HttpResponse response) { got = response; }));
    return got;
  }
  HttpResponse Preflight(std::string_view origin, std::string_view method,
                         std::string_view headers = "") {
    HttpRequest request{.method = "OPTIONS", .path = "/v1/metrics"};
    request.headers.Set("Origin", origin);
    request.headers.Set("Access-Control-Request-Method", method);
    if (!headers.empty()) request.headers.Set("Access-Control-Request-Headers", headers);
    return Answer(std::move(request));
  }
  static std::string Allowed(const HttpResponse& response) {
    return std::string(response.headers.Get("Access-Control-Allow-Origin"));
  }

  const HttpHandler handler_ = WithCors(
      {.allowed_origins = {"https://shop.example", "http://*.local"},
       .allowed_headers = {"X-Token", "Content-Type"},
       .exposed_headers = {"X-A", "X-B"},
       .max_age_s = 600},
      [](HttpRequest, Responder responder) { responder.Send(HttpResponse::Text(200, "served")); });
};

TEST_F(CorsTest, QuestionsBeforehandAreAnsweredWithoutTheHandler) {
  const HttpResponse response = Preflight("https://shop.example", "POST", "content-type, x-token");
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(response.body, "");
  EXPECT_EQ(Allowed(response), "https://shop.example");
  EXPECT_EQ(response.headers.Get("Access-Control-Allow-Methods"), "POST");
  EXPECT_EQ(response.headers.Get("Access-Control-Allow-Headers"), "content-type, x-token");
  EXPECT_EQ(response.headers.Get("Access-Control-Max-Age"), "600");
  EXPECT_EQ(Allowed(Preflight("http://a.local", "GET")), "http://a.local");
}

TEST_F(CorsTest, OthersAreAllowedNothing) {
  EXPECT_EQ(Allowed(Preflight("https://evil.example", "POST")), "");
  EXPECT_EQ(Allowed(Preflight("https://shop.example.evil", "POST")), "");
  EXPECT_EQ(Allowed(Preflight("https://shop.example", "DELETE")), "");
  EXPECT_EQ(Allowed(Preflight("https://shop.example", "POST", "x-other")), "");
  EXPECT_EQ(Allowed(Preflight("", "POST")), "");
}

TEST_F(CorsTest, AnswersSayWhoMayReadThem) {
  HttpRequest request{.method = "POST", .path = "/v1/metrics"};
  request.headers.Set("Origin", "https://shop.example");
  const HttpResponse response = Answer(request);
  EXPECT_EQ(response.body, "served");
  EXPECT_EQ(Allowed(response), "https://shop.example");
  EXPECT_EQ(response.headers.Get("Access-Control-Expose-Headers"), "X-A, X-B");
  EXPECT_THAT(std::string(response.headers.Get("Vary")), HasSubstr("Origin"));
  // OPTIONS without a question is a request like any other.
  EXPECT_EQ(Answer({.method = "OPTIONS", .path = "/"}).body, "served");
  EXPECT_EQ(Allowed(Answer({.method = "POST", .path = "/"})), "");
}

TEST(ServerConfig, BecomesAServer) {
  const CertificateAuthority ca;
  const Identity identity = ca.Issue("server.test");
  config::HttpServerConfig config{.endpoint = "127.0.0.1:0", .keep_alives = false};
  config.tls.emplace();
  config.tls->cert.text = identity.cert;
  config.tls->key.text = identity.key;
  config.response_headers = {{"X-Frame-Options", "DENY"}};
  const auto server =
      HttpServer::Start(ServerConfigOf(config, base::RealEnv(), base::NullLogger()).value(),
                        [](HttpRequest, Responder responder) {
                          responder.Send(HttpResponse::Text(200, "served"));
                        })
          .value();
  HttpClient client;
  HttpClientRequest request{.url = fmt::format("https://127.0.0.1:{}/", server->port())};
  request.tls = ClientTls(ca.cert());
  const auto response = client.FetchAndWait(std::move(request));
  ASSERT_TRUE(response.has_value()) << response.error().message;
  EXPECT_EQ(response->headers.Get("X-Frame-Options"), "DENY");
  EXPECT_EQ(response->headers.Get("Connection"), "close");
}

TEST(ServerConfig, BadCertificatesAreErrors) {
  config::GrpcServerConfig config{.endpoint = "127.0.0.1:0"};
  config.tls.emplace();
  config.tls->cert.file = "/nonexistent/cert.pem";
  config.tls->key.file = "/nonexistent/key.pem";
  const auto made = ServerConfigOf(config, base::RealEnv(), base::NullLogger());
  ASSERT_FALSE(made.has_value());
  EXPECT_THAT(made.error().message, HasSubstr("/nonexistent/cert.pem"));
}

}  // namespace
}  // namespace narthex::net
