#include "promql/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <bit>
#include <ctime>
#include <functional>
#include <future>
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

TEST_F(EngineTest, RefusesToHoldTooMuchMemory) {
  Engine::Options options;
  options.threads = 1;  // How much is held ahead is up to chance.
  const std::string_view texts[] = {
      "m_total",
      "count_over_time(m_total[10m:1s])",
      "sum by (i) (m_total)",
      "m_total + m_total",
      "sort(m_total)",
      "quantile by (i) (0.5, m_total)",
      "count_values by (i) (\"v\", m_total)",
      "label_replace(m_total, \"a\", \"b\", \"i\", \".*\")",
  };
  for (const std::string_view text : texts) {
    const auto answered = Ask(options, text);
    ASSERT_TRUE(answered.has_value()) << text;
    const uint64_t needed = answered->stats.memory_peak_bytes;
    EXPECT_GT(needed, 10 * 61 * sizeof(double)) << text;
    Engine::Options tight = options;
    tight.memory_bytes_max = needed - 1;
    const Engine engine(tight, base::SystemClock());
    const auto refused = engine.OverRange(storage_, text, {0, 600'000, 10'000}, {});
    ASSERT_FALSE(refused.has_value()) << text;
    EXPECT_EQ(refused.error().code, base::Code::kFailedPrecondition);
    EXPECT_THAT(refused.error().message, HasSubstr("bytes in memory"));
    EXPECT_EQ(engine.statistics().over_memory, 1u);
  }
  options.memory_bytes_max = 1 << 20;
  EXPECT_FALSE(Ask(options, "vector(time())[1d:1ms]").has_value());
  EXPECT_TRUE(Ask(options, "vector(1)").has_value());
}

// A copy of what was selected is the query's, however little of it is looked at.
TEST_F(EngineTest, CountsTheSelectionAsMemory) {
  storage::MemoryStorage storage;
  for (int i = 0; i < 2000; ++i) {
    storage.Put(*model::Labels::From({{"__name__", "m"}, {"i", std::to_string(i)}}), 0, 1);
  }
  Engine::Options options;
  options.threads = 1;
  options.memory_bytes_max = 700'000;
  const Engine engine(options, base::SystemClock());
  for (const std::string_view text : {"count(m)", "count(rate(m[5m]))"}) {
    const auto all = engine.Instant(storage, text, 0, {});
    ASSERT_FALSE(all.has_value()) << text;
    EXPECT_THAT(all.error().message, HasSubstr("bytes in memory"));
  }
  EXPECT_TRUE(engine.Instant(storage, "count(m{i=~\"1.*\"})", 0, {}).has_value());
}

// Moves on with every look at it.
class SteppingClock final : public base::Clock {
 public:
  int64_t WallMs() const override { return 0; }
  int64_t WallNs() const override { return 0; }
  int64_t MonotonicNs() const override { return 1'000'000 * ++looks_; }
  int64_t looks() const { return looks_; }

 private:
  mutable std::atomic<int64_t> looks_{0};
};

