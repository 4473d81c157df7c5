#include "discovery/discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/mutex.h"
#include "net/http_server.h"
#include "net/testing/dns_server.h"

namespace narthex::discovery {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class DiscoveryTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "discovery_" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override {
    discovery_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Start(std::vector<std::vector<Config>> pools) {
    Discovery::Options options;
    for (size_t i = 0; i < pools.size(); ++i) {
      options.pools.push_back({"job" + std::to_string(i), pools[i]});
    }
    options.on_change = [this] {
      base::MutexLock lock(mutex_);
      ++changes_;
      wake_.NotifyAll();
    };
    options.dns = {
        .servers = dns_.address(), .timeout = std::chrono::milliseconds(200), .tries = 1};
    options.http_bytes_max = http_bytes_max_;
    discovery_ = std::make_unique<Discovery>(base::RealEnv(), base::NullLogger(), options);
  }
  // The next change; false when there is none for long.
  bool AwaitChange() {
    base::MutexLock lock(mutex_);
    while (changes_ == seen_) {
      if (!wake_.WaitFor(mutex_, std::chrono::seconds(20))) return false;
    }
    seen_ = changes_;
    return true;
  }
  bool Eventually(const std::function<bool()>& condition) {
    base::MutexLock lock(mutex_);
    for (int i = 0; i < 1000; ++i) {
      if (condition()) return true;
      wake_.WaitFor(mutex_, std::chrono::milliseconds(20));
    }
    return false;
  }
  // "label=value" of every target, the group's labels included.
  std::vector<std::string> Found(size_t pool = 0) {
    std::vector<std::string> all;
    for (const TargetGroup& group : discovery_->groups(pool)) {
      for (const auto& target : group.targets) {
        std::string text;
        for (const auto* labels : {&target, &group.labels}) {
          for (const model::Label& label : *labels) {
            text += (text.empty() ? "" : " ") + label.name + "=" + label.value;
          }
        }
        all.push_back(text);
      }
    }
    return all;
  }
  // As careful programs do: readers see the old or the new.
  void Write(const std::string& name, const std::string& text) {
    {
      std::ofstream(folder_ + "/.new") << text;
    }
    std::filesystem::rename(folder_ + "/.new", folder_ + "/" + name);
  }

