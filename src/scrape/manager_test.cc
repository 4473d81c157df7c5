#include "scrape/manager.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "net/http_server.h"
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

}  // namespace
}  // namespace narthex::scrape
