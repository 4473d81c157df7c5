#include "api/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/testing/manual_clock.h"
#include "json/reader.h"
#include "storage/testing/memory_storage.h"

namespace narthex::api {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

model::Labels LabelsOf(std::vector<model::Label> labels) {
  return *model::Labels::From(std::move(labels));
}

class FakeTargets final : public TargetSource {
 public:
  std::vector<std::string> ScrapePools() const override { return {"b", "a"}; }
  std::vector<ActiveTarget> Active() const override {
    ActiveTarget target;
    target.labels = LabelsOf({{"job", "a"}});
    target.scrape_pool = "a";
    target.health = "up";
    target.last_scrape_ms = 1000;
    return {target};
  }
  std::vector<DroppedTarget> Dropped() const override {
    return {{LabelsOf({{"__address__", "x"}}), "b"}};
  }
};

class ApiTest : public testing::Test {
 protected:
  ApiTest() : engine_({}, base::SystemClock()) {
    for (int64_t t = 0; t <= 600'000; t += 60'000) {
      storage_.Put(LabelsOf({{"__name__", "up"}, {"job", "a"}}), t, 1);
      storage_.Put(LabelsOf({{"__name__", "up"}, {"job", "b"}}), t, 0.5);
    }
    storage_.Put(LabelsOf({{"__name__", "odd.name"}, {"a.b", "1"}}), 0, 1);
  }

  net::HttpResponse Get(std::string path, std::string query = "") {
    net::HttpRequest request;
    request.method = "GET";
    request.path = "/api/v1/" + path;
    request.query = std::move(query);
    return Send(request);
  }
  net::HttpResponse Send(const net::HttpRequest& request) {
    const ApiV1 api({.engine = engine_,
                     .storage = storage_,
                     .clock = base::SystemClock(),
                     .exemplars = &storage_,
                     .targets = &targets_});
    return api.Handle(request, {});
  }

