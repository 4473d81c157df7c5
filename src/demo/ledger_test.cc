#include "demo/ledger.h"

#include <gmock/gmock.h>

namespace narthex::demo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const RequestKey kGood{"GET", "/api/users", "200"};
const RequestKey kBad{"GET", "/api/users", "500"};

Ledger Balanced() {
  Ledger ledger;
  const RequestCounts counts = {{kGood, 95}, {kBad, 5}};
  ledger.load = LoadTotals{.planned = 100, .sent = 100, .completed = 100, .requests = counts};
  ledger.api.requests = counts;
  ledger.collector = {.accepted_points = 40, .sent_points = 40, .requests = counts};
  ledger.server.requests = counts;
  return ledger;
}

TEST(Ledger, AddsUpWhenEveryHopAgrees) {
  EXPECT_THAT(Balanced().Differences(), IsEmpty());
  Ledger without_load = Balanced();
  without_load.load.reset();
  EXPECT_THAT(without_load.Differences(), IsEmpty());
}

TEST(Ledger, NamesTheHopThatLost) {
  Ledger ledger = Balanced();
  ledger.server.requests[kGood] = 94;
  EXPECT_THAT(ledger.Differences(),
              ElementsAre("GET /api/users 200: collector counted 95, server counted 94"));
  ledger = Balanced();
  ledger.collector.requests.erase(kBad);
  EXPECT_THAT(ledger.Differences(),
              ElementsAre(HasSubstr("api counted 5, collector counted 0"),
                          HasSubstr("collector counted 0, server counted 5")));
}

TEST(Ledger, AnswersThatCameTooLateExplainAsManyAsFailed) {
  Ledger ledger = Balanced();
  ledger.load->completed = 99;
  ledger.load->failed = 1;
  ledger.load->requests[kGood] = 94;
  EXPECT_THAT(ledger.Differences(), IsEmpty());
  ledger.load->requests[kBad] = 4;
  EXPECT_THAT(ledger.Differences(), ElementsAre(HasSubstr("load counted 4, api counted 5")));
}

TEST(Ledger, EachHopBalancesInItself) {
  Ledger ledger = Balanced();
  ledger.load->planned = 120;
  ledger.load->completed = 90;
  ledger.api.in_flight = 2;
  ledger.collector.refused_points = 3;
  ledger.collector.sent_points = 39;
  EXPECT_THAT(ledger.Differences(),
              ElementsAre("load: planned 120, but sent 100 and dropped 0",
                          "load: sent 100, but completed 90, failed 0 and waiting 0",
                          "api: 2 requests still in flight", "collector: lost 3 points",
                          "collector: accepted 40 points, but passed on 39"));
}

}  // namespace
}  // namespace narthex::demo
