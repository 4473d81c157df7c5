#include "demo/screen.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <sstream>

namespace narthex::demo {
namespace {

using ::testing::HasSubstr;

View Example() {
  View view;
  view.elapsed_s = 3725;
  view.hops = {{"load", "up", 50.1, "req", 0, "in flight 12, p95 301 ms"},
               {"api", "up", 50.1, "req", 3, "in flight 12"},
               {"collector", "down", 0, "points", 0, "exit code 1, again in 2 s"},
               {"server", "starting", 0, "samples", 0, ""}};
  view.links = {{"web UI and API", "http://127.0.0.1:9090"}};
  for (const ExampleQuery& query : ExampleQueries()) view.answers.push_back({.query = &query});
  view.answers[0].series = {{.labels = {{"endpoint", "/health"}}, .value = 7.512},
                            {.labels = {{"endpoint", "/api/users"}}, .value = NAN}};
  view.answers[1].error = "the server does not answer";
  return view;
}

TEST(Screen, FitsATerminal) {
  View view = Example();
  view.notice = std::string(500, 'x');
  for (int i = 0; i < 30; ++i) view.links.push_back(view.links[0]);
  std::istringstream lines(FormatScreen(view));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const auto is_start = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
    EXPECT_LE(std::ranges::count_if(line, is_start), 80) << line;
  }
  EXPECT_LT(count, 24);
}

TEST(Screen, ShowsHopsLinksAndAnswers) {
  const std::string screen = FormatScreen(Example());
  EXPECT_THAT(screen, HasSubstr("01:02:05"));
  EXPECT_THAT(screen, HasSubstr("load      up                50.1 req/s       0  in flight 12"));
  EXPECT_THAT(screen, HasSubstr("down"));
  EXPECT_THAT(screen, HasSubstr("exit code 1, again in 2 s"));
  EXPECT_THAT(screen, HasSubstr("http://127.0.0.1:9090"));
  EXPECT_THAT(screen, HasSubstr("    /api/users –/s  /health 7.51/s\n"));
  EXPECT_THAT(screen, HasSubstr("    the server does not answer\n"));
  EXPECT_THAT(screen, HasSubstr("    no data yet\n"));
  EXPECT_THAT(screen, HasSubstr("[30s])) /\n  sum(rate("));
}

TEST(Screen, LineForLogs) {
  EXPECT_THAT(
      FormatViewLine(Example()),
      HasSubstr("elapsed=3725s load=\"up, 50.1 req/s, 0 errors, in flight 12, p95 301 ms\""));
}

TEST(Queries, SelectOneRun) {
  EXPECT_EQ(RequestsQuery("r1-"),
            "sum by (method, endpoint, status) (http_requests_total{instance=~\"r1-.*\"})");
}

}  // namespace
}  // namespace narthex::demo
