#include "promql/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/testing/manual_clock.h"
#include "storage/testing/memory_storage.h"

namespace narthex::promql {
namespace {

using ::testing::HasSubstr;

class EngineTest : public testing::Test {
 protected:
  EngineTest() {
    for (int series = 0; series < 10; ++series) {
      const auto labels =
          *model::Labels::From({{"__name__", "m_total"}, {"i", std::to_string(series)}});
      for (int64_t t = 0; t <= 600'000; t += 10'000) {
        storage_.Put(labels, t, static_cast<double>(t));
      }
    }
  }

  base::Result<QueryResult> Ask(const Engine::Options& options, std::string_view text,
                                const Engine::QueryOptions& query = {}) {
    const Engine engine(options, base::SystemClock());
    return engine.OverRange(storage_, text, {0, 600'000, 10'000}, query);
  }

  storage::MemoryStorage storage_;
};

TEST_F(EngineTest, RefusesToHoldTooManySamples) {
  Engine::Options options;
  options.samples_max = 100;
  for (const std::string_view text :
       {"m_total", "rate(m_total[1m])", "count_over_time(m_total[1h:1ms])"}) {
    const auto result = Ask(options, text);
    ASSERT_FALSE(result.has_value()) << text;
    EXPECT_EQ(result.error().code, base::Code::kFailedPrecondition);
    EXPECT_EQ(result.error().message,
              "query processing would load too many samples into memory in query execution");
  }
  EXPECT_TRUE(Ask(options, "vector(1)").has_value());
}

TEST_F(EngineTest, StopsAtTheDeadline) {
  Engine::QueryOptions query;
  query.timeout_ms = -1;
  const auto result = Ask({}, "sum(m_total)", query);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, base::Code::kDeadlineExceeded);
}

TEST_F(EngineTest, StopsWhenNobodyWaits) {
  std::stop_source stop;
  stop.request_stop();
  Engine::QueryOptions query;
  query.stop = stop.get_token();
  const auto result = Ask({}, "sum(m_total)", query);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, base::Code::kCancelled);
}

TEST_F(EngineTest, AnswersManyThreadsAtOnce) {
  Engine::Options options;
  options.concurrent_max = 2;
  const Engine engine(options, base::SystemClock());
  std::vector<std::jthread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto result = engine.Instant(storage_, "count(m_total)", 60'000, {});
      if (result && result->rows.at(0).samples.v.at(0) == 10) ++right;
    });
  }
  threads.clear();
  EXPECT_EQ(right, 8);
}

TEST_F(EngineTest, SaysThatARangeQueryNeedsNumbersPerStep) {
  const auto result = Ask({}, "m_total[5m]");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, base::Code::kInvalidArgument);
  EXPECT_THAT(result.error().message, HasSubstr("must be Scalar or instant Vector"));
}

TEST_F(EngineTest, DropsNamesAtOnceUnlessAskedToWait) {
  const std::string_view text =
      R"x(label_replace(abs(m_total{i="1"}), "n", "$1", "__name__", "(.*)"))x";
  Engine::Options options;
  const auto at_once = Ask(options, text);
  ASSERT_TRUE(at_once.has_value());
  EXPECT_EQ(at_once->rows.at(0).labels.ToString(), R"({i="1"})");
  options.delayed_name_removal = true;
  const auto later = Ask(options, text);
  ASSERT_TRUE(later.has_value());
  EXPECT_EQ(later->rows.at(0).labels.ToString(), R"({i="1", n="m_total"})");
}

TEST_F(EngineTest, GroupsWithoutNamesThatAreGone) {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {R"(sum by (i) (rate(m_total{i="1"}[1m])))", R"({i="1"})"},
      {R"(sum without (x) (abs(m_total{i="1"}) * 2))", R"({i="1"})"},
      {R"(sum by (i, __name__) (rate(m_total{i="1"}[1m])))", R"({i="1"})"},
      {R"(sum by (i, __name__) (m_total{i="1"} > 0))", R"(m_total{i="1"})"},
  };
  for (const auto& [text, want] : kCases) {
    const auto result = Ask({}, text);
    ASSERT_TRUE(result.has_value()) << text;
    EXPECT_EQ(result->rows.at(0).labels.ToString(), want) << text;
  }
}

TEST_F(EngineTest, CountsWhatItRead) {
  const auto result = Ask({}, "sum(m_total)");
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->stats.samples_read, 610u);
  EXPECT_GT(result->stats.samples_peak, 0u);
}

TEST_F(EngineTest, SurvivesTheDeepestTrees) {
  const auto nested = [](std::string_view open, std::string_view inner, std::string_view close,
                         int times = 990) {
    std::string text;
    for (int i = 0; i < times; ++i) text += open;
    text += inner;
    for (int i = 0; i < times; ++i) text += close;
    return text;
  };
  const std::string kTexts[] = {nested("abs(", "m_total", ")"), nested("-(", "m_total", ")", 490),
                                nested("", "m_total", "+1"),    nested("sum(", "m_total", ")"),
                                nested("(", "1", ")"),          nested("-(", "1", ")", 490)};
  for (const std::string& text : kTexts) {
    const auto result = Ask({}, text);
    EXPECT_TRUE(result.has_value()) << text.substr(0, 20) << ": " << result.error().message;
  }
}

}  // namespace
}  // namespace narthex::promql
