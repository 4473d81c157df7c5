#include "scrape/manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "base/mutex.h"
#include "base/testing/memory_file_system.h"
#include "net/http_server.h"
#include "net/testing/certificates.h"
#include "net/testing/dns_server.h"
#include "storage/testing/memory_storage.h"

namespace narthex::scrape {
namespace {

// Waits for something that real sockets will bring about.
bool Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

JobConfig Job(const std::string& name, const std::string& address, int64_t interval_ms) {
  JobConfig job;
  job.name = name;
  job.interval_ms = interval_ms;
  job.timeout_ms = interval_ms;
  job.protocols = GlobalConfig{}.protocols;
  job.static_targets = {{.addresses = {address}}};
  return job;
}

TEST(Manager, ScrapesRealTargetsInTheirRhythm) {
  std::atomic<int> requests = 0;
  const auto server = *net::HttpServer::Start(
      {.listen_address = "127.0.0.1:0"}, [&](net::HttpRequest request, net::Responder responder) {
        ++requests;
        net::HttpResponse response =
            net::HttpResponse::Text(200, "# HELP a Help.\na " + std::to_string(requests) + "\n");
        EXPECT_EQ(request.path, "/metrics");
        responder.Send(std::move(response));
      });
  const std::string address = "127.0.0.1:" + std::to_string(server->port());
  storage::MemoryStorage storage;
  Manager::Options options;
  options.jobs = {Job("good", address, 100), Job("bad", "127.0.0.1:1", 100)};
  const auto manager = *Manager::Start(base::RealEnv(), base::NullLogger(), storage, options);
  EXPECT_TRUE(
      Eventually([&] { return manager->statistics().scrapes_failed >= 3 && requests >= 4; }));
  const auto targets = manager->targets();
  ASSERT_EQ(targets.size(), 2u);
  EXPECT_EQ(targets[0].health, Health::kUp);
  EXPECT_EQ(targets[1].health, Health::kDown);
  EXPECT_FALSE(targets[1].last_error.empty());
  ASSERT_EQ(manager->metadata().size(), 1u);
  EXPECT_EQ(manager->metadata()[0].metadata.help, "Help.");
  // Regular: what began in time bears the time of the schedule.
  const auto on_schedule = [&] {
    int count = 0;
    for (const auto& [labels, samples] : storage.content()) {
      if (labels.Get("__name__") != "a") continue;
      EXPECT_GE(samples.size(), 3u);
      model::Timestamp last = 0;
      for (const auto& [t, v] : samples) {
        count += (t - last) % 100 == 0;
        last = t;
      }
    }
    return count;
  };
  EXPECT_TRUE(Eventually([&] { return on_schedule() >= 1; }));
  server->Stop(std::chrono::milliseconds(100));
}

TEST(Manager, GivesUpAScrapeUnderWayWhenStopped) {
  const auto server = *net::HttpServer::Start({.listen_address = "127.0.0.1:0"},
                                              [](net::HttpRequest, net::Responder responder) {
                                                static std::vector<net::Responder> held;
                                                held.push_back(std::move(responder));
                                              });
  storage::MemoryStorage storage;
  Manager::Options options;
  options.jobs = {Job("slow", "127.0.0.1:" + std::to_string(server->port()), 60'000)};
  {
    const auto manager = *Manager::Start(base::RealEnv(), base::NullLogger(), storage, options);
  }
  EXPECT_TRUE(storage.content().empty());
  server->Stop(std::chrono::milliseconds(0));
}

// A job whose targets come from a name server.
class DiscoveredTest : public testing::Test {
 protected:
  void SetUp() override {
    server_ = *net::HttpServer::Start({.listen_address = "127.0.0.1:0"},
                                      [this](net::HttpRequest request, net::Responder responder) {
                                        ++requests_;
                                        EXPECT_EQ(request.headers.Get("Authorization"), "Bearer t");
                                        responder.Send(net::HttpResponse::Text(200, "a 1\n"));
                                      });
    JobConfig job = Job("found", "", 50);
    job.static_targets.clear();
    job.client.authorization = {.type = "Bearer", .credentials = {.text = "t", .file = ""}};
    job.discovery = {discovery::DnsConfig{.names = {"s.test"},
                                          .type = net::DnsType::kA,
                                          .port = server_->port(),
                                          .refresh_interval_ms = 20}};
    options_.jobs = {std::move(job)};
    options_.dns = {.servers = dns_.address()};
    options_.discovery_interval_ms = 0;
  }
  void TearDown() override {
    manager_.reset();
    server_->Stop(std::chrono::milliseconds(100));
  }
  void Start() {
    manager_ = *Manager::Start(base::RealEnv(), base::NullLogger(), storage_, options_);
  }
  std::vector<std::string> Addresses() {
    std::vector<std::string> all;
    for (const TargetStatus& status : manager_->targets()) {
      all.emplace_back(status.target.discovered.Get("__address__"));
    }
    return all;
  }
  std::string At(const std::string& host) { return host + ":" + std::to_string(server_->port()); }

  net::DnsServer dns_;
  std::atomic<int> requests_ = 0;
  std::unique_ptr<net::HttpServer> server_;
  storage::MemoryStorage storage_;
  Manager::Options options_;
  std::unique_ptr<Manager> manager_;
};

TEST_F(DiscoveredTest, TargetsComeAndGoAndTheOthersDoNotNotice) {
  dns_.Set("s.test", net::DnsType::kA, {{"127.0.0.1"}});
  Start();
  ASSERT_TRUE(Eventually([&] { return manager_->statistics().samples_kept > 0; }));
  const TargetStatus first = manager_->targets().at(0);
  EXPECT_EQ(first.target.labels.Get("instance"), At("127.0.0.1"));
  EXPECT_EQ(first.target.discovered.Get("__meta_dns_name"), "s.test");
  dns_.Set("s.test", net::DnsType::kA, {{"127.0.0.2"}, {"127.0.0.1"}, {"127.0.0.1"}});
  ASSERT_TRUE(Eventually([&] { return manager_->targets().size() == 2; }));
  EXPECT_EQ(manager_->jobs()[0].found, 3u) << "the same one twice is one";
  // The first is where it was and has not begun anew.
  EXPECT_EQ(Addresses(), (std::vector<std::string>{At("127.0.0.1"), At("127.0.0.2")}));
  EXPECT_EQ(manager_->targets()[0].health, Health::kUp);
  dns_.Set("s.test", net::DnsType::kA, {{"127.0.0.2"}});
  ASSERT_TRUE(Eventually([&] { return manager_->targets().size() == 1; }));
  EXPECT_EQ(Addresses(), std::vector<std::string>{At("127.0.0.2")});
  // Series of a target that is gone end.
  const auto is_ended = [&] {
    for (const auto& [labels, samples] : storage_.content()) {
      if (labels.Get("__name__") == "a" && labels.Get("instance") == At("127.0.0.1")) {
        return model::IsStaleNan(samples.rbegin()->second);
      }
    }
    return false;
  };
  EXPECT_TRUE(Eventually(is_ended));
}

TEST_F(DiscoveredTest, WhatCannotBeScrapedIsCountedAndTheOthersAreScraped) {
  dns_.Set("s.test", net::DnsType::kA, {{"127.0.0.1"}, {"127.0.0.2"}, {"127.0.0.3"}});
  options_.jobs[0].target_rules.push_back(
      *relabel::Rule::From({.source_labels = {"__address__"},
                            .regex = "127.0.0.2:.*",
                            .target_label = "__scrape_interval__",
                            .replacement = "often"}));
  options_.jobs[0].target_rules.push_back(*relabel::Rule::From({.action = relabel::Action::kDrop,
                                                                .source_labels = {"__address__"},
                                                                .regex = "127.0.0.3:.*"}));
  Start();
  ASSERT_TRUE(Eventually([&] { return !manager_->targets().empty(); }));
  EXPECT_EQ(Addresses(), std::vector<std::string>{At("127.0.0.1")});
  const JobStatus job = manager_->jobs()[0];
  EXPECT_EQ(job.failed, 1u);
  ASSERT_EQ(job.dropped.size(), 1u);
  EXPECT_EQ(job.dropped[0].Get("__meta_dns_name"), "s.test");
  EXPECT_GE(manager_->discovery().updates, 1u);
}

// Jobs that a reload changes, keeps and drops, all of one target with a page that can change.
class ReloadTest : public testing::Test {
 protected:
  void SetUp() override {
    server_ = *net::HttpServer::Start({.listen_address = "127.0.0.1:0"},
                                      [this](net::HttpRequest request, net::Responder responder) {
                                        base::MutexLock lock(mutex_);
                                        ++requests_[request.path];
                                        responder.Send(net::HttpResponse::Text(200, page_));
                                      });
  }
  void TearDown() override {
    manager_.reset();
    server_->Stop(std::chrono::milliseconds(100));
  }
  // Its path tells its requests from those of others.
  JobConfig Of(const std::string& name, int64_t interval_ms = 50) {
    JobConfig job = Job(name, "127.0.0.1:" + std::to_string(server_->port()), interval_ms);
    job.metrics_path = "/" + name;
    return job;
  }
  void Start(std::vector<JobConfig> jobs) {
    Manager::Options options;
    options.jobs = std::move(jobs);
    options.offset_seed = 1;
    options.discovery_interval_ms = 0;
    manager_ = *Manager::Start(base::RealEnv(), base::NullLogger(), storage_, options);
  }
  void Reload(const std::vector<JobConfig>& jobs, uint64_t seed = 1) {
    manager_->Apply(*manager_->Prepare(jobs, seed));
  }
  int Requests(const std::string& job) {
    base::MutexLock lock(mutex_);
    return requests_["/" + job];
  }
  void SetPage(const std::string& page) {
    base::MutexLock lock(mutex_);
    page_ = page;
  }
  bool AwaitMore(const std::string& job, int more = 3) {
    const int before = Requests(job);
    return Eventually([&] { return Requests(job) >= before + more; });
  }
  // The times of a series and whether each ends it.
  std::map<model::Timestamp, bool> Samples(const std::string& name, const std::string& job) {
    std::map<model::Timestamp, bool> all;
    for (const auto& [labels, samples] : storage_.content()) {
      if (labels.Get("__name__") != name || labels.Get("job") != job) continue;
      for (const auto& [t, v] : samples) all[t] = model::IsStaleNan(v);
    }
    return all;
  }
  size_t Ends(const std::string& name, const std::string& job) {
    size_t ends = 0;
    for (const auto& [t, is_end] : Samples(name, job)) ends += is_end;
    return ends;
  }

  base::Mutex mutex_;
  std::string page_ GUARDED_BY(mutex_) = "a 1\n";
  std::map<std::string, int> requests_ GUARDED_BY(mutex_);
  std::unique_ptr<net::HttpServer> server_;
  storage::MemoryStorage storage_;
  std::unique_ptr<Manager> manager_;
};

TEST_F(ReloadTest, LeavesAloneWhatStays) {
  Start({Of("stays", 200), Of("goes")});
  ASSERT_TRUE(AwaitMore("stays"));
  const uint64_t found = manager_->jobs()[0].syncs;
  for (uint64_t i = 0; i < 10; ++i) {
    // Others come and go in front of it, and so does the seed of offsets.
    std::vector<JobConfig> jobs = {Of("stays", 200)};
    if (i % 2 == 0) jobs.insert(jobs.begin(), Of("comes"));
    Reload(jobs, 2 + i);
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
  }
  ASSERT_TRUE(AwaitMore("stays"));
  EXPECT_EQ(manager_->jobs()[0].syncs, found);
  auto samples = Samples("a", "stays");
  samples.erase(samples.begin());  // At once; the rhythm begins behind it.
  EXPECT_EQ(Ends("a", "stays"), 0u);
  model::Timestamp last = 0;
  for (const auto& [t, is_end] : samples) {
    if (last != 0) {
      EXPECT_NEAR(static_cast<double>(t - last), 200, 90) << "no gap and nothing between";
    }
    last = t;
  }
  EXPECT_EQ(Ends("a", "goes"), 1u);
  EXPECT_EQ(Ends("up", "goes"), 1u);
  EXPECT_EQ(Ends("up", "comes"), 5u);
  EXPECT_EQ(manager_->statistics().jobs_reloaded, 0u);
}

TEST_F(ReloadTest, ATargetOfAChangedJobGoesOn) {
  Start({Of("job")});
  ASSERT_TRUE(AwaitMore("job"));
  JobConfig changed = Of("job");
  changed.limits.samples = 100;
  Reload({changed});
  ASSERT_TRUE(AwaitMore("job"));
  EXPECT_EQ(Ends("a", "job"), 0u);
  EXPECT_EQ(Ends("up", "job"), 0u);
  EXPECT_EQ(manager_->statistics().jobs_reloaded, 1u);
  // And what is new about it counts.
  changed.limits.samples = 1;
  Reload({changed});
  SetPage("a 1\nb 2\n");
  EXPECT_TRUE(Eventually([&] { return manager_->targets()[0].health == Health::kDown; }));
}

TEST_F(ReloadTest, AnotherIntervalIsAnotherRhythm) {
  Start({Of("job", 60'000)});
  ASSERT_TRUE(Eventually([&] { return Requests("job") == 1; }));
  ASSERT_TRUE(Eventually([&] { return manager_->statistics().scrapes == 1; }));
  Reload({Of("job", 40)});
  EXPECT_TRUE(AwaitMore("job"));
  EXPECT_EQ(manager_->targets()[0].target.interval_ms, 40);
  Reload({Of("job", 60'000)});
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const int before = Requests("job");
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LE(Requests("job"), before + 1);
  EXPECT_EQ(Ends("a", "job"), 0u);
}

// Where the labels of series change, the old ones end with the first scrape that has the new.
TEST_F(ReloadTest, OtherLabelsEndTheOldSeries) {
  SetPage("a 1\nsame 1\n");
  Start({Of("job")});
  ASSERT_TRUE(AwaitMore("job"));
  JobConfig changed = Of("job");
  changed.metric_rules.push_back(*relabel::Rule::From({.source_labels = {"__name__"},
                                                       .regex = "a",
                                                       .target_label = "__name__",
                                                       .replacement = "b"}));
  Reload({changed});
  ASSERT_TRUE(AwaitMore("job"));
  EXPECT_EQ(Ends("a", "job"), 1u);
  EXPECT_TRUE(Samples("a", "job").rbegin()->second);
  EXPECT_GT(Samples("b", "job").size(), 0u);
  EXPECT_EQ(Ends("same", "job"), 0u);
  EXPECT_EQ(Ends("up", "job"), 0u);
}

TEST_F(ReloadTest, MoreTargetsThanMayBeAreNotScraped) {
  JobConfig job = Of("job");
  job.limits.targets = 1;
  Start({job});
  ASSERT_TRUE(AwaitMore("job"));
  JobConfig two = job;
  two.static_targets[0].addresses.push_back("localhost:" + std::to_string(server_->port()));
  Reload({two});
  ASSERT_TRUE(Eventually([&] { return manager_->targets()[0].health == Health::kDown; }));
  EXPECT_EQ(manager_->targets()[0].last_error,
            "target_limit exceeded (number of targets: 2, limit: 1)");
  EXPECT_EQ(manager_->jobs()[0].over_limit, 1u);
  EXPECT_EQ(Ends("a", "job"), 1u);
  const int before = Requests("job");
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  EXPECT_LE(Requests("job"), before + 1);
  Reload({job});
  EXPECT_TRUE(AwaitMore("job"));
}

TEST_F(ReloadTest, LimitsAndDistancesAreCounted) {
  JobConfig samples = Of("samples");
  samples.limits.samples = 1;
  JobConfig size = Of("size");
  size.limits.body_bytes = 3;
  JobConfig labels = Of("labels");
  labels.limits.labels = 2;
  SetPage("a 1\nb{c=\"d\"} 1\n");
  Start({samples, size, labels});
  const auto all = [&] {
    const Manager::Statistics now = manager_->statistics();
    return now.over_samples > 0 && now.over_body_size > 0 && now.over_labels > 0 &&
           now.distances.contains(50) && now.distances.at(50).count > 10;
  };
  ASSERT_TRUE(Eventually(all));
  const auto distances = manager_->statistics().distances.at(50);
  const double mean = distances.seconds / static_cast<double>(distances.count);
  EXPECT_GT(mean, 0.02);
  EXPECT_LT(mean, 1);
}

TEST_F(ReloadTest, WhatIsBadChangesNothing) {
  Start({Of("job")});
  JobConfig bad = Of("bad");
  bad.static_targets[0].addresses = {"a/b"};
  EXPECT_FALSE(manager_->Prepare({bad}, 1).has_value());
  EXPECT_TRUE(AwaitMore("job"));
  EXPECT_EQ(manager_->jobs().size(), 1u);
}

TEST_F(DiscoveredTest, AReloadKeepsWhatWasFound) {
  dns_.Set("s.test", net::DnsType::kA, {{"127.0.0.1"}});
  Start();
  ASSERT_TRUE(Eventually([&] { return manager_->statistics().samples_kept > 0; }));
  // Also where it is looked for anew: what stays goes on in the meantime.
  std::vector<JobConfig> jobs = options_.jobs;
  for (const int64_t interval_ms : {20, 30, 40}) {
    std::get<discovery::DnsConfig>(jobs[0].discovery[0]).refresh_interval_ms = interval_ms;
    manager_->Apply(*manager_->Prepare(jobs, 0));
    EXPECT_EQ(Addresses(), std::vector<std::string>{At("127.0.0.1")});
    const auto scrapes = manager_->statistics().scrapes;
    ASSERT_TRUE(Eventually([&] { return manager_->statistics().scrapes > scrapes + 2; }));
  }
  for (const auto& [labels, samples] : storage_.content()) {
    for (const auto& [t, v] : samples) EXPECT_FALSE(model::IsStaleNan(v)) << labels.ToString();
  }
  dns_.Set("s.test", net::DnsType::kA, {{"127.0.0.2"}});
  EXPECT_TRUE(Eventually([&] { return Addresses() == std::vector<std::string>{At("127.0.0.2")}; }));
}

// A target over TLS, and what a job with this `tls_config` makes of it.
class ManagerTlsTest : public testing::Test {
 protected:
  void Serve(config::TlsServerConfig tls = {}) {
    server_ = *net::HttpServer::Start(
        {.listen_address = "127.0.0.1:0", .tls = net::ServerTls(ca_.Issue("target.test"), tls)},
        [](net::HttpRequest, net::Responder responder) {
          responder.Send(net::HttpResponse::Text(200, "a 1\n"));
        });
  }
  base::Result<std::unique_ptr<Manager>> Start(std::string_view tls, int64_t interval_ms = 10'000) {
    const config::Node node = *config::ParseYaml(tls, "p.yml");
    config::Diagnostics diagnostics("p.yml");
    JobConfig job = Job("secure", "127.0.0.1:" + std::to_string(server_->port()), interval_ms);
    job.scheme = "https";
    job.client.tls = config::ReadScrapeTls(node, diagnostics);
    EXPECT_TRUE(diagnostics.ok());
    Manager::Options options;
    options.jobs = {std::move(job)};
    return Manager::Start({files_, base::SystemClock()}, base::NullLogger(), storage_, options);
  }
  // The error of the first scrape; "" when it went well.
  std::string ErrorOf(std::string_view tls) {
    const auto manager = Start(tls);
    if (!manager) return manager.error().message;
    EXPECT_TRUE(Eventually([&] { return (*manager)->statistics().scrapes > 0; }));
    return (*manager)->targets()[0].last_error;
  }
  void Put(const net::Identity& identity) {
    files_.SetContent("me.pem", identity.cert);
    files_.SetContent("me.key", identity.key);
  }

  const net::CertificateAuthority ca_, other_{"Somebody else"};
  base::MemoryFileSystem files_;
  storage::MemoryStorage storage_;
  std::unique_ptr<net::HttpServer> server_;
};

TEST_F(ManagerTlsTest, TargetsHaveToBeThoseThatAreTrusted) {
  Serve();
  files_.SetContent("ca.pem", ca_.cert());
  files_.SetContent("other.pem", other_.cert());
  EXPECT_EQ(ErrorOf("ca_file: ca.pem"), "");
  EXPECT_EQ(ErrorOf("{ca_file: ca.pem, server_name: target.test, min_version: TLS13}"), "");
  EXPECT_NE(ErrorOf("{}"), "");
  EXPECT_NE(ErrorOf("ca_file: other.pem"), "");
  EXPECT_NE(ErrorOf("{ca_file: ca.pem, server_name: other.test}"), "");
  EXPECT_EQ(ErrorOf("{ca_file: other.pem, insecure_skip_verify: true}"), "");
  EXPECT_THAT(ErrorOf("ca_file: none.pem"), testing::HasSubstr("job secure: tls: "));
  EXPECT_THAT(ErrorOf("ca_file: none.pem"), testing::HasSubstr("none.pem"));
}

TEST_F(ManagerTlsTest, TargetsThatAskForItAreShownACertificate) {
  const net::CertificateAuthority clients("Clients");
  config::TlsServerConfig config;
  config.client_ca.text = clients.cert();
  config.client_auth = config::TlsServerConfig::ClientAuth::kRequireAndVerify;
  Serve(config);
  files_.SetContent("ca.pem", ca_.cert());
  EXPECT_NE(ErrorOf("ca_file: ca.pem"), "");
  Put(clients.Issue("scraper"));
  EXPECT_EQ(ErrorOf("{ca_file: ca.pem, cert_file: me.pem, key_file: me.key}"), "");
  Put(other_.Issue("scraper"));
  EXPECT_NE(ErrorOf("{ca_file: ca.pem, cert_file: me.pem, key_file: me.key}"), "");
}

TEST_F(ManagerTlsTest, FilesAreReadAgainWhenTheyChange) {
  Serve();
  files_.SetContent("ca.pem", other_.cert());
  const auto manager = *Start("ca_file: ca.pem", 100);
  const auto has = [&](Health health) {
    return Eventually([&] { return manager->targets()[0].health == health; });
  };
  EXPECT_TRUE(has(Health::kDown));
  files_.SetContent("ca.pem", ca_.cert());
  EXPECT_TRUE(has(Health::kUp));
  files_.SetContent("ca.pem", other_.cert());
  EXPECT_TRUE(has(Health::kDown));
}

}  // namespace
}  // namespace narthex::scrape