  storage::MemoryStorage storage_;
  FakeTargets targets_;
  const promql::Engine engine_;
};

TEST_F(ApiTest, TextOfAnAnswerCountsAsMemoryOfItsQuery) {
  for (int series = 0; series < 200; ++series) {
    const auto labels = LabelsOf({{"__name__", "m"}, {"i", std::to_string(series)}});
    for (int64_t t = 0; t <= 600'000; t += 60'000) storage_.Put(labels, t, 1.0 / 3);
  }
  promql::Engine::Options options;
  options.threads = 1;
  net::HttpRequest request;
  request.method = "GET";
  request.path = "/api/v1/query_range";
  request.query = "query=m&start=0&end=600&step=5";
  const auto ask = [&](uint64_t bytes) {
    options.memory_bytes_max = bytes;
    const promql::Engine engine(options, base::SystemClock());
    const ApiV1 api({.engine = engine, .storage = storage_, .clock = base::SystemClock()});
    const net::HttpResponse response = api.Handle(request, {});
    const auto evaluated =
        engine.OverRange(storage_, "m", {.start = 0, .end = 600'000, .step_ms = 5'000}, {});
    if (response.status == 200) return "answered";
    EXPECT_EQ(response.status, 422);
    EXPECT_THAT(response.body, AllOf(HasSubstr("execution"), HasSubstr("bytes in memory")));
    EXPECT_GE(engine.statistics().over_memory, 1u);
    return evaluated ? "evaluated" : "refused";
  };
  // The samples are 390 kB and their text some 700.
  EXPECT_STREQ(ask(1 << 21), "answered");
  std::set<std::string> fates;
  for (uint64_t bytes = 1 << 10; bytes < 1 << 21; bytes += 64 << 10) fates.insert(ask(bytes));
  EXPECT_EQ(fates, (std::set<std::string>{"answered", "evaluated", "refused"}));
}

TEST_F(ApiTest, LetsBrowsersInFromWhereItIsTold) {
  const ApiV1 api({.engine = engine_,
                   .storage = storage_,
                   .clock = base::SystemClock(),
                   .cors_origin = "https?://(a|b)\\.example"});
  net::HttpRequest request;
  request.method = "GET";
  request.path = "/api/v1/labels";
  for (const auto& [origin, allowed] :
       std::map<std::string, std::string>{{"http://a.example", "http://a.example"},
                                          {"http://c.example", ""},
                                          {"http://a.example.org", ""}}) {
    request.headers.Set("Origin", origin);
    const net::HttpResponse response = api.Handle(request, {});
    EXPECT_EQ(response.headers.Get("Access-Control-Allow-Origin"), allowed);
    EXPECT_EQ(response.headers.Get("Vary"), "Origin");
  }
}

TEST_F(ApiTest, AnswersInstantQueries) {
  const net::HttpResponse response = Get("query", "query=up&time=120.5");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"status":"success","data":{"resultType":"vector","result":[)"
                           R"({"metric":{"__name__":"up","job":"a"},"value":[120.500,"1"]},)"
                           R"({"metric":{"__name__":"up","job":"b"},"value":[120.500,"0.5"]}]}})");
  EXPECT_EQ(Get("query", "query=1%2B1&time=3").body,
            R"({"status":"success","data":{"resultType":"scalar","result":[3,"2"]}})");
  EXPECT_EQ(Get("query", "query=%22x%22&time=3").body,
            R"({"status":"success","data":{"resultType":"string","result":[3,"x"]}})");
}

TEST_F(ApiTest, ShowsNativeHistograms) {
  model::FloatHistogram h;
  h.count = 4;
  h.sum = 5.5;
  h.zero_threshold = 0.5;
  h.zero_count = 1;
  h.positive_spans = {{1, 1}};
  h.positive = {2};
  h.negative_spans = {{1, 1}};
  h.negative = {1};
  const model::Labels labels = LabelsOf({{"__name__", "h"}});
  storage_.PutHistogram(labels, 60'000, h);
  storage_.Put(labels, 120'000, 7);
  const std::string histogram =
      R"([60,{"count":"4","sum":"5.5","buckets":[[1,"-2","-1","1"],[3,"-0.5","0.5","1"],)"
      R"([0,"1","2","2"]]}])";
  EXPECT_THAT(Get("query", "query=h&time=60").body,
              HasSubstr(R"({"metric":{"__name__":"h"},"histogram":)" + histogram + "}"));
  EXPECT_THAT(Get("query_range", "query=h&start=60&end=120&step=60").body,
              HasSubstr(R"("values":[[120,"7"]],"histograms":[)" + histogram + "]}"));
}

TEST_F(ApiTest, FindsExemplarsOfEverySelector) {
  const auto appender = storage_.OpenAppender();
  for (const std::string job : {"a", "b"}) {
    const auto ref = *appender->Resolve(LabelsOf({{"__name__", "up"}, {"job", job}}));
    for (const int64_t t : {60'000, 90'500}) {
      ASSERT_EQ(appender->AppendExemplar(ref, {LabelsOf({{"trace_id", job}}), 0.25, t}),
                storage::Appended::kYes);
    }
  }
  ASSERT_TRUE(appender->Commit().has_value());
  EXPECT_EQ(Get("query_exemplars", "query=rate(up{job=%22b%22}[5m])%2Bnone&start=60&end=91").body,
            R"({"status":"success","data":[{"seriesLabels":{"__name__":"up","job":"b"},)"
            R"("exemplars":[{"labels":{"trace_id":"b"},"value":"0.25","timestamp":60},)"
            R"({"labels":{"trace_id":"b"},"value":"0.25","timestamp":90.500}]}]})");
  EXPECT_THAT(Get("query_exemplars", "query=none%20or%20up&start=61&end=91").body,
              AllOf(HasSubstr(R"("job":"a")"), HasSubstr(R"("job":"b")")));
  EXPECT_EQ(Get("query_exemplars", "query=up&start=0&end=59").body,
            R"({"status":"success","data":[]})");
}

TEST_F(ApiTest, AnswersRangeQueries) {
  EXPECT_EQ(Get("query_range", "query=sum(up)&start=60&end=1970-01-01T00:02:00Z&step=1m").body,
            R"({"status":"success","data":{"resultType":"matrix","result":[)"
            R"({"metric":{},"values":[[60,"1.5"],[120,"1.5"]]}]}})");
}

TEST_F(ApiTest, SaysWhatIsWrongWithParameters) {
  const std::tuple<std::string, std::string, std::string> kCases[] = {
      {"query", "query=up(", R"(invalid parameter \"query\": 1:4: parse error: )"},
      {"query", "query=up&time=abc",
       R"(invalid parameter \"time\": invalid time value for 'time': cannot parse \"abc\" to a valid timestamp)"},
      {"query", "query=up&limit=-1", R"(invalid parameter \"limit\": limit must be non-negative)"},
      {"query_range", "query=up&start=2&end=1&step=1",
       R"(invalid parameter \"end\": end timestamp must not be before start time)"},
      {"query_range", "query=up&start=1&end=2&step=0",
       R"(invalid parameter \"step\": zero or negative query resolution step widths are not )"
       R"(accepted. Try a positive integer)"},
      {"query_range", "query=up&start=0&end=11001&step=1",
       "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
       "resolution (?step=XX)"},
      {"query_range", "query=up[1m]&start=0&end=1&step=1",
       R"(invalid parameter \"query\": invalid expression type \"range vector\" for range query, )"
       R"(must be Scalar or instant Vector)"},
      {"series", "", "no match[] parameter provided"},
      {"series", "match[]=1", R"(invalid parameter \"match[]\": 1:1: parse error: )"},
  };
  for (const auto& [path, query, message] : kCases) {
    const net::HttpResponse response = Get(path, query);
    EXPECT_EQ(response.status, 400) << query;
    EXPECT_THAT(response.body, HasSubstr(R"("status":"error","errorType":"bad_data")"));
    EXPECT_THAT(response.body, HasSubstr(message));
  }
}

TEST_F(ApiTest, TellsFailedQueriesFromWrongOnes) {
  const net::HttpResponse response = Get("query", "query=up+*+on()+up&time=1");
  EXPECT_EQ(response.status, 422);
  EXPECT_THAT(response.body, HasSubstr(R"("errorType":"execution")"));
}

TEST_F(ApiTest, TakesFormsByPost) {
  net::HttpRequest request;
  request.method = "POST";
  request.path = "/api/v1/query";
  request.headers.Set("Content-Type", "application/x-www-form-urlencoded");
  request.body = "query=vector(1)&time=5";
  EXPECT_THAT(Send(request).body, HasSubstr(R"("value":[5,"1"])"));
}

TEST_F(ApiTest, CutsAndWarnsAtTheLimit) {
  const net::HttpResponse response = Get("query", "query=up&time=60&limit=1");
  EXPECT_THAT(response.body, HasSubstr(R"("warnings":["results truncated due to limit"])"));
  EXPECT_THAT(response.body, testing::Not(HasSubstr(R"("job":"b")")));
}

TEST_F(ApiTest, CarriesRemarks) {
  EXPECT_THAT(Get("query", "query=rate(up[5m])&time=300").body,
              HasSubstr(R"("infos":["PromQL info)"));
}

TEST_F(ApiTest, ListsLabelsAndSeries) {
  EXPECT_EQ(Get("labels").body, R"({"status":"success","data":["__name__","a.b","job"]})");
  EXPECT_EQ(Get("labels", "match[]=up").body, R"({"status":"success","data":["__name__","job"]})");
  EXPECT_EQ(Get("label/job/values").body, R"({"status":"success","data":["a","b"]})");
  EXPECT_EQ(Get("label/U__a_2e_b/values").body, R"({"status":"success","data":["1"]})");
  EXPECT_EQ(Get("series", "match[]=up&match[]={job=%22b%22}").body,
            R"({"status":"success","data":[{"__name__":"up","job":"a"},)"
            R"({"__name__":"up","job":"b"}]})");
}

TEST_F(ApiTest, ShowsTargets) {
  const net::HttpResponse response = Get("targets");
  EXPECT_THAT(response.body, HasSubstr(R"("health":"up")"));
  EXPECT_THAT(response.body, HasSubstr(R"("lastScrape":"1970-01-01T00:00:01)"));
  EXPECT_THAT(response.body, HasSubstr(R"("droppedTargetCounts":{"a":0,"b":1})"));
  EXPECT_THAT(Get("targets", "scrapePool=b").body, HasSubstr(R"("activeTargets":[])"));
  EXPECT_EQ(Get("scrape_pools").body, R"({"status":"success","data":{"scrapePools":["a","b"]}})");
}

TEST_F(ApiTest, FormatsAndParsesQueries) {
  EXPECT_EQ(Get("format_query", "query=sum(up)by(job)").body,
            "{\"status\":\"success\",\"data\":\"sum by (job) (up)\"}");
  EXPECT_EQ(Get("parse_query", "query=-1%2Bup").body,
            R"({"status":"success","data":{"type":"binaryExpr","op":"+","bool":false,)"
            R"("matching":null,"lhs":{"type":"numberLiteral","val":"-1"},)"
            R"("rhs":{"type":"vectorSelector","name":"up","matchers":[{"name":"__name__",)"
            R"("value":"up","type":"="}],"offset":0,"timestamp":null,"startOrEnd":null}}})");
}

TEST_F(ApiTest, RefusesWhatIsDisabledOrUnknown) {
  net::HttpRequest request;
  request.method = "POST";
  request.path = "/api/v1/admin/tsdb/snapshot";
  EXPECT_EQ(Send(request).status, 500);
  EXPECT_THAT(Send(request).body, HasSubstr(R"("errorType":"unavailable","error":"admin APIs)"));
  EXPECT_EQ(Get("nothing").status, 404);
  EXPECT_EQ(Get("admin/tsdb/snapshot").status, 405);
}

TEST_F(ApiTest, LetsBrowsersCall) {
  net::HttpRequest request;
  request.method = "OPTIONS";
  request.path = "/api/v1/query";
  request.headers.Set("Origin", "http://grafana");
  const net::HttpResponse response = Send(request);
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(response.headers.Get("Access-Control-Allow-Origin"), "*");
}

}  // namespace
}  // namespace narthex::api
