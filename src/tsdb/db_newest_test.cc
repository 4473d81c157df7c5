// The newest sample of a series, asked for alone: the same as the last of all of them.

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/testing/manual_clock.h"
#include "base/testing/memory_file_system.h"
#include "tsdb/db.h"

namespace narthex::tsdb {
namespace {

using model::Labels;
using model::Matcher;
using model::Timestamp;

constexpr Timestamp kStart = 1'700'006'400'000;
constexpr int64_t kStep = 15'000;
constexpr int kSteps = 400;  // Some finished chunks, and an open one.

class DbNewestTest : public testing::Test {
 protected:
  DbNewestTest() { clock_.AdvanceMs(kStart); }

  std::unique_ptr<Db> Open() {
    Db::Options options;
    options.directory = "/data";
    options.fsync = FsyncPolicy::kNone;
    options.maintenance_ms = 0;
    options.late_window_ms = 3'600'000;
    return Db::Open({files_, clock_}, base::NullLogger(), options).value();
  }

  static Labels Series(int i) {
    return *Labels::From({{"__name__", "m"}, {"i", std::to_string(i)}});
  }

  // By series: the newest time and value within the range, as both ways tell them.
  using Newest = std::map<std::string, std::pair<Timestamp, std::string>>;
  static Newest ReadNewest(Db& db, model::TimeRange range, bool alone) {
    Newest newest;
    const auto querier = db.OpenQuerier(range).value();
    const std::vector<Matcher> all = {Matcher::Equal("__name__", "m")};
    const auto set = (alone ? querier->SelectNewest(all, range) : querier->Select(all)).value();
    model::SampleColumns samples;
    for (size_t i = 0; i < set->size(); ++i) {
      EXPECT_TRUE(set->Read(i, range, samples));
      if (samples.size() == 0) continue;
      const size_t last = samples.size() - 1;
      newest[set->labels(i).ToString()] = {
          samples.t[last], samples.IsHistogram(last) ? samples.histograms[last]->ToString()
                                                     : std::to_string(samples.v[last])};
    }
    return newest;
  }

  static void ExpectSame(Db& db) {
    for (int step = -10; step < kSteps + 30; step += 7) {
      for (const int64_t range_ms : {kStep / 2, int64_t{300'000}}) {
        const Timestamp end = kStart + step * kStep + 100;
        const model::TimeRange range{end - range_ms, end};
        EXPECT_EQ(ReadNewest(db, range, true), ReadNewest(db, range, false))
            << "at step " << step << " back " << range_ms;
      }
    }
  }

  base::MemoryFileSystem files_;
  base::ManualClock clock_;
};

TEST_F(DbNewestTest, IsTheLastOfAll) {
  auto db = Open();
  std::mt19937_64 random(1);
  for (int step = 0; step < kSteps; ++step) {
    const auto batch = db->OpenAppender();
    for (int i = 0; i < 12; ++i) {
      // With gaps, an early end, and one that falls silent.
      if (random() % 11 == 0 || (i == 3 && step > kSteps / 2)) continue;
      const auto ref = batch->Resolve(Series(i)).value();
      const Timestamp t = kStart + step * kStep + i;
      if (i == 5 && step % 50 > 25) {
        model::FloatHistogram histogram;
        histogram.count = histogram.zero_count = static_cast<double>(step);
        histogram.sum = static_cast<double>(step);
        batch->AppendHistogram(ref, t, histogram);
      } else {
        batch->Append(ref, t, static_cast<double>(step * (i + 1)));
      }
      if (i == 7 && step == kSteps - 1) batch->Append(ref, t - 5'000, -1);  // Late.
    }
    ASSERT_TRUE(batch->Commit());
  }
  const Timestamp end = kStart + kSteps * kStep;
  EXPECT_EQ(ReadNewest(*db, {end - 300'000, end}, true).size(), 11u) << "one fell silent";
  ExpectSame(*db);
  const std::vector<Matcher> some = {Matcher::From(Matcher::Type::kRegex, "i", "[12]").value()};
  ASSERT_TRUE(db->DeleteSeries(some, {kStart + (kSteps - 40) * kStep, kStart + kSteps * kStep}));
  ExpectSame(*db);
  db.reset();
  db = Open();
  ExpectSame(*db);
}

}  // namespace
}  // namespace narthex::tsdb
