#include "server/server.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <thread>

#include "base/random.h"
#include "json/reader.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/testing/certificates.h"

namespace narthex::server {
namespace {

// A whole server in this process, on a real folder and real sockets.
class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    root_ = testing::TempDir() + "narthex_server_" + std::to_string(base::RandomSeed());
    EXPECT_TRUE(base::PosixFileSystem().CreateDirectories(root_).has_value());
    WriteConfig("scrape_configs: []\n");
    options_.config_file = root_ + "/prometheus.yml";
    options_.listen_addresses = {"127.0.0.1:0"};
    options_.db.directory = root_ + "/data";
    options_.enable_lifecycle = true;
    options_.version = "3.14.0";
  }
  ~ServerTest() override {
    server_.reset();
    EXPECT_TRUE(base::RemoveAll(base::PosixFileSystem(), root_).has_value());
  }

  void WriteConfig(std::string_view text) {
    ASSERT_TRUE(base::WriteFileAtomically(base::PosixFileSystem(), root_ + "/prometheus.yml", text)
                    .has_value());
  }

  void Start() {
    auto server = Server::Start(base::RealEnv(), base::NullLogger(), options_);
    ASSERT_TRUE(server.has_value()) << server.error().message;
    server_ = *std::move(server);
  }

  net::HttpClientResponse Fetch(const std::string& target, const std::string& method = "GET") {
    const auto response = client_.FetchAndWait(
        {.method = method, .url = "http://127.0.0.1:" + std::to_string(server_->port()) + target});
    EXPECT_TRUE(response.has_value()) << response.error().message;
    return response ? *response : net::HttpClientResponse{};
  }

  // The value of an instant query with one result; "" for none.
  std::string Query(const std::string& expression) {
    const auto response = Fetch("/api/v1/query?query=" + net::PercentEncode(expression));
    const auto document = json::Document::Parse(response.body);
    EXPECT_TRUE(document.has_value()) << response.body;
    std::string value;
    document->root().Get("data").Get("result").ForEachItem([&](json::Element row) {
      row.Get("value").ForEachItem([&](json::Element item) {
        if (const auto text = item.String()) value = *text;
        return true;
      });
      return true;
    });
    return value;
  }

  static bool Eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 1000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  std::string root_;
  Server::Options options_;
  std::unique_ptr<Server> server_;
  net::HttpClient client_;
};

TEST_F(ServerTest, TlsAndPasswordsByTheWebConfiguration) {
  const net::CertificateAuthority ca;
  const net::Identity identity = ca.Issue("server.test");
  base::FileSystem& files = base::PosixFileSystem();
  const auto write = [&](const std::string& name, std::string_view text) {
    ASSERT_TRUE(base::WriteFileAtomically(files, root_ + "/" + name, text).has_value());
  };
  write("cert.pem", identity.cert);
  write("key.pem", identity.key);
  write("web.yml",
        "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"
        "http_server_config: {headers: {X-Frame-Options: deny}}\n"
        "basic_auth_users:\n"
        "  ann: $2b$05$aaaaaaaaaaaaaaaaaaaaaOjOHCcGZ1ZydhnG2lX11qSmiRJbsbsA.\n");
  options_.web_config_file = root_ + "/web.yml";
  Start();
  const auto ask = [&](const std::string& password) {
    net::HttpClientRequest request;
    request.url = "https://127.0.0.1:" + std::to_string(server_->port()) + "/-/healthy";
    request.tls = net::ClientTls(ca.cert());
    if (!password.empty()) {
      request.headers.Set("Authorization", net::BasicAuthorization("ann", password));
    }
    return client_.FetchAndWait(std::move(request)).value();
  };
  for (int i = 0; i < 2; ++i) EXPECT_EQ(ask("secret").status, 200);
  EXPECT_EQ(ask("secret").headers.Get("X-Frame-Options"), "deny");
  EXPECT_EQ(ask("guess").status, 401);
  EXPECT_EQ(ask("").headers.Get("WWW-Authenticate"), "Basic");

  // The file counts as it is now; a bad one lets nobody in.
  write("web.yml",
        "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"
        "http_server_config: {headers: {X-Frame-Options: sameorigin}}\n");
  EXPECT_EQ(ask("").status, 200);
  EXPECT_EQ(ask("").headers.Get("X-Frame-Options"), "sameorigin");
  write("web.yml", "basic_auth_users: {ann: plain}\n");
  EXPECT_EQ(ask("secret").status, 500);
  EXPECT_EQ(ask("secret").status, 500);
  write("web.yml",
        "basic_auth_users:\n"
        "  ann: $2b$05$aaaaaaaaaaaaaaaaaaaaaOjOHCcGZ1ZydhnG2lX11qSmiRJbsbsA.\n");
  EXPECT_EQ(ask("secret").status, 200);
  EXPECT_EQ(ask("").status, 401);
}

