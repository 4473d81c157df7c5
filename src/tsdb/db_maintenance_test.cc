#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "base/random.h"
#include "base/testing/manual_clock.h"
#include "base/testing/memory_file_system.h"
#include "tsdb/db.h"

namespace narthex::tsdb {
namespace {

using base::MemoryFileSystem;
using model::Labels;
using model::Matcher;
using model::Timestamp;
using storage::Appended;

constexpr char kDirectory[] = "/data";
constexpr int64_t kRange = 2 * 3600 * 1000;
constexpr int64_t kStep = 60'000;
constexpr Timestamp kStart = 1'700'006'400'000;  // A multiple of the range.

Labels Series(int i) { return *Labels::From({{"__name__", "m"}, {"i", std::to_string(i)}}); }

using Content = std::map<std::string, std::map<Timestamp, double>>;

class MaintenanceTest : public testing::Test {
 protected:
  base::Result<std::unique_ptr<Db>> TryOpen() {
    Db::Options options = options_;
    options.directory = kDirectory;
    options.fsync = FsyncPolicy::kNone;
    options.maintenance_ms = 0;
    options.wal.segment_bytes = 4 * wal::kPageBytes;
    return Db::Open({disk_, clock_}, base::NullLogger(), options);
  }
  std::unique_ptr<Db> Open() { return *TryOpen(); }

