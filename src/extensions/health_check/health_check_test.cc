#include "extensions/health_check/health_check.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "net/http_client.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/test_host.h"

namespace narthex::extensions {
namespace {

net::HttpClientResponse Get(const HealthCheck& check, const std::string& path) {
  net::HttpClient client;
  return *client.FetchAndWait({.url = "http://127.0.0.1:" + std::to_string(check.port()) + path});
}

TEST(HealthCheck, SaysSinceWhenItIsUp) {
  pipeline::TestHost host;
  HealthCheck check({.server = {.endpoint = "127.0.0.1:0"}}, host.host());
  ASSERT_TRUE(check.Start().has_value());
  // Receivers start after extensions: until then nobody could be served.
  EXPECT_EQ(Get(check, "/").status, 503);
  check.Ready();
  host.clock().AdvanceMs(90'000);
  const net::HttpClientResponse response = Get(check, "/");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(
      response.body,
      R"({"status":"Server available","upSince":"2023-11-14T22:13:20.000Z","uptime":"1m30s"})");
  EXPECT_EQ(Get(check, "/other").status, 404);
  check.Stop();
  check.Stop();
}

TEST(HealthCheck, AnswersWhatItIsTold) {
  pipeline::TestHost host;
  HealthCheck check({.server = {.endpoint = "127.0.0.1:0"},
                     .path = "/up",
                     .healthy_body = "fine",
                     .unhealthy_body = "wait"},
                    host.host());
  ASSERT_TRUE(check.Start().has_value());
  EXPECT_EQ(Get(check, "/up").body, "wait");
  check.Ready();
  EXPECT_EQ(Get(check, "/up").body, "fine");
}

TEST(HealthCheck, ServesAsItsBlockOfAServerSays) {
  pipeline::TestHost host;
  const std::string socket = fmt::format("{}hc{}.sock", testing::TempDir(), getpid());
  const auto extension = host.Make(
      &HealthCheck::Create,
      fmt::format("{{transport: unix, endpoint: '{}', response_headers: {{X-Mine: a}}}}", socket));
  ASSERT_EQ(host.errors(), "");
  ASSERT_TRUE(extension->Start().has_value());
  net::HttpClient client;
  const auto response = client.FetchAndWait({.url = "http://localhost/", .unix_socket = socket});
  ASSERT_TRUE(response.has_value()) << response.error().message;
  EXPECT_EQ(response->status, 503);
  EXPECT_EQ(response->headers.Get("X-Mine"), "a");
}

TEST(HealthCheck, ChecksItsConfiguration) {
  pipeline::TestHost host;
  (void)host.Make(&HealthCheck::Create, "endpoint: localhost:0\nresponse_body: {healthy: yes!}");
  EXPECT_EQ(host.errors(), "");
  (void)host.Make(&HealthCheck::Create, "auth: {authenticator: basicauth}");
  EXPECT_NE(host.errors(), "");
  (void)host.Make(&HealthCheck::Create, "path: up");
  EXPECT_NE(host.errors(), "");
}

TEST(HealthCheck, KeepsTheContract) {
  pipeline::ExpectStartStopContract(&HealthCheck::Create, "endpoint: 127.0.0.1:0");
}

}  // namespace
}  // namespace narthex::extensions