TEST_F(ServerTest, MistakesInTheWebConfigurationAreSaid) {
  options_.web_config_file = root_ + "/web.yml";
  const auto error = [&](std::string_view text) {
    EXPECT_TRUE(base::WriteFileAtomically(base::PosixFileSystem(), options_.web_config_file, text)
                    .has_value());
    const auto server = Server::Start(base::RealEnv(), base::NullLogger(), options_);
    return server.has_value() ? "" : server.error().message;
  };
  EXPECT_NE(
      error("basic_auth_users: {ann: plain}").find("1:25: basic_auth_users: the password of ann"),
      std::string::npos);
  EXPECT_NE(error("http_server_config: {headers: {X-Other: a}}").find("can not be configured"),
            std::string::npos);
  EXPECT_NE(error("tls_server_config: {}").find("missing one of cert or cert_file"),
            std::string::npos);
  EXPECT_NE(error("tls_server_confg: {}").find("did you mean"), std::string::npos);
  EXPECT_NE(error("tls_server_config: {cert_file: /none, key_file: /none}").find("/none"),
            std::string::npos);
}

TEST_F(ServerTest, AnswersItsManagementPages) {
  Start();
  EXPECT_EQ(Fetch("/-/healthy").body, "Prometheus Server is Healthy.\n");
  EXPECT_EQ(Fetch("/-/ready").status, 200);
  EXPECT_EQ(Fetch("/").status, 302);
  EXPECT_EQ(Fetch("/query").status, 200);
  EXPECT_EQ(Fetch("/nothing/here").status, 404);
  EXPECT_EQ(Fetch("/-/reload").status, 405);
  EXPECT_NE(Fetch("/metrics").body.find("\nprometheus_ready 1\n"), std::string::npos);
  EXPECT_NE(Fetch("/api/v1/status/buildinfo").body.find("\"version\":\"3.14.0\""),
            std::string::npos);
  EXPECT_EQ(Fetch("/api/v1/write", "POST").status, 404);
}

TEST_F(ServerTest, ScrapesItselfAndKeepsWhatItSaw) {
  // Its own port is known only once it runs: reload with it.
  Start();
  WriteConfig(
      "global: {scrape_interval: 100ms}\nscrape_configs: [{job_name: self, static_configs: "
      "[{targets: ['127.0.0.1:" +
      std::to_string(server_->port()) + "']}]}]\n");
  EXPECT_EQ(Fetch("/-/reload", "POST").status, 200);
  EXPECT_TRUE(Eventually([&] { return Query("count_over_time(up[5m])") >= "3"; }));
  EXPECT_EQ(Query("up"), "1");
  EXPECT_NE(Fetch("/api/v1/targets").body.find("\"health\":\"up\""), std::string::npos);
  EXPECT_NE(Fetch("/api/v1/metadata?metric=up").body.find("success"), std::string::npos);
  EXPECT_NE(Fetch("/api/v1/status/tsdb").body.find("\"numSeries\""), std::string::npos);
  // Stop scraping, so that the count stands still over the restart.
  WriteConfig("scrape_configs: []\n");
  EXPECT_EQ(Fetch("/-/reload", "POST").status, 200);
  const std::string samples = Query("sum(count_over_time({job=\"self\"}[5m]))");
  server_.reset();
  Start();
  EXPECT_EQ(Query("sum(count_over_time({job=\"self\"}[5m]))"), samples);
}

TEST_F(ServerTest, KeepsTheOldConfigurationWhenTheNewOneIsBad) {
  Start();
  WriteConfig("scrape_configs: {\n");
  const auto response = Fetch("/-/reload", "POST");
  EXPECT_EQ(response.status, 500);
  EXPECT_NE(response.body.find("prometheus.yml:"), std::string::npos) << response.body;
  EXPECT_NE(Fetch("/metrics").body.find("prometheus_config_last_reload_successful 0"),
            std::string::npos);
  EXPECT_EQ(Fetch("/-/ready").status, 200);
}