  std::string folder_;
  size_t http_bytes_max_ = 1 << 20;
  net::DnsServer dns_;
  base::Mutex mutex_;
  base::CondVar wake_;
  int changes_ GUARDED_BY(mutex_) = 0;
  int seen_ GUARDED_BY(mutex_) = 0;
  std::unique_ptr<Discovery> discovery_;
};

TEST_F(DiscoveryTest, FilesAreFollowedAsTheyChange) {
  Write("a.json", R"([{"targets":["a:1"],"labels":{"l":"x"}}])");
  Write("ignored.txt", "[]");
  Start({{FileConfig{.files = {folder_ + "/*.json", folder_ + "/*.yml"}}}});
  ASSERT_TRUE(AwaitChange());
  const std::string a = "__address__=a:1 l=x __meta_filepath=" + folder_ + "/a.json";
  EXPECT_THAT(Found(), ElementsAre(a));
  EXPECT_THAT(discovery_->TakeChanged(), ElementsAre(0));
  EXPECT_THAT(discovery_->TakeChanged(), IsEmpty());
  Write("b.yml", "[{targets: [\"b:1\"]}]");
  ASSERT_TRUE(AwaitChange());
  const std::string b = "__address__=b:1 __meta_filepath=" + folder_ + "/b.yml";
  EXPECT_THAT(Found(), ElementsAre(a, b));
  std::filesystem::remove(folder_ + "/a.json");
  ASSERT_TRUE(AwaitChange());
  EXPECT_THAT(Found(), ElementsAre(b));
  EXPECT_EQ(discovery_->statistics().file_times.count(folder_ + "/b.yml"), 1u);
}

TEST_F(DiscoveryTest, ABadFileKeepsItsLastGoodGroups) {
  Write("a.json", R"([{"targets":["a:1"]}])");
  Start({{FileConfig{.files = {folder_ + "/*.json"}}}});
  ASSERT_TRUE(AwaitChange());
  Write("a.json", R"([{"targets":)");
  ASSERT_TRUE(Eventually([&] { return discovery_->statistics().file_read_errors > 0; }));
  EXPECT_EQ(Found().size(), 1u);
  Write("a.json", R"([{"targets":["a:2"]}])");
  ASSERT_TRUE(AwaitChange());
  EXPECT_THAT(Found(), ElementsAre("__address__=a:2 __meta_filepath=" + folder_ + "/a.json"));
}

TEST_F(DiscoveryTest, EqualPlacesAreLookedAtOnce) {
  Write("a.json", R"([{"targets":["a:1"]}])");
  const FileConfig config{.files = {folder_ + "/a.json"}};
  Start({{config}, {}, {config}});
  ASSERT_TRUE(AwaitChange());
  EXPECT_THAT(discovery_->TakeChanged(), ElementsAre(0, 2));
  EXPECT_EQ(Found(0), Found(2));
  EXPECT_THAT(Found(1), IsEmpty());
  EXPECT_EQ(discovery_->statistics().received_updates, 1u);
}

TEST_F(DiscoveryTest, AReloadKeepsWhatPlacesThatStayHaveFound) {
  Write("a.json", R"([{"targets":["a:1"]}])");
  Write("b.json", R"([{"targets":["b:1"]}])");
  const FileConfig a{.files = {folder_ + "/a.json"}};
  const FileConfig b{.files = {folder_ + "/b.json"}};
  Start({{a}});
  ASSERT_TRUE(AwaitChange());
  discovery_->Reload({{"other", {b}}, {"first", {a}}});
  EXPECT_EQ(Found(1),
            std::vector<std::string>{"__address__=a:1 __meta_filepath=" + folder_ + "/a.json"})
      << "not looked for anew";
  EXPECT_TRUE(discovery_->has_looked(1));
  EXPECT_THAT(discovery_->TakeChanged(), Contains(1)) << "it may have been waiting";
  ASSERT_TRUE(Eventually([&] { return Found(0).size() == 1; }));
  EXPECT_TRUE(discovery_->has_looked(0));
  // What nobody wants any more changes nothing, and may come back.
  discovery_->Reload({{"other", {b}}});
  Write("a.json", R"([{"targets":["a:2"]}])");
  Write("b.json", R"([{"targets":["b:2"]}])");
  ASSERT_TRUE(Eventually([&] { return Found(0).at(0).starts_with("__address__=b:2 "); }));
  discovery_->Reload({});
  discovery_->Reload({{"first", {a}}});
  ASSERT_TRUE(Eventually([&] { return Found(0).size() == 1; }));
  EXPECT_TRUE(Found(0)[0].starts_with("__address__=a:2 "));
}

TEST_F(DiscoveryTest, NamesBecomeTargets) {
  dns_.Set("s.test", net::DnsType::kSrv, {{"h.test", 9100}});
  dns_.Set("s.test", net::DnsType::kA, {{"10.0.0.1"}});
  dns_.Set("s.test", net::DnsType::kAaaa, {{"fd00::1"}});
  dns_.Set("s.test", net::DnsType::kMx, {{"m.test"}});
  dns_.Set("s.test", net::DnsType::kNs, {{"n.test"}});
  const auto config = [](net::DnsType type) {
    return DnsConfig{.names = {"s.test"}, .type = type, .port = 80};
  };
  Start({{config(net::DnsType::kSrv), config(net::DnsType::kA), config(net::DnsType::kAaaa),
          config(net::DnsType::kMx), config(net::DnsType::kNs)}});
  ASSERT_TRUE(Eventually([&] { return Found().size() == 5; }));
  EXPECT_THAT(
      Found(),
      ElementsAre(
          "__address__=h.test:9100 __meta_dns_name=s.test "
          "__meta_dns_srv_record_target=h.test. __meta_dns_srv_record_port=9100",
          "__address__=10.0.0.1:80 __meta_dns_name=s.test",
          "__address__=[fd00::1]:80 __meta_dns_name=s.test",
          "__address__=m.test:80 __meta_dns_name=s.test __meta_dns_mx_record_target=m.test.",
          "__address__=n.test:80 __meta_dns_name=s.test "
          "__meta_dns_ns_record_target=n.test."));
  EXPECT_EQ(discovery_->statistics().dns_lookups, 5u);
}

TEST_F(DiscoveryTest, NamesKeepTheirTargetsWhileTheirServersFail) {
  dns_.Set("s.test", net::DnsType::kA, {{"10.0.0.1"}});
  Start({{DnsConfig{
      .names = {"s.test"}, .type = net::DnsType::kA, .port = 80, .refresh_interval_ms = 30}}});
  ASSERT_TRUE(AwaitChange());
  dns_.FailWith(2);
  ASSERT_TRUE(Eventually([&] { return discovery_->statistics().dns_lookup_failures > 1; }));
  EXPECT_EQ(Found().size(), 1u);
  // A name that is no more, on the other hand, has none.
  dns_.Set("s.test", net::DnsType::kA, {});
  dns_.FailWith(0);
  ASSERT_TRUE(AwaitChange());
  EXPECT_THAT(Found(), IsEmpty());
}

class HttpDiscoveryTest : public DiscoveryTest {
 protected:
  void SetUp() override {
    DiscoveryTest::SetUp();
    server_ = *net::HttpServer::Start({.listen_address = "127.0.0.1:0"},
                                      [this](net::HttpRequest request, net::Responder responder) {
                                        base::MutexLock lock(answer_mutex_);
                                        last_ = std::move(request);
                                        if (holds_) return held_.push_back(std::move(responder));
                                        responder.Send(answer_);
                                      });
    url_ = "http://127.0.0.1:" + std::to_string(server_->port()) + "/targets";
  }
  void TearDown() override {
    DiscoveryTest::TearDown();
    server_->Stop(std::chrono::milliseconds(0));
  }
  void Answer(int status, const std::string& body, const std::string& type = "application/json") {
    base::MutexLock lock(answer_mutex_);
    answer_ = {.status = status, .body = body};
    answer_.headers.Set("Content-Type", type);
  }

