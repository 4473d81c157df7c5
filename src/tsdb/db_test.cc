#include "tsdb/db.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "base/random.h"
#include "base/testing/manual_clock.h"
#include "base/testing/memory_file_system.h"

namespace narthex::tsdb {
namespace {

using base::MemoryFileSystem;
using model::Labels;
using model::Matcher;
using model::Timestamp;
using storage::Appended;

constexpr char kDirectory[] = "/data";

Labels Series(int i) { return *Labels::From({{"__name__", "m"}, {"i", std::to_string(i)}}); }

class DbTest : public testing::Test {
 protected:
  using Content = std::map<std::string, std::map<Timestamp, double>>;

  base::Result<std::unique_ptr<Db>> TryOpen() {
    Db::Options options{.directory = kDirectory};
    options.fsync = FsyncPolicy::kNone;
    options.head_image = false;  // What the log gives back is in question.
    options.wal.segment_bytes = 4 * wal::kPageBytes;
    options.retention.time_ms = retention_ms_;
    options.late_window_ms = late_window_ms_;
    return Db::Open({disk_, clock_}, base::NullLogger(), options);
  }
  std::unique_ptr<Db> Open() { return *TryOpen(); }

  static Appended Put(Db& db, const Labels& labels, Timestamp t, double v) {
    const auto appender = db.OpenAppender();
    const Appended verdict = appender->Append(*appender->Resolve(labels), t, v);
    EXPECT_TRUE(appender->Commit().has_value());
    return verdict;
  }

  static Content Read(Db& db, model::TimeRange range = {}) {
    Content content;
    const auto querier = *db.OpenQuerier(range);
    const auto set = *querier->Select({});
    for (size_t i = 0; i < set->size(); ++i) {
      model::SampleColumns samples;
      EXPECT_TRUE(set->Read(i, range, samples).has_value());
      for (size_t k = 0; k < samples.size(); ++k) {
        content[set->labels(i).ToString()][samples.t[k]] = samples.v[k];
      }
    }
    return content;
  }