TEST_F(ServerTest, ServesUnderAPrefix) {
  options_.external_url = "http://example.com/prom/";
  Start();
  EXPECT_EQ(Fetch("/prom/-/ready").status, 200);
  EXPECT_EQ(Fetch("/-/ready").status, 404);
  EXPECT_EQ(Fetch("/").headers.Get("Location"), "/prom/");
}

TEST_F(ServerTest, LogsThePathsOfQueriesAsTheyWereSent) {
  options_.route_prefix = "/prom";
  WriteConfig("global: {query_log_file: queries.log}\n");
  Start();
  Fetch("/prom/api/v1/query?query=1");
  const auto is_logged = [&] {
    const auto log = base::ReadFile(base::PosixFileSystem(), root_ + "/queries.log");
    return log && log->find(R"("path":"/prom/api/v1/query")") != std::string::npos;
  };
  EXPECT_TRUE(Eventually(is_logged));
}

TEST_F(ServerTest, LogsScrapesThatFail) {
  WriteConfig(
      "global: {scrape_interval: 50ms, scrape_failure_log_file: failures.log}\n"
      "scrape_configs:\n"
      "  - {job_name: none, static_configs: [{targets: ['127.0.0.1:1']}]}\n"
      "  - {job_name: other, scrape_failure_log_file: other.log, static_configs: [{targets: "
      "['127.0.0.1:1']}]}\n");
  Start();
  const auto lines_of = [&](const std::string& file, std::string_view job) {
    const auto log = base::ReadFile(base::PosixFileSystem(), root_ + "/" + file);
    std::vector<std::string> errors;
    for (std::string_view rest = log ? std::string_view(*log) : ""; !rest.empty();) {
      const size_t end = rest.find('\n');
      const auto line = json::Document::Parse(std::string(rest.substr(0, end)));
      EXPECT_TRUE(line.has_value()) << rest;
      EXPECT_EQ(line->root().Get("job_name").String(), job);
      EXPECT_EQ(line->root().Get("target").String(), "http://127.0.0.1:1/metrics");
      errors.emplace_back(*line->root().Get("msg").String());
      rest.remove_prefix(end + 1);
    }
    return errors;
  };
  EXPECT_TRUE(Eventually([&] { return lines_of("failures.log", "none").size() >= 2; }));
  EXPECT_TRUE(Eventually([&] { return lines_of("other.log", "other").size() >= 2; }));
  EXPECT_TRUE(lines_of("failures.log", "none")[0].starts_with("GET http://127.0.0.1:1/metrics: "));
  // A reload goes on in a new file where the old one was moved away.
  std::filesystem::rename(root_ + "/failures.log", root_ + "/failures.1");
  EXPECT_EQ(Fetch("/-/reload", "POST").status, 200);
  EXPECT_TRUE(Eventually([&] { return !lines_of("failures.log", "none").empty(); }));
  // One that cannot be written keeps the configuration from being taken.
  WriteConfig(
      "global: {scrape_failure_log_file: none/failures.log}\n"
      "scrape_configs: [{job_name: a}]\n");
  EXPECT_EQ(Fetch("/-/reload", "POST").status, 500);
}

TEST_F(ServerTest, SaysWhatKeepsItFromStarting) {
  Start();
  Server::Options second = options_;
  const auto locked = Server::Start(base::RealEnv(), base::NullLogger(), second);
  ASSERT_FALSE(locked.has_value());
  EXPECT_NE(locked.error().message.find("is locked by process"), std::string::npos);
  second.config_file = root_ + "/absent.yml";
  EXPECT_FALSE(Server::Start(base::RealEnv(), base::NullLogger(), second).has_value());
  second = options_;
  second.listen_addresses = {"127.0.0.1:" + std::to_string(server_->port())};
  const auto taken = Server::Start(base::RealEnv(), base::NullLogger(), second);
  ASSERT_FALSE(taken.has_value());
  EXPECT_NE(taken.error().message.find("in use"), std::string::npos) << taken.error().message;
}

}  // namespace
}  // namespace narthex::server
