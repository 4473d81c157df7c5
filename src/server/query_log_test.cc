#include "server/query_log.h"

#include <gmock/gmock.h>

#include "base/testing/manual_clock.h"
#include "base/testing/memory_file_system.h"
#include "storage/testing/memory_storage.h"

namespace narthex::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class QueryLogTest : public testing::Test {
 protected:
  QueryLogTest() : engine_({.log = &log_}, clock_) { clock_.AdvanceMs(1'500); }

  void Ask(std::string_view text) {
    const promql::Engine::Origin origin{"127.0.0.1", "GET", "/api/v1/query"};
    (void)engine_.Instant(storage_, text, 20'500, {.origin = &origin});
  }
  std::string Read(const std::string& path) { return base::ReadFile(files_, path).value_or(""); }

  base::MemoryFileSystem files_;
  base::ManualClock clock_;
  storage::MemoryStorage storage_;
  QueryLog log_{files_, clock_};
  promql::Engine engine_;
};

TEST_F(QueryLogTest, WritesALineForEachQuery) {
  Ask("1");
  ASSERT_TRUE(log_.Reopen("q.log"));
  Ask("vector(1)");
  EXPECT_EQ(
      Read("q.log"),
      R"x({"time":"1970-01-01T00:00:01.500Z","level":"INFO","msg":"promql query logged",)x"
      R"x("httpRequest":{"clientIP":"127.0.0.1","method":"GET","path":"/api/v1/query"},)x"
      R"x("params":{"end":"1970-01-01T00:00:20.500Z","query":"vector(1)",)x"
      R"x("start":"1970-01-01T00:00:20.500Z","step":0},"spanID":"0000000000000000",)x"
      R"x("stats":{"timings":{"evalTotalTime":0,"resultSortTime":0,"queryPreparationTime":0,)x"
      R"x("innerEvalTime":0,"execQueueTime":0,"execTotalTime":0},)x"
      R"x("samples":{"totalQueryableSamples":0,"peakSamples":1}},"ts":"1970-01-01T00:00:01.500Z"})x"
      "\n");
  EXPECT_TRUE(log_.enabled());
}

TEST_F(QueryLogTest, SaysWhatWentWrong) {
  ASSERT_TRUE(log_.Reopen("q.log"));
  Ask(R"(label_replace(vector(1), "a", "b", "", "("))");
  EXPECT_THAT(Read("q.log"), HasSubstr(R"("error":"invalid regular expression)"));
  // What cannot be read was never run.
  Ask("sum(");
  EXPECT_THAT(Read("q.log"), Not(HasSubstr("sum(")));
}

TEST_F(QueryLogTest, GoesOnInANewFileAfterARotation) {
  ASSERT_TRUE(log_.Reopen("q.log"));
  Ask("1");
  ASSERT_TRUE(files_.Rename("q.log", "q.log.1"));
  Ask("2");
  ASSERT_TRUE(log_.Reopen("q.log"));
  Ask("3");
  ASSERT_TRUE(log_.Reopen(""));
  Ask("4");
  EXPECT_FALSE(log_.enabled());
  EXPECT_THAT(Read("q.log.1"), AllOf(HasSubstr(R"("query":"1")"), HasSubstr(R"("query":"2")")));
  EXPECT_THAT(Read("q.log"), AllOf(HasSubstr(R"("query":"3")"), Not(HasSubstr(R"("query":"4")")),
                                   StartsWith("{")));
}

TEST_F(QueryLogTest, CountsLinesThatAreLost) {
  ASSERT_TRUE(log_.Reopen("q.log"));
  files_.SetPlan([](const auto&) { return base::MemoryFileSystem::Fate::kFail; });
  Ask("1");
  EXPECT_EQ(log_.failures(), 1u);
  EXPECT_FALSE(log_.Reopen("other.log"));
  EXPECT_TRUE(log_.enabled());
}

}  // namespace
}  // namespace narthex::server