// A query over one series looks whether it may go on in all that it does with the many samples:
// selecting, copying, and what the function does itself.
TEST_F(EngineTest, LooksAtTheClockWithinOneLongSeries) {
  constexpr int64_t kSamples = 1'000'000;
  constexpr int64_t kLooksPerPass = kSamples / 70'000;
  storage::MemoryStorage storage;
  storage.Put(*model::Labels::From({{"__name__", "m_total"}}), 0, 0.1);
  Engine::Options options;
  options.threads = 1;
  for (const std::string_view function : {"sum_over_time(", "max_over_time(", "stddev_over_time(",
                                          "quantile_over_time(0.5, ", "deriv(", "changes("}) {
    const std::string text = std::string(function) + "m_total[1000s:1ms])";
    Engine::QueryOptions query;
    query.lookback_ms = 2'000'000;
    const SteppingClock counting;
    ASSERT_TRUE(Engine(options, counting).Instant(storage, text, kSamples, query)) << text;
    EXPECT_GT(counting.looks(), 3 * kLooksPerPass) << text;
    // Early and late: in the midst of each pass.
    for (const int64_t looks : {kLooksPerPass / 2, counting.looks() - kLooksPerPass / 2}) {
      query.timeout_ms = looks;
      const auto late = Engine(options, SteppingClock()).Instant(storage, text, kSamples, query);
      ASSERT_FALSE(late.has_value()) << text << " " << looks;
      EXPECT_EQ(late.error().code, base::Code::kDeadlineExceeded);
    }
  }
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

// Answers do not depend on how many threads make them, nor on which is first.
TEST_F(EngineTest, GivesTheSameOnAnyNumberOfThreads) {
  storage::MemoryStorage storage;
  for (int series = 0; series < 500; ++series) {
    const auto labels = *model::Labels::From({{"__name__", series % 100 == 99 ? "g" : "m_total"},
                                              {"i", std::to_string(series)},
                                              {"j", std::to_string(series % 7)}});
    for (int64_t t = series % 50; t <= 600'000; t += 10'000) {
      storage.Put(labels, t, 0.1 * static_cast<double>((t * series) % 1013));
    }
  }
  const auto print = [](const base::Result<QueryResult>& result) {
    if (!result) return result.error().message;
    std::string text;
    for (const ResultRow& row : result->rows) {
      text += row.labels.ToString();
      for (const double v : row.samples.v) text += fmt::format(" {:x}", std::bit_cast<uint64_t>(v));
      text += '\n';
    }
    for (const std::string& remark : result->infos) text += remark;
    return text;
  };
  for (const std::string_view text :
       {"m_total", "sum by (j) (m_total)", "avg(rate(m_total[1m]))", "rate({i=~\".*9\"}[1m])",
        "sort_desc(m_total)", "topk(3, deriv(m_total[2m]))", "stddev(m_total) / count(m_total)",
        "m_total * on (i) group_left () m_total", "quantile(0.3, stddev_over_time(m_total[90s]))",
        "sum(max_over_time(rate(m_total[1m])[3m:30s]))", "m_total + rate(g[1m])"}) {
    std::string wanted;
    for (const size_t threads : {1, 2, 3, 8}) {
      Engine::Options options;
      options.threads = threads;
      options.work_alone_max = 0;
      const Engine engine(options, base::SystemClock());
      for (int run = 0; run < (threads == 1 ? 1 : 3); ++run) {
        const std::string found = print(engine.OverRange(storage, text, {0, 600'000, 10'000}, {}));
        if (threads == 1) wanted = found;
        ASSERT_EQ(found, wanted) << text << " on " << threads << " threads";
      }
    }
  }
}

// A storage that lets the test act at every series that is read.
class WatchedStorage final : public storage::Queryable {
 public:
  WatchedStorage(storage::Queryable& inner, std::function<void(size_t)> on_read)
      : inner_(inner), on_read_(std::move(on_read)) {}

  base::Result<std::unique_ptr<storage::Querier>> OpenQuerier(model::TimeRange range) override {
    ASSIGN_OR_RETURN(auto querier, inner_.OpenQuerier(range));
    return std::make_unique<Querier>(std::move(querier), *this);
  }

 private:
  class Set final : public storage::SeriesSet {
   public:
    Set(std::unique_ptr<storage::SeriesSet> inner, WatchedStorage& storage)
        : inner_(std::move(inner)), storage_(storage) {}
    size_t size() const override { return inner_->size(); }
    model::Labels labels(size_t i) const override { return inner_->labels(i); }
    base::Status Read(size_t i, model::TimeRange range, model::SampleColumns& out) const override {
      storage_.on_read_(++storage_.reads_);
      return inner_->Read(i, range, out);
    }

   private:
    const std::unique_ptr<storage::SeriesSet> inner_;
    WatchedStorage& storage_;
  };
  class Querier final : public storage::Querier {
   public:
    Querier(std::unique_ptr<storage::Querier> inner, WatchedStorage& storage)
        : inner_(std::move(inner)), storage_(storage) {}
    base::Result<std::unique_ptr<storage::SeriesSet>> Select(
        const std::vector<model::Matcher>& matchers) override {
      ASSIGN_OR_RETURN(auto set, inner_->Select(matchers));
      return std::make_unique<Set>(std::move(set), storage_);
    }
    base::Result<std::vector<std::string>> LabelNames(
        const std::vector<model::Matcher>& matchers) override {
      return inner_->LabelNames(matchers);
    }
    base::Result<std::vector<std::string>> LabelValues(
        std::string_view name, const std::vector<model::Matcher>& matchers) override {
      return inner_->LabelValues(name, matchers);
    }

   private:
    const std::unique_ptr<storage::Querier> inner_;
    WatchedStorage& storage_;
  };

  storage::Queryable& inner_;
  const std::function<void(size_t)> on_read_;
  std::atomic<size_t> reads_{0};
};

TEST_F(EngineTest, StopsBeforeTheNextSeriesWhenItsClientGoes) {
  for (const std::string_view text :
       {"m_total", "sum(m_total)", "rate(m_total[1m])", "max(sum_over_time(m_total[2m:1s]))"}) {
    std::stop_source stop;
    std::atomic<size_t> reads = 0;
    WatchedStorage storage(storage_, [&](size_t n) {
      reads = n;
      if (n == 3) stop.request_stop();
    });
    Engine::Options options;
    options.threads = 1;
    const Engine engine(options, base::SystemClock());
    const auto result =
        engine.OverRange(storage, text, {0, 600'000, 10'000}, {.stop = stop.get_token()});
    ASSERT_FALSE(result.has_value()) << text;
    EXPECT_EQ(result.error().code, base::Code::kCancelled) << text;
    EXPECT_EQ(reads, 3u) << text;
    EXPECT_EQ(engine.statistics().cancelled, 1u);
  }
}

TEST_F(EngineTest, LooksAtTheClockWhereEachSeriesTakesLong) {
  for (int series = 0; series < 200; ++series) {
    storage_.Put(*model::Labels::From({{"__name__", "many"}, {"i", std::to_string(series)}}), 0, 1);
  }
  for (const std::string_view text : {"many", "sum(count_over_time(many[1m]))", "many[1m]"}) {
    base::ManualClock clock;
    std::atomic<size_t> reads = 0;
    WatchedStorage slow(storage_, [&](size_t n) {
      reads = n;
      clock.AdvanceMs(10);
    });
    Engine::Options options;
    options.threads = 1;
    const Engine engine(options, clock);
    const auto result = engine.Instant(slow, text, 0, {.timeout_ms = 50});
    ASSERT_FALSE(result.has_value()) << text;
    EXPECT_EQ(result.error().code, base::Code::kDeadlineExceeded) << text;
    EXPECT_LE(reads, 5u + 16u) << text;
  }
}

TEST_F(EngineTest, WaitsForItsTurnAndGivesUpInTime) {
  std::promise<void> running;
  std::promise<void> release;
  WatchedStorage slow(storage_, [&](size_t n) {
    if (n != 1) return;
    running.set_value();
    release.get_future().wait();
  });
  Engine::Options options;
  options.concurrent_max = 1;
  options.threads = 1;
  const Engine engine(options, base::SystemClock());
  std::jthread first([&] { EXPECT_TRUE(engine.Instant(slow, "m_total", 0, {}).has_value()); });
  running.get_future().wait();

  const auto late = engine.Instant(storage_, "m_total", 0, {.timeout_ms = 1});
  EXPECT_EQ(late.error().code, base::Code::kDeadlineExceeded);
  EXPECT_EQ(late.error().message, "query timed out in query queue");
  std::stop_source stop;
  std::jthread gone([&] {
    const auto result = engine.Instant(storage_, "m_total", 0, {.stop = stop.get_token()});
    EXPECT_EQ(result.error().code, base::Code::kCancelled);
  });
  stop.request_stop();
  gone.join();
  EXPECT_EQ(engine.statistics().queries_now, 1u);
  EXPECT_EQ(engine.statistics().timed_out, 1u);
  EXPECT_EQ(engine.statistics().cancelled, 1u);
  release.set_value();
  first.join();
  EXPECT_TRUE(engine.Instant(storage_, "m_total", 0, {}).has_value());
}

TEST_F(EngineTest, LeavesNothingToHelpersThatComeLate) {
  for (int series = 0; series < 100; ++series) {
    storage_.Put(*model::Labels::From({{"__name__", "many"}, {"i", std::to_string(series)}}), 0, 1);
  }
  std::promise<void> blocked;
  const std::shared_future<void> is_blocked = blocked.get_future().share();
  std::promise<void> release;
  std::atomic<bool> first = true;
  Engine::Options options;
  options.threads = 2;
  options.work_alone_max = 0;
  const Engine engine(options, base::SystemClock());
  std::jthread busy([&] {
    // Keeps the only helper there is from any other query.
    WatchedStorage slow(storage_, [&, own = std::this_thread::get_id()](size_t n) {
      // What comes first is made without help.
      constexpr size_t kFirstPart = 16;
      if (std::this_thread::get_id() == own) return n > kFirstPart ? is_blocked.wait() : void();
      if (!first.exchange(false)) return;
      blocked.set_value();
      release.get_future().wait();
    });
    EXPECT_TRUE(engine.Instant(slow, "sum(many)", 0, {}).has_value());
  });
  is_blocked.wait();
  // Calls the helper, makes all parts without it, and is gone when it comes.
  std::jthread([&] {
    EXPECT_TRUE(engine.Instant(storage_, "sum(many)", 0, {}).has_value());
  }).join();
  release.set_value();
}

TEST_F(EngineTest, WakesNoThreadForLittleWork) {
  for (int series = 0; series < 300; ++series) {
    storage_.Put(*model::Labels::From({{"__name__", "many"}, {"i", std::to_string(series)}}), 0, 1);
  }
  std::atomic<int> elsewhere = 0;
  WatchedStorage storage(storage_, [&, own = std::this_thread::get_id()](size_t) {
    if (std::this_thread::get_id() != own) ++elsewhere;
  });
  Engine::Options options;
  options.threads = 4;
  const Engine engine(options, base::SystemClock());
  for (int run = 0; run < 50; ++run) {
    EXPECT_TRUE(engine.Instant(storage, "sum(many)", 0, {}).has_value());
  }
  EXPECT_EQ(elsewhere, 0);
}

// Counts how often a query looks whether it may go on, and wants no more of it after so many.
class ImpatientClock final : public base::Clock {
 public:
  explicit ImpatientClock(uint64_t patience) : patience_(patience) {}

  int64_t WallMs() const override { return base::SystemClock().WallMs(); }
  int64_t WallNs() const override { return base::SystemClock().WallNs(); }
  int64_t MonotonicNs() const override {
    if (++looks_ == patience_) stop_.request_stop();
    return base::SystemClock().MonotonicNs();
  }

  std::stop_token token() const { return stop_.get_token(); }
  uint64_t looks() const { return looks_; }

 private:
  uint64_t patience_;
  mutable std::stop_source stop_;
  mutable uint64_t looks_ = 0;
};

class OneLongSeries : public EngineTest {
 protected:
  // Steps of the one series; a tenth of them is what may pass between two looks.
  static constexpr int64_t kSteps = 655'360;

  struct Outcome {
    bool cancelled = false;
    uint64_t looks = 0;
  };

  Outcome AskOver(std::string_view text, uint64_t patience) {
    const ImpatientClock clock(patience);
    Engine::Options options;
    options.threads = 1;
    options.parse.experimental_functions = true;
    const Engine engine(options, clock);
    const auto result = engine.Instant(
        storage_, fmt::format("count_over_time(({})[{}s:1s])", text, kSteps),
        model::Timestamp{100} * 86'400'000, {.timeout_ms = 3'600'000, .stop = clock.token()});
    if (!result) {
      EXPECT_EQ(result.error().code, base::Code::kCancelled) << text << result.error().message;
    }
    return {!result.has_value(), clock.looks()};
  }
};

TEST_F(OneLongSeries, IsLookedUpFromByEveryOperator) {
  constexpr uint64_t kPatient = 1'000'000;
  constexpr uint64_t kLooksPerLoop = 9;
  const auto looks = [&](std::string_view text) {
    const Outcome outcome = AskOver(text, kPatient);
    EXPECT_FALSE(outcome.cancelled) << text;
    return outcome.looks;
  };
  struct Case {
    std::string_view text;
    std::string_view operands;  // What it is made of: it loops once more than this.
  };
  const Case kCases[] = {
      {"vector(1)", ""},
      {"vector(time())", "vector(1)"},
      {"vector(time() ^ 2)", "vector(time())"},
      {"vector(scalar(vector(time())))", "vector(time())"},
      {"sin(vector(time()))", "vector(time())"},
      {"clamp(vector(time()), 0, time())", "vector(time())"},
      {"hour(vector(time()))", "vector(time())"},
      {"-vector(time())", "vector(time())"},
      {"vector(time()) * 2", "vector(time())"},
      {"vector(time()) > bool 3", "vector(time())"},
      {"vector(time()) > 3", "vector(time())"},
      {"vector(time()) + vector(1)", "vector(time())"},
      {"vector(time()) and vector(1)", "vector(time())"},
      {"absent(vector(time()))", "vector(time())"},
      {R"(label_replace(vector(time()), "a", "b", "", ""))", "vector(time())"},
      {"sum(vector(time()))", "vector(time())"},
      {"avg(vector(time()))", "vector(time())"},
      {"max(vector(time()))", "vector(time())"},
      {"count(vector(time()))", "vector(time())"},
      {"stddev(vector(time()))", "vector(time())"},
      {"topk(1, vector(time()))", "vector(time())"},
      {"quantile(0.5, vector(time()))", "vector(time())"},
      {"limitk(1, vector(time()))", "vector(time())"},
      {R"(histogram_quantile(0.5, label_replace(vector(time()), "le", "+Inf", "", "")))",
       R"(label_replace(vector(time()), "le", "+Inf", "", ""))"},
  };
  for (const Case& c : kCases) {
    const uint64_t before = c.operands.empty() ? 0 : looks(c.operands);
    EXPECT_GE(looks(c.text), before + kLooksPerLoop) << c.text;
    // In the midst of the last loop: then everything ends, but each loop may look once.
    const Outcome stopped = AskOver(c.text, before + 5);
    EXPECT_TRUE(stopped.cancelled) << c.text;
    EXPECT_LE(stopped.looks, before + 10) << c.text;
  }
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
