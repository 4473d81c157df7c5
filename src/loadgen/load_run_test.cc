#include "loadgen/load_run.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

#include "json/reader.h"
#include "loadgen/report.h"
#include "net/http_server.h"

namespace narthex::loadgen {
namespace {

using ::testing::HasSubstr;

class LoadRunTest : public ::testing::Test {
 protected:
  LoadRunTest()
      : server_(net::HttpServer::Start({.listen_address = "127.0.0.1:0"},
                                       [this](net::HttpRequest request, net::Responder responder) {
                                         Serve(std::move(request), std::move(responder));
                                       })
                    .value()) {}

  void Serve(net::HttpRequest request, net::Responder responder) {
    ++served_;
    if (hold_) return held_.push_back(std::move(responder));
    responder.Send(net::HttpResponse::Text(request.body.empty() ? 200 : 201, ""));
  }

  LoadConfig Config() {
    LoadConfig config;
    config.target = fmt::format("http://127.0.0.1:{}", server_->port());
    config.traffic.rate = 2000;
    config.duration = std::chrono::milliseconds(100);
    return config;
  }

  std::atomic<uint64_t> served_{0};
  std::atomic<bool> hold_{false};
  std::vector<net::Responder> held_;
  std::unique_ptr<net::HttpServer> server_;
  net::HttpClient client_;
};

TEST_F(LoadRunTest, EveryRequestIsCountedOnce) {
  const LoadConfig config = Config();
  LoadRun run(config, client_, base::SystemClock());
  ASSERT_TRUE(run.CheckTarget().has_value());
  run.Start();
  ASSERT_TRUE(run.WaitUntilDone(std::chrono::seconds(30)));
  const LoadStats stats = run.Stats();
  const RouteStats total = stats.Total();
  EXPECT_GT(total.planned, 100u);
  EXPECT_EQ(total.planned, total.sent + total.dropped);
  EXPECT_EQ(total.sent, total.completed + total.failed);
  EXPECT_EQ(total.completed, served_);
  EXPECT_EQ(total.by_status.at(200) + total.by_status.at(201), total.completed);
  EXPECT_EQ(stats.routes[1].by_status.at(201), stats.routes[1].completed);
  EXPECT_EQ(total.response.count(), total.completed);

  const auto report = json::Document::Parse(FormatJson(config, stats, false)).value();
  EXPECT_EQ(report.root().Get("completed").Uint(), total.completed);
  EXPECT_THAT(FormatSummary(stats), HasSubstr("POST /api/orders"));
  EXPECT_THAT(FormatLine(stats, LoadStats(stats)), HasSubstr("failed=0"));
}

TEST_F(LoadRunTest, DropsAndCountsWhatExceedsTheLimit) {
  hold_ = true;
  LoadConfig config = Config();
  config.in_flight_max = 3;
  config.timeout = std::chrono::milliseconds(500);
  LoadRun run(config, client_, base::SystemClock());
  run.Start();
  ASSERT_TRUE(run.WaitUntilDone(std::chrono::seconds(30)));
  const RouteStats total = run.Stats().Total();
  EXPECT_EQ(total.sent, 3u);
  EXPECT_EQ(total.by_failure.at("DEADLINE_EXCEEDED"), 3u);
  EXPECT_EQ(total.dropped, total.planned - 3);
  EXPECT_THAT(GeneratorLimits(run.Stats()), HasSubstr("too many were in flight"));
}

TEST_F(LoadRunTest, StopEndsAnEndlessRun) {
  LoadConfig config = Config();
  config.duration.reset();
  LoadRun run(config, client_, base::SystemClock());
  run.Start();
  EXPECT_FALSE(run.WaitUntilDone(std::chrono::milliseconds(10)));
  run.Stop();
  run.Stop();
  EXPECT_TRUE(run.WaitUntilDone(std::chrono::seconds(30)));
  EXPECT_EQ(run.Stats().Total().completed, served_);
}

TEST_F(LoadRunTest, SaysWhenNobodyListens) {
  LoadConfig config = Config();
  config.target =
      fmt::format("http://127.0.0.1:{}",
                  net::HttpServer::Bind({.listen_address = "127.0.0.1:0"}).value()->port());
  LoadRun run(config, client_, base::SystemClock());
  EXPECT_EQ(run.CheckTarget().error().code, base::Code::kUnavailable);
  EXPECT_EQ(served_, 0u);
}

}  // namespace
}  // namespace narthex::loadgen