  std::unique_ptr<net::HttpServer> server_;
  std::string url_;
  base::Mutex answer_mutex_;
  net::HttpResponse answer_ GUARDED_BY(answer_mutex_);
  net::HttpRequest last_ GUARDED_BY(answer_mutex_);
  bool holds_ GUARDED_BY(answer_mutex_) = false;
  std::vector<net::Responder> held_ GUARDED_BY(answer_mutex_);
};

TEST_F(HttpDiscoveryTest, AnswersBecomeTargetsAndMistakesChangeNothing) {
  Answer(200, R"([{"targets":["a:1"],"labels":{"l":"x"}}])", "application/json; charset=utf-8");
  HttpConfig config{.url = url_, .refresh_interval_ms = 30};
  config.client.authorization = {.type = "Bearer", .credentials = {.text = "t", .file = ""}};
  Start({{config}});
  ASSERT_TRUE(AwaitChange());
  EXPECT_THAT(Found(), ElementsAre("__address__=a:1 l=x __meta_url=" + url_));
  {
    base::MutexLock lock(answer_mutex_);
    EXPECT_EQ(last_.headers.Get("Accept"), "application/json");
    EXPECT_EQ(last_.headers.Get("X-Prometheus-Refresh-Interval-Seconds"), "0.03");
    EXPECT_EQ(last_.headers.Get("Authorization"), "Bearer t");
  }
  const std::pair<int, std::pair<const char*, const char*>> kWrong[] = {
      {500, {"[]", "application/json"}},
      {200, {"[]", "text/plain"}},
      {200, {"[]", "application/json; charset=latin1"}},
      {200, {"[{]", "application/json"}}};
  for (const auto& [status, answer] : kWrong) {
    Answer(status, answer.first, answer.second);
    const uint64_t before = discovery_->statistics().http_failures;
    EXPECT_TRUE(Eventually([&] { return discovery_->statistics().http_failures > before + 1; }));
    EXPECT_EQ(Found().size(), 1u);
  }
  EXPECT_GE(discovery_->statistics().mechanisms.at("http").failures, 8u);
  Answer(200, "[]");
  ASSERT_TRUE(AwaitChange());
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(HttpDiscoveryTest, AnswersOverTheLimitAreRefusedAndCounted) {
  http_bytes_max_ = 100;
  Answer(200, R"([{"targets":["a:1"]}])");
  Start({{HttpConfig{.url = url_, .refresh_interval_ms = 30}}});
  ASSERT_TRUE(AwaitChange());
  Answer(200, R"([{"targets":["b:1"]}])" + std::string(100, ' '));
  EXPECT_TRUE(Eventually([&] { return discovery_->statistics().http_too_large > 0; }));
  EXPECT_EQ(Found().at(0).substr(0, 15), "__address__=a:1");
}

TEST_F(HttpDiscoveryTest, AnAnswerThatDoesNotComeKeepsNobodyFromStopping) {
  {
    base::MutexLock lock(answer_mutex_);
    holds_ = true;
  }
  Start({{HttpConfig{.url = url_}}});
  ASSERT_TRUE(Eventually([&] {
    base::MutexLock lock(answer_mutex_);
    return !held_.empty();
  }));
  discovery_.reset();
}

TEST_F(DiscoveryTest, SettingsThatCannotBeUsedAreCounted) {
  HttpConfig config{.url = "https://127.0.0.1:1/"};
  config.client.tls.emplace().ca.file = folder_ + "/absent.pem";
  Start({{config}});
  EXPECT_EQ(discovery_->statistics().failed_configs, 1u);
}

}  // namespace
}  // namespace narthex::discovery