  // Writes samples of `series` from one time to another, and into the model.
  void Fill(Db& db, std::vector<int> series, Timestamp from, Timestamp to) {
    for (Timestamp t = from; t < to; t += kStep) {
      const auto appender = db.OpenAppender();
      for (const int i : series) {
        const double v = static_cast<double>(t % 1'000'000) + i;
        ASSERT_EQ(appender->Append(*appender->Resolve(Series(i)), t, v), Appended::kYes);
      }
      if (!appender->Commit()) continue;
      for (const int i : series) {
        model_[Series(i).ToString()][t] = static_cast<double>(t % 1'000'000) + i;
      }
    }
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
  base::ManualClock clock_{kStart};
  Db::Options options_;
  Content model_;
};

TEST_F(MaintenanceTest, CutsBlocksFromTheHeadAndAnswersTheSame) {
  {
    const auto db = Open();
    Fill(*db, {1, 2}, kStart, kStart + kRange);
    Fill(*db, {1, 3}, kStart + kRange, kStart + 3 * kRange);
    ASSERT_TRUE(db->Maintain().has_value());
    EXPECT_EQ(db->blocks()->size(), 2u);
    EXPECT_EQ(db->head().statistics().series, 2u);
    EXPECT_GE(db->head().statistics().min_time, kStart + 2 * kRange);
    EXPECT_EQ(Read(*db), model_);
    const auto querier = *db->OpenQuerier({});
    EXPECT_EQ(*querier->LabelValues("i", {}), (std::vector<std::string>{"1", "2", "3"}));
    // What is in a block takes no more samples.
    const auto appender = db->OpenAppender();
    EXPECT_EQ(appender->Append(*appender->Resolve(Series(9)), kStart + kStep, 1),
              Appended::kTooOld);
  }
  const auto db = Open();
  EXPECT_EQ(Read(*db), model_);
  EXPECT_EQ(db->head().statistics().series, 2u);
}

TEST_F(MaintenanceTest, CutsTheSameBytesInAnyNumberOfThreads) {
  std::vector<std::string> cut;
  for (const size_t threads : {1, 4}) {
    ASSERT_TRUE(base::RemoveAll(disk_, kDirectory).has_value());
    options_.compaction_threads = threads;
    const auto db = Open();
    std::vector<int> series(500);
    std::iota(series.begin(), series.end(), 0);
    Fill(*db, series, kStart, kStart + 10 * kStep);
    Fill(*db, {1}, kStart + kRange, kStart + 2 * kRange);
    ASSERT_TRUE(db->Maintain().has_value());
    ASSERT_EQ(db->blocks()->size(), 1u);
    const std::string& path = db->blocks()->front()->directory();
    cut.push_back(disk_.Content(base::JoinPath(path, "index")) +
                  disk_.Content(base::JoinPath(path, "chunks/000001")));
  }
  EXPECT_TRUE(cut[0] == cut[1]);
}

TEST_F(MaintenanceTest, StepsOverTimeWithoutSamples) {
  const auto db = Open();
  Fill(*db, {1}, 0, 10 * kStep);  // Fifty years before the rest.
  Fill(*db, {1}, kStart, kStart + kRange);
  ASSERT_TRUE(db->Maintain().has_value());
  EXPECT_EQ(db->blocks()->size(), 1u);
  EXPECT_LT(wal::ListSegments(disk_, "/data/wal")->size(), 10u);
  EXPECT_EQ(Read(*db), model_);
}

TEST_F(MaintenanceTest, KeepsTheLogShort) {
  const auto db = Open();
  for (int i = 0; i < 12; ++i) {
    Fill(*db, {1, 2, 3, 4, 5, 6, 7, 8, 100 + i}, kStart + i * kRange, kStart + (i + 1) * kRange);
    ASSERT_TRUE(db->Maintain().has_value());
  }
  EXPECT_GT(db->statistics().checkpoints, 0u);
  const auto segments = *wal::ListSegments(disk_, "/data/wal");
  EXPECT_LT(segments.size(), 12u);
  EXPECT_EQ(db->head().statistics().series, 9u);
  EXPECT_EQ(Read(*db), model_);
}

TEST_F(MaintenanceTest, CompactsBlocksIntoLongerOnes) {
  options_.max_block_ms = 9 * kRange;
  {
    const auto db = Open();
    for (int i = 0; i < 14; ++i) {
      Fill(*db, {1, 2}, kStart + i * kRange, kStart + (i + 1) * kRange);
      ASSERT_TRUE(db->Maintain().has_value());
    }
    EXPECT_LT(db->blocks()->size(), 8u);
    int level = 0;
    for (const auto& block : *db->blocks()) {
      level = std::max(level, block->meta().compaction.level);
      EXPECT_LE(block->meta().max_time - block->meta().min_time, 9 * kRange);
    }
    EXPECT_GE(level, 2);
    EXPECT_EQ(Read(*db), model_);
  }
  EXPECT_EQ(Read(*Open()), model_);
}

TEST_F(MaintenanceTest, CleansWhatWasDeletedOutOfBlocks) {
  const auto db = Open();
  Fill(*db, {1, 2}, kStart, kStart + 4 * kRange);
  ASSERT_TRUE(db->Maintain().has_value());
  ASSERT_TRUE(
      db->DeleteSeries({Matcher::Equal("i", "1")}, {kStart, kStart + kRange - 1}).has_value());
  std::erase_if(model_[Series(1).ToString()],
                [&](const auto& sample) { return sample.first < kStart + kRange; });
  ASSERT_TRUE(db->CleanTombstones().has_value());
  EXPECT_EQ(db->blocks()->front()->meta().stats.series, 1u);
  EXPECT_TRUE(db->blocks()->front()->tombstones()->empty());
  EXPECT_EQ(Read(*db), model_);
}

TEST_F(MaintenanceTest, DropsBlocksPastTheRetention) {
  options_.retention.time_ms = 2 * kRange;
  const auto db = Open();
  Fill(*db, {1}, kStart, kStart + 6 * kRange);
  ASSERT_TRUE(db->Maintain().has_value());
  EXPECT_GT(db->statistics().time_retentions, 0u);
  EXPECT_GE(Read(*db).begin()->second.begin()->first, kStart + 2 * kRange);
  EXPECT_LE(Read(*db).begin()->second.begin()->first, kStart + 3 * kRange);
}

TEST_F(MaintenanceTest, DropsTheOldestBlocksOverTheSizeLimit) {
  options_.retention.bytes = 1;
  const auto db = Open();
  Fill(*db, {1}, kStart, kStart + 4 * kRange);
  ASSERT_TRUE(db->Maintain().has_value());
  EXPECT_TRUE(db->blocks()->empty());
  EXPECT_FALSE(Read(*db).empty());  // The head stays.
}

// As upstream counts it: the logs, the checkpoint and the finished chunks of the head take room
// too.
TEST_F(MaintenanceTest, TheSizeLimitCountsTheHead) {
  const auto db = Open();
  Fill(*db, {1, 2}, kStart, kStart + 7 * kRange);
  ASSERT_TRUE(db->Maintain().has_value());
  uint64_t blocks = 0;
  for (const auto& block : *db->blocks()) blocks += block->bytes();
  uint64_t head = 0;
  int checkpoints = 0;
  for (const std::string name : {"wal", "chunks_head"}) {
    const std::string directory = base::JoinPath(kDirectory, name);
    const auto entries = *disk_.List(directory);
    for (const base::DirectoryEntry& entry : entries) {
      head += entry.size;
      if (!entry.is_directory) continue;
      ++checkpoints;
      const auto segments = *disk_.List(base::JoinPath(directory, entry.name));
      for (const base::DirectoryEntry& segment : segments) head += segment.size;
    }
  }
  EXPECT_EQ(checkpoints, 1);
  const size_t count = db->blocks()->size();
  db->SetRetention({.bytes = blocks + head});
  ASSERT_TRUE(db->Maintain().has_value());
  EXPECT_EQ(db->blocks()->size(), count);
  db->SetRetention({.bytes = blocks + head - 1});
  ASSERT_TRUE(db->Maintain().has_value());
  EXPECT_EQ(db->blocks()->size(), count - 1);
}

TEST_F(MaintenanceTest, ANewLimitHoldsFromTheNextRound) {
  const auto db = Open();
  Fill(*db, {1}, kStart, kStart + 4 * kRange);
  ASSERT_TRUE(db->Maintain().has_value());
  ASSERT_FALSE(db->blocks()->empty());
  disk_.SetCapacity(100);  // However little a block takes, it is more than a hundredth of that.
  db->SetRetention({.percentage = 1});
  ASSERT_TRUE(db->Maintain().has_value());
  EXPECT_TRUE(db->blocks()->empty());
  EXPECT_GT(db->statistics().size_retentions, 0u);
}

// The disk fills up in the middle of writing and of maintenance, whatever is being done then: what
// was acknowledged stays readable, and with room again everything goes on by itself.
TEST_F(MaintenanceTest, AFullDiskRefusesKeepsReadingAndHeals) {
  for (uint64_t room = 0; room < 60'000; room += 1'499) {
    SCOPED_TRACE(room);
    ASSERT_TRUE(base::RemoveAll(disk_, kDirectory).has_value());
    model_.clear();
    {
      const auto db = Open();
      Fill(*db, {1, 2}, kStart, kStart + 2 * kRange);
      disk_.SetCapacity(disk_.Space("/")->total - disk_.Space("/")->free + room);
      uint64_t refused = 0;
      for (Timestamp t = kStart + 2 * kRange; t < kStart + 5 * kRange; t += kRange / 2) {
        Fill(*db, {1, 2}, t, t + kRange / 2);
        (void)db->Maintain();
        refused = db->statistics().commits_failed;
        ASSERT_EQ(Read(*db), model_);
      }
      if (room < 5'000) {
        EXPECT_GT(refused, 0u);
      }
      disk_.SetCapacity(uint64_t{1} << 40);
      Fill(*db, {1, 2}, kStart + 5 * kRange, kStart + 6 * kRange);
      EXPECT_EQ(db->statistics().commits_failed, refused);
      ASSERT_TRUE(db->Maintain().has_value());
      ASSERT_EQ(Read(*db), model_);
    }
    ASSERT_EQ(Read(*Open()), model_);
  }
}

TEST_F(MaintenanceTest, DeletesFromBlocksAndHead) {
  const auto db = Open();
  Fill(*db, {1, 2}, kStart, kStart + 3 * kRange);
  ASSERT_TRUE(db->Maintain().has_value());
  const model::TimeRange range{kStart + kRange / 2, kStart + 5 * kRange / 2};
  ASSERT_TRUE(db->DeleteSeries({Matcher::Equal("i", "1")}, range).has_value());
  std::erase_if(model_[Series(1).ToString()],
                [&](const auto& sample) { return range.Contains(sample.first); });
  EXPECT_EQ(Read(*db), model_);
}

TEST_F(MaintenanceTest, WhatWasDeletedStaysAwayWhereNoBlockWasLeftToCut) {
  options_.head_image = false;
  {
    const auto db = Open();
    Fill(*db, {1}, kStart, kStart + kRange * 11 / 5);
    ASSERT_TRUE(
        db->DeleteSeries({Matcher::Equal("i", "1")}, {kStart, kStart + kRange - 1}).has_value());
    std::erase_if(model_[Series(1).ToString()],
                  [](const auto& sample) { return sample.first < kStart + kRange; });
    ASSERT_TRUE(db->Maintain().has_value());
    EXPECT_TRUE(db->blocks()->empty());
    EXPECT_EQ(Read(*db), model_);
  }
  EXPECT_EQ(Read(*Open()), model_);
}

TEST_F(MaintenanceTest, WhatWasDeletedStaysAwayWhenTheNewestBlockGoesWithIt) {
  options_.head_image = false;
  {
    const auto db = Open();
    Fill(*db, {1}, kStart, kStart + kRange * 11 / 5);
    ASSERT_TRUE(db->Maintain().has_value());
    ASSERT_EQ(db->blocks()->size(), 1u);
    ASSERT_TRUE(
        db->DeleteSeries({Matcher::Equal("i", "1")}, {kStart, kStart + kRange - 1}).has_value());
    std::erase_if(model_[Series(1).ToString()],
                  [](const auto& sample) { return sample.first < kStart + kRange; });
    ASSERT_TRUE(db->CleanTombstones().has_value());
    EXPECT_TRUE(db->blocks()->empty());
    EXPECT_EQ(Read(*db), model_);
  }
  EXPECT_EQ(Read(*Open()), model_);
}

TEST_F(MaintenanceTest, SnapshotsOpenAsDatabases) {
  const auto db = Open();
  Fill(*db, {1, 2}, kStart, kStart + 3 * kRange);
  ASSERT_TRUE(db->Maintain().has_value());
  const std::string name = *db->Snapshot(false);
  const std::string blocks_only = *db->Snapshot(true);
  Db::Options options{.directory = "/data/snapshots/" + name};
  options.fsync = FsyncPolicy::kNone;
  options.maintenance_ms = 0;
  EXPECT_EQ(Read(**Db::Open({disk_, clock_}, base::NullLogger(), options)), model_);
  options.directory = "/data/snapshots/" + blocks_only;
  EXPECT_LT(Read(**Db::Open({disk_, clock_}, base::NullLogger(), options)).begin()->second.size(),
            model_.begin()->second.size());
}

TEST_F(MaintenanceTest, DropsWhatACrashLeftOfReplacedBlocks) {
  std::string replaced;
  {
    const auto db = Open();
    Fill(*db, {1, 2, 3}, kStart, kStart + 3 * kRange);
    ASSERT_TRUE(db->Maintain().has_value());
    replaced = db->blocks()->front()->directory();
    ASSERT_TRUE(db->DeleteSeries({model::Matcher::Equal("i", "2")}, {}).has_value());
    // The deletion of the old block fails, as if we had been killed before it.
    disk_.SetPlan([&](const MemoryFileSystem::Call& call) {
      return call.path.starts_with(replaced) &&
                     (call.operation == "remove" || call.operation == "rename")
                 ? MemoryFileSystem::Fate::kFail
                 : MemoryFileSystem::Fate::kSucceed;
    });
    EXPECT_FALSE(db->CleanTombstones().has_value());
    EXPECT_EQ(Read(*db).count(Series(2).ToString()), 0u);
    const auto dirty = [&] {
      return std::ranges::count_if(*db->blocks(),
                                   [](const auto& block) { return !block->tombstones()->empty(); });
    };
    EXPECT_EQ(dirty(), 0);
    // The block in its place is not replaced as long as that one is there, which would come back
    // with the next start; the others are.
    ASSERT_GE(db->blocks()->size(), 2u);
    ASSERT_TRUE(db->DeleteSeries({model::Matcher::Equal("i", "3")}, {}).has_value());
    EXPECT_FALSE(db->CleanTombstones().has_value());
    EXPECT_EQ(dirty(), 1);
    EXPECT_FALSE(db->blocks()->front()->tombstones()->empty());
  }
  disk_.SetPlan(nullptr);
  ASSERT_TRUE(*disk_.Exists(replaced));
  model_.erase(Series(2).ToString());
  model_.erase(Series(3).ToString());
  const auto db = Open();
  EXPECT_FALSE(*disk_.Exists(replaced));
  EXPECT_EQ(Read(*db), model_);
}

TEST_F(MaintenanceTest, StartsWithoutADamagedBlock) {
  std::string damaged;
  {
    const auto db = Open();
    Fill(*db, {1}, kStart, kStart + 3 * kRange);
    ASSERT_TRUE(db->Maintain().has_value());
    damaged = db->blocks()->front()->directory();
  }
  disk_.Corrupt(damaged + "/index", 0, 'x');
  const auto db = Open();
  EXPECT_EQ(db->statistics().blocks_damaged, 1u);
  EXPECT_EQ(Read(*db).begin()->second.begin()->first, kStart + kRange);
}

// A finished chunk that its file has lost meanwhile comes back from the log when it is needed for a
// block; before, it is an error of the queries that need it.
TEST_F(MaintenanceTest, AHeadChunkDamagedWhileRunningComesBackFromTheLog) {
  const auto db = Open();
  Fill(*db, {1, 2, 3}, kStart, kStart + kRange + kRange / 4);
  ASSERT_TRUE(db->Maintain().has_value());  // Finished chunks are written.
  const std::string path = std::string(kDirectory) + "/chunks_head/000001";
  const std::string content = disk_.Content(path);
  ASSERT_GT(content.size(), 1000u);
  disk_.Corrupt(path, content.size() / 2, static_cast<char>(~content[content.size() / 2]));
  {
    const auto querier = *db->OpenQuerier({});
    const auto set = *querier->Select({});
    int damaged = 0;
    for (size_t i = 0; i < set->size(); ++i) {
      model::SampleColumns samples;
      const base::Status read = set->Read(i, {}, samples);
      if (read) continue;
      EXPECT_EQ(read.error().code, base::Code::kDataLoss);
      ++damaged;
    }
    EXPECT_EQ(damaged, 1);
  }
  Fill(*db, {1, 2, 3}, kStart + kRange + kRange / 4, kStart + 3 * kRange);
  ASSERT_TRUE(db->Maintain().has_value());
  EXPECT_EQ(db->statistics().head_chunks_healed, 1u);
  EXPECT_EQ(db->blocks()->size(), 2u);
  EXPECT_EQ(Read(*db), model_);
}

// Everything acknowledged is there after a restart, whichever call of the disk fails meanwhile.
TEST_F(MaintenanceTest, LosesNothingWhicheverCallFails) {
  for (int n = 0;; ++n) {
    SCOPED_TRACE(n);
    ASSERT_TRUE(base::RemoveAll(disk_, kDirectory).has_value());
    model_.clear();
    {
      const auto db = Open();
      Fill(*db, {1, 2}, kStart, kStart + 5 * kRange / 2);
      disk_.ResetCalls();
      disk_.SetPlan(MemoryFileSystem::FailCall(n, MemoryFileSystem::Fate::kHalfDone));
      std::ignore = db->Maintain();
      Fill(*db, {1}, kStart + 5 * kRange / 2, kStart + 5 * kRange / 2 + 5 * kStep);
      EXPECT_EQ(Read(*db), model_);
    }
    const bool fired = disk_.fired();
    disk_.SetPlan({});
    const auto db = Open();
    EXPECT_EQ(Read(*db), model_);
    ASSERT_TRUE(db->Maintain().has_value());
    EXPECT_EQ(Read(*db), model_);
    if (!fired) break;
  }
}

}  // namespace
}  // namespace narthex::tsdb