  MemoryFileSystem disk_;
  base::ManualClock clock_{1'000'000};
  int64_t retention_ms_ = 0;
  int64_t late_window_ms_ = 0;
};

TEST_F(DbTest, ShowsACommittedBatchAsAWholeAndKeepsItOverARestart) {
  {
    const auto db = Open();
    const auto appender = db->OpenAppender();
    EXPECT_EQ(appender->Append(*appender->Resolve(Series(1)), 10, 1), Appended::kYes);
    EXPECT_EQ(appender->Append(*appender->Resolve(Series(2)), 10, 2), Appended::kYes);
    EXPECT_TRUE(Read(*db).empty());
    ASSERT_TRUE(appender->Commit().has_value());
    EXPECT_EQ(Read(*db).size(), 2u);
  }
  const auto db = Open();
  EXPECT_EQ(Read(*db), (Content{{R"(m{i="1"})", {{10, 1}}}, {R"(m{i="2"})", {{10, 2}}}}));
}

TEST_F(DbTest, ReadsADirectoryThatAnotherProcessHas) {
  const auto owner = Open();
  Put(*owner, Series(1), 10, 1);
  const auto files = [&] { return disk_.List(kDirectory)->size(); };
  const size_t before = files();
  const auto reader =
      *Db::Open({disk_, clock_}, base::NullLogger(), {.directory = kDirectory, .read_only = true});
  EXPECT_EQ(Read(*reader), Read(*owner));
  EXPECT_EQ(files(), before);
  const auto appender = reader->OpenAppender();
  appender->Append(*appender->Resolve(Series(1)), 20, 1);
  EXPECT_EQ(appender->Commit().error().code, base::Code::kFailedPrecondition);
  EXPECT_FALSE(reader->DeleteSeries({}, {}).has_value());
  Put(*owner, Series(1), 20, 2);
  EXPECT_EQ(Read(*owner).begin()->second.size(), 2u);
  EXPECT_FALSE(
      Db::Open({disk_, clock_}, base::NullLogger(), {.directory = "/nowhere", .read_only = true})
          .has_value());
}

class LateTest : public DbTest {
 protected:
  LateTest() { late_window_ms_ = 1000; }
};

TEST_F(LateTest, TakesSamplesOfTheWindowAndKeepsThem) {
  const Content want = {{R"(m{i="1"})", {{4500, 3}, {4700, 4}, {5000, 1}}},
                        {R"(m{i="2"})", {{5100, 9}}}};
  {
    const auto db = Open();
    EXPECT_EQ(Put(*db, Series(1), 5000, 1), Appended::kYes);
    EXPECT_EQ(Put(*db, Series(1), 4700, 4), Appended::kYes);
    EXPECT_EQ(Put(*db, Series(1), 4500, 3), Appended::kYes);
    EXPECT_EQ(Put(*db, Series(1), 5000, 2), Appended::kDuplicate);
    EXPECT_EQ(Put(*db, Series(2), 5100, 9), Appended::kYes);
    EXPECT_EQ(Put(*db, Series(2), 4099, 9), Appended::kTooOld);
    EXPECT_EQ(db->statistics().numbers_refused.too_old, 1u);
    EXPECT_EQ(db->statistics().numbers_refused.out_of_bound, 0u);
    EXPECT_EQ(db->head().statistics().late_samples_appended, 2u);
    EXPECT_EQ(Read(*db), want);
    EXPECT_EQ(Read(*db, {4600, 4999}), (Content{{R"(m{i="1"})", {{4700, 4}}}}));
  }
  disk_.LosePower();  // Everything was synced at close.
  late_window_ms_ = 0;
  const auto db = Open();
  EXPECT_EQ(Read(*db), want);
  EXPECT_EQ(Put(*db, Series(1), 4900, 1), Appended::kOutOfOrder);
}

TEST_F(LateTest, ABatchIsInOrderOrLateSampleBySample) {
  const auto db = Open();
  const auto appender = db->OpenAppender();
  const storage::SeriesRef ref = *appender->Resolve(Series(1));
  EXPECT_EQ(appender->Append(ref, 5000, 1), Appended::kYes);
  EXPECT_EQ(appender->Append(ref, 6000, 2), Appended::kYes);
  // The window counts from what is committed, and nothing is yet.
  EXPECT_EQ(appender->Append(ref, 5500, 3), Appended::kTooOld);
  ASSERT_TRUE(appender->Commit().has_value());
  // Judged in order, and late when another batch has passed it.
  const auto slow = db->OpenAppender();
  EXPECT_EQ(slow->Append(ref, 6100, 4), Appended::kYes);
  Put(*db, Series(1), 6200, 5);
  ASSERT_TRUE(slow->Commit().has_value());
  EXPECT_EQ(Read(*db), (Content{{R"(m{i="1"})", {{5000, 1}, {6000, 2}, {6100, 4}, {6200, 5}}}}));
}

// Nobody looks at a sample again once its series has come twice in a batch, others between.
TEST_F(LateTest, OlderSamplesOfASeriesFurtherDownTheBatchAreLateToo) {
  const Content expected = {{R"(m{i="1"})", {{4900, 49}, {5000, 50}}},
                            {R"(m{i="2"})", {{5000, 1}, {5001, 2}}}};
  {
    const auto db = Open();
    const auto appender = db->OpenAppender();
    const storage::SeriesRef first = *appender->Resolve(Series(1));
    EXPECT_EQ(appender->Append(first, 5000, 50), Appended::kYes);
    EXPECT_EQ(appender->Append(*appender->Resolve(Series(2)), 5000, 1), Appended::kYes);
    EXPECT_EQ(appender->Append(first, 4900, 49), Appended::kYes);
    EXPECT_EQ(appender->Append(*appender->Resolve(Series(2)), 5001, 2), Appended::kYes);
    EXPECT_EQ(appender->Append(first, 3000, 30), Appended::kYes);  // Before the window.
    ASSERT_TRUE(appender->Commit().has_value());
    EXPECT_EQ(Read(*db), expected);
    EXPECT_EQ(db->statistics().numbers_refused.too_old, 1u);
  }
  EXPECT_EQ(Read(*Open()), expected);
}

TEST_F(DbTest, OlderSamplesOfASeriesFurtherDownTheBatchAreCounted) {
  const auto db = Open();
  const auto appender = db->OpenAppender();
  const storage::SeriesRef first = *appender->Resolve(Series(1));
  appender->Append(first, 5000, 50);
  appender->Append(*appender->Resolve(Series(2)), 5000, 1);
  appender->Append(first, 4900, 49);
  appender->Append(*appender->Resolve(Series(2)), 5000, 2);
  appender->Append(first, 5000, 50);
  ASSERT_TRUE(appender->Commit().has_value());
  EXPECT_EQ(Read(*db), (Content{{R"(m{i="1"})", {{5000, 50}}}, {R"(m{i="2"})", {{5000, 1}}}}));
  EXPECT_EQ(db->statistics().numbers_refused.out_of_order, 1u);
  EXPECT_EQ(db->statistics().numbers_refused.duplicate, 1u);
}

TEST_F(LateTest, DeletionsHideLateSamplesForGood) {
  {
    const auto db = Open();
    Put(*db, Series(1), 5000, 1);
    Put(*db, Series(1), 4700, 4);
    Put(*db, Series(1), 4500, 3);
    ASSERT_TRUE(db->DeleteSeries({Matcher::Equal("i", "1")}, {4600, 4800}).has_value());
    EXPECT_EQ(Read(*db), (Content{{R"(m{i="1"})", {{4500, 3}, {5000, 1}}}}));
  }
  EXPECT_EQ(Read(*Open()), (Content{{R"(m{i="1"})", {{4500, 3}, {5000, 1}}}}));
}

TEST_F(LateTest, KeepsEveryAcknowledgedSampleWhicheverCallFails) {
  for (int n = 0;; ++n) {
    SCOPED_TRACE(n);
    MemoryFileSystem disk;
    Content acknowledged;
    const auto open = [&] {
      Db::Options options{.directory = kDirectory, .late_window_ms = 100'000};
      options.fsync = FsyncPolicy::kCommit;
      return Db::Open({disk, clock_}, base::NullLogger(), options);
    };
    {
      const auto db = *open();
      disk.ResetCalls();
      disk.SetPlan(MemoryFileSystem::FailCall(n));
      for (const Timestamp t : {50'000, 60'000, 55'000, 40'000, 61'000, 59'000, 58'000}) {
        const auto appender = db->OpenAppender();
        const auto ref = appender->Resolve(Series(1));
        if (ref && appender->Append(*ref, t, static_cast<double>(t)) == Appended::kYes &&
            appender->Commit()) {
          acknowledged[Series(1).ToString()][t] = static_cast<double>(t);
        }
        for (const auto& [series, samples] : acknowledged) {
          for (const auto& [time, value] : samples) EXPECT_EQ(Read(*db)[series][time], value);
        }
      }
    }
    disk.SetPlan(nullptr);
    disk.LosePower();
    const Content content = Read(**open());
    for (const auto& [series, samples] : acknowledged) {
      for (const auto& sample : samples) {
        EXPECT_TRUE(content.at(series).contains(sample.first)) << sample.first;
      }
    }
    if (!disk.fired()) break;
  }
}

TEST_F(DbTest, RollsBack) {
  const auto db = Open();
  {
    const auto appender = db->OpenAppender();
    appender->Append(*appender->Resolve(Series(1)), 10, 1);
    appender->Rollback();
    EXPECT_TRUE(appender->Commit().has_value());
  }
  EXPECT_TRUE(Read(*db).empty());
  // The series was created, and whoever uses it next logs it.
  Put(*db, Series(1), 20, 2);
  EXPECT_EQ(db->head().statistics().series, 1u);
}

TEST_F(DbTest, LogsASeriesBeforeTheSamplesOfAnybody) {
  {
    const auto db = Open();
    const auto creator = db->OpenAppender();
    const storage::SeriesRef ref = *creator->Resolve(Series(1));
    // Another batch writes the series before its creator commits, who then never does.
    const auto other = db->OpenAppender();
    EXPECT_EQ(other->Append(ref, 10, 1), Appended::kYes);
    ASSERT_TRUE(other->Commit().has_value());
  }
  EXPECT_EQ(Read(*Open()).size(), 1u);
}

TEST_F(DbTest, JudgesSamples) {
  const auto db = Open();
  EXPECT_EQ(Put(*db, Series(1), 10, 1), Appended::kYes);
  EXPECT_EQ(Put(*db, Series(1), 10, 1), Appended::kSameAgain);
  EXPECT_EQ(Put(*db, Series(1), 10, 2), Appended::kDuplicate);
  EXPECT_EQ(Put(*db, Series(1), 9, 2), Appended::kOutOfOrder);
  EXPECT_EQ(Put(*db, Series(2), 5, 2), Appended::kYes);
  EXPECT_EQ(db->statistics().numbers_refused.out_of_order, 1u);
  EXPECT_EQ(db->statistics().numbers_refused.duplicate, 1u);
  EXPECT_EQ(db->OpenAppender()->Append(99, 1, 1), Appended::kUnknownSeries);

  const auto appender = db->OpenAppender();
  const storage::SeriesRef ref = *appender->Resolve(Series(3));
  EXPECT_EQ(appender->Append(ref, 20, 1), Appended::kYes);
  EXPECT_EQ(appender->Append(ref, 20, 1), Appended::kSameAgain);
  EXPECT_EQ(appender->Append(ref, 19, 1), Appended::kOutOfOrder);
  EXPECT_EQ(appender->Append(ref, 21, 1), Appended::kYes);
}

TEST_F(DbTest, RefusesWhatIsOlderThanTheRetention) {
  retention_ms_ = 1000;
  const auto db = Open();
  EXPECT_EQ(Put(*db, Series(1), -1'000'000, 1), Appended::kYes);  // Empty: any time will do.
  EXPECT_EQ(Put(*db, Series(1), 10'000, 1), Appended::kYes);
  EXPECT_EQ(Put(*db, Series(2), 9'000, 1), Appended::kYes);
  EXPECT_EQ(Put(*db, Series(3), 8'999, 1), Appended::kTooOld);
}

TEST_F(DbTest, CutsChunksAndReadsAcrossThem) {
  const auto db = Open();
  std::map<Timestamp, double> want;
  for (int i = 0; i < 1000; ++i) {
    const Timestamp t = -3'600'000 + i * 15'000;
    want[t] = i * 0.5;
    ASSERT_EQ(Put(*db, Series(1), t, i * 0.5), Appended::kYes);
  }
  EXPECT_EQ(Read(*db).begin()->second, want);
  EXPECT_GT(db->head().statistics().chunks, 8u);
  const auto part = Read(*db, {0, 30'000});
  EXPECT_EQ(part.begin()->second.size(), 3u);
  EXPECT_TRUE(Read(*db, {20'000'000, 30'000'000}).empty());
  EXPECT_TRUE(Read(*db, {-9'000'000, -8'000'000}).empty());
}

// Two series with chunks of 120 samples, each finished several times.
constexpr int kManySamples = 500;
void PutMany(Db& db) {
  for (int k = 0; k < kManySamples; ++k) {
    const auto appender = db.OpenAppender();
    for (int i = 0; i < 2; ++i) {
      appender->Append(*appender->Resolve(Series(i)), 15'000 * k, k * (i + 0.5));
    }
    ASSERT_TRUE(appender->Commit().has_value());
  }
}

TEST_F(DbTest, FinishedChunksComeBackFromTheirFiles) {
  Content before;
  {
    const auto db = Open();
    PutMany(*db);
    before = Read(*db);
    EXPECT_EQ(before.begin()->second.size(), static_cast<size_t>(kManySamples));
  }
  const auto db = Open();
  EXPECT_GE(db->statistics().head_chunks_found, 8u);
  EXPECT_EQ(Read(*db), before);
  EXPECT_EQ(Put(*db, Series(1), 15'000 * (kManySamples - 1), 1.5 * (kManySamples - 1)),
            Appended::kSameAgain);
  EXPECT_EQ(Put(*db, Series(1), 15'000 * kManySamples, 7), Appended::kYes);
  before[Series(1).ToString()][15'000 * kManySamples] = 7;
  EXPECT_EQ(Read(*db), before);
}

// Whatever is wrong with a file of chunks, the log has the samples.
TEST_F(DbTest, DamagedChunkFilesChangeNoAnswer) {
  Content before;
  {
    const auto db = Open();
    PutMany(*db);
    before = Read(*db);
  }
  const std::string path = std::string(kDirectory) + "/chunks_head/000001";
  const std::string whole = disk_.Content(path);
  ASSERT_GT(whole.size(), 500u);
  for (size_t at = 0; at < whole.size(); at += 37) {
    SCOPED_TRACE(at);
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    for (const std::string& content : {damaged, whole.substr(0, at)}) {
      const std::string directory = base::ParentPath(path);
      ASSERT_TRUE(base::RemoveAll(disk_, directory).has_value());
      ASSERT_TRUE(disk_.CreateDirectories(directory).has_value());
      disk_.SetContent(path, content);
      EXPECT_EQ(Read(*Open()), before);
    }
  }
}

TEST_F(DbTest, ChunksThatCannotBeWrittenStayInMemory) {
  Content before;
  {
    const auto db = Open();
    disk_.SetPlan([](const MemoryFileSystem::Call& call) {
      return call.path.find("chunks_head") == std::string_view::npos
                 ? MemoryFileSystem::Fate::kSucceed
                 : MemoryFileSystem::Fate::kFail;
    });
    PutMany(*db);
    EXPECT_TRUE(db->Maintain().has_value());
    EXPECT_EQ(db->statistics().head_chunk_failures, 1u);
    before = Read(*db);
    EXPECT_EQ(before.begin()->second.size(), static_cast<size_t>(kManySamples));
  }
  disk_.SetPlan({});
  EXPECT_EQ(Read(*Open()), before);
}

TEST_F(DbTest, DeletesForGood) {
  {
    const auto db = Open();
    for (int i = 1; i <= 2; ++i) {
      for (Timestamp t = 10; t <= 50; t += 10) Put(*db, Series(i), t, i);
    }
    ASSERT_TRUE(db->DeleteSeries({Matcher::Equal("i", "1")}, {15, 35}).has_value());
    Put(*db, Series(1), 60, 1);
    EXPECT_EQ(Read(*db)[R"(m{i="1"})"],
              (std::map<Timestamp, double>{{10, 1}, {40, 1}, {50, 1}, {60, 1}}));
    EXPECT_EQ(Read(*db)[R"(m{i="2"})"].size(), 5u);
  }
  EXPECT_EQ(Read(*Open())[R"(m{i="1"})"],
            (std::map<Timestamp, double>{{10, 1}, {40, 1}, {50, 1}, {60, 1}}));
}

TEST_F(DbTest, IsLockedByItsOwner) {
  const auto db = Open();
  const auto second = TryOpen();
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, base::Code::kFailedPrecondition);
}

TEST_F(DbTest, StopsAtTheSeriesLimitButKeepsExistingSeries) {
  Db::Options options{.directory = kDirectory};
  options.fsync = FsyncPolicy::kNone;
  options.head.series_max = 1;
  const auto db = *Db::Open({disk_, clock_}, base::NullLogger(), options);
  Put(*db, Series(1), 1, 1);
  EXPECT_EQ(db->OpenAppender()->Resolve(Series(2)).error().code, base::Code::kResourceExhausted);
  EXPECT_EQ(Put(*db, Series(1), 2, 1), Appended::kYes);
}

// The promise of the storage, under every single fault of the disk: what Commit acknowledged is
// there after a restart, and what it refused is not.
TEST_F(DbTest, KeepsWhatItAcknowledgedWhicheverCallFails) {
  for (const auto fate : {MemoryFileSystem::Fate::kFail, MemoryFileSystem::Fate::kHalfDone}) {
    for (int n = 0;; ++n) {
      SCOPED_TRACE(n);
      ASSERT_TRUE(base::RemoveAll(disk_, kDirectory).has_value());
      disk_.ResetCalls();
      disk_.SetPlan(MemoryFileSystem::FailCall(n, fate));
      Content acknowledged;
      {
        base::Result<std::unique_ptr<Db>> db = TryOpen();
        if (!db) db = TryOpen();
        ASSERT_TRUE(db.has_value());
        for (int batch = 0; batch < 30; ++batch) {
          const auto appender = (*db)->OpenAppender();
          Content content;
          for (int i = 0; i < 20; ++i) {
            const Labels labels = Series(i + batch);
            appender->Append(*appender->Resolve(labels), batch * 1000, i);
            content[labels.ToString()][batch * 1000] = i;
          }
          if (!appender->Commit()) continue;
          for (const auto& [series, samples] : content)
            acknowledged[series].merge(std::map(samples));
        }
        EXPECT_EQ(Read(**db), acknowledged);
      }
      disk_.SetPlan({});
      EXPECT_EQ(Read(*Open()), acknowledged);
      if (!disk_.fired()) break;
    }
  }
}

// Random batches, restarts and crashes against a map.
TEST_F(DbTest, AgreesWithAMap) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    ASSERT_TRUE(base::RemoveAll(disk_, kDirectory).has_value());
    Content model;
    auto db = Open();
    for (int step = 0; step < 200; ++step) {
      if (random.Below(20) == 0) {
        db.reset();
        db = Open();
      }
      const auto appender = db->OpenAppender();
      Content content;
      for (uint64_t k = random.Below(5); k > 0; --k) {
        const Labels labels = Series(static_cast<int>(random.Below(6)));
        const auto t = static_cast<Timestamp>(random.Below(40'000)) + step * 20'000;
        const double v = static_cast<double>(random.Below(3));
        const std::string name = labels.ToString();
        const auto newest = [&](const Content& c) {
          const auto found = c.find(name);
          return found == c.end() ? model::kTimestampMin : found->second.rbegin()->first;
        };
        if (content.contains(name)) continue;  // One sample per series and batch.
        const Appended verdict = appender->Append(*appender->Resolve(labels), t, v);
        EXPECT_EQ(verdict == Appended::kYes, t > newest(model)) << name << ' ' << t;
        if (verdict == Appended::kYes) content[name][t] = v;
      }
      if (random.Below(8) == 0) {
        appender->Rollback();
        continue;
      }
      ASSERT_TRUE(appender->Commit().has_value());
      for (const auto& [series, samples] : content) model[series].merge(std::map(samples));
    }
    EXPECT_EQ(Read(*db), model);
    db.reset();
    EXPECT_EQ(Read(*Open()), model);
  }
}

// Readers never see half a batch: every batch gives all series the same value.
TEST_F(DbTest, IsolatesReadersFromWriters) {
  const auto db = Open();
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int batch = 1; batch <= 300; ++batch) {
      const auto appender = db->OpenAppender();
      for (int i = 0; i < 10; ++i) appender->Append(*appender->Resolve(Series(i)), batch, batch);
      ASSERT_TRUE(appender->Commit().has_value());
    }
    done = true;
  });
  while (!done) {
    const Content content = Read(*db);
    if (content.empty()) continue;
    ASSERT_EQ(content.size(), 10u);
    for (const auto& [series, samples] : content) {
      EXPECT_EQ(samples.rbegin()->first, content.begin()->second.rbegin()->first);
    }
  }
  writer.join();
}

}  // namespace
}  // namespace narthex::tsdb
