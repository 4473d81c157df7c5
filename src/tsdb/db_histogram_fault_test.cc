// Native histograms on disks that fail, lose and cut off.

#include "tsdb/testing/histogram_world.h"

namespace narthex::tsdb {
namespace {

using namespace histogram_world;

using DbHistogramFaultTest = World;

// The logs cut off anywhere: what stands before the cut is there, and nothing that was never sent.
TEST_F(DbHistogramFaultTest, EveryCutOfTheLogsKeepsWhatStandsBeforeIt) {
  late_window_ms_ = kRange;
  std::vector<std::pair<uint64_t, uint64_t>> sizes;  // Of both logs, after each commit.
  std::vector<Content> contents;
  const std::string wal = std::string(kDirectory) + "/wal/00000000";
  const std::string wbl = std::string(kDirectory) + "/wbl/00000000";
  {
    const auto db = Open();
    const auto note = [&] {
      const bool late = *disk_.Exists(wbl);
      sizes.emplace_back(disk_.Content(wal).size(), late ? disk_.Content(wbl).size() : 0);
      contents.push_back(model_);
    };
    note();
    for (uint64_t n = 2; n < 8; n += 2) {
      const auto t = kStart + static_cast<Timestamp>(n) * kStep;
      for (const auto& [at, count] : {std::pair(t, n), std::pair(t - kStep, n - 1)}) {
        Put(*db, Series(1), at, Whole(count));
        note();
        Put(*db, Series(2), at, Whole(count).ToFloat());
        note();
        Put(*db, Series(3), at, static_cast<double>(count));
        note();
      }
    }
    EXPECT_EQ(Read(*db), model_);
  }
  const auto cut = [&](const std::string& file, uint64_t size, uint64_t commits) {
    SCOPED_TRACE(file + " cut to " + std::to_string(size));
    const std::string whole = disk_.Content(file);
    disk_.SetContent(file, whole.substr(0, size));
    const auto db = Open();
    for (const auto& [series, samples] : Read(*db)) {
      for (const auto& [t, text] : samples) EXPECT_EQ(contents.back()[series][t], text);
    }
    // What came before the cut in both logs.
    const Content got = Read(*db);
    for (const auto& [series, samples] : contents[commits]) {
      for (const auto& sample : samples) EXPECT_EQ(got.at(series).at(sample.first), sample.second);
    }
    EXPECT_EQ(db->statistics().wal_corruptions, 0u) << "an unfinished write is no damage";
    disk_.SetContent(file, whole);
  };
  for (const bool late : {false, true}) {
    const std::string& file = late ? wbl : wal;
    for (uint64_t size = 0; size < disk_.Content(file).size(); ++size) {
      uint64_t commits = 0;
      while (commits + 1 < sizes.size() &&
             (late ? sizes[commits + 1].second : sizes[commits + 1].first) <= size) {
        ++commits;
      }
      cut(file, size, commits);
    }
  }
}

// A commit that the log of late samples refuses leaves nothing of itself, also after a restart.
TEST_F(DbHistogramFaultTest, AFailedCommitLeavesNothingInTheOtherLog) {
  late_window_ms_ = kRange;
  for (int n = 0;; ++n) {
    SCOPED_TRACE(n);
    ASSERT_TRUE(base::RemoveAll(disk_, kDirectory).has_value());
    Content acknowledged;
    {
      auto db = Open();
      Put(*db, Series(1), kStart + 10 * kStep, Whole(10));
      Put(*db, Series(2), kStart + 10 * kStep, 10.0);
      acknowledged = Read(*db);
      disk_.ResetCalls();
      disk_.SetPlan(MemoryFileSystem::FailCall(n, MemoryFileSystem::Fate::kHalfDone));
      const auto appender = db->OpenAppender();
      Append(*appender, Series(1), kStart + 11 * kStep, Whole(11));
      Append(*appender, Series(2), kStart + 11 * kStep, 11.0);
      Append(*appender, Series(3), kStart + 11 * kStep, 11.0);
      Append(*appender, Series(1), kStart + 9 * kStep, Whole(9));
      Append(*appender, Series(2), kStart + 9 * kStep, 9.0);
      if (appender->Commit()) acknowledged = Read(*db);
      EXPECT_EQ(Read(*db), acknowledged);
    }
    const bool fired = disk_.fired();
    disk_.SetPlan({});
    EXPECT_EQ(Read(*Open()), acknowledged);
    if (!fired) break;
  }
}

TEST_F(DbHistogramFaultTest, StartsOrSaysWhyNotWhicheverMappingFails) {
  late_window_ms_ = kRange;
  {
    const auto db = Open();
    Fill(*db, kStart, kStart + 2 * kRange);
    Put(*db, Series(1), kStart + 2 * kRange - 5 * kStep + 7, Whole(9));
    ASSERT_TRUE(db->Maintain().has_value());
    Put(*db, Series(1), kStart + 2 * kRange - 5 * kStep + 9, Whole(9));
  }
  for (int n = 0;; ++n) {
    SCOPED_TRACE(n);
    disk_.FailMap(n);
    read_only_ = true;  // So that a start leaves nothing for the next.
    const auto opened = TryOpen();
    const bool fired = disk_.fired();
    disk_.FailMap(-1);
    read_only_ = false;
    // A block that cannot be read is left out and counted; without the log nothing starts; what is
    // mapped for speed alone is read otherwise.
    if (opened && (*opened)->statistics().blocks_damaged == 0) {
      EXPECT_EQ(Read(**opened), model_);
    }
    if (!fired) {
      EXPECT_TRUE(opened.has_value());
      break;
    }
  }
  EXPECT_EQ(Read(*Open()), model_);
}

// Whatever call to the disk fails, what was acknowledged is there after a restart.
TEST_F(DbHistogramFaultTest, LosesNothingWhicheverCallFails) {
  late_window_ms_ = kRange;
  for (int n = 0;; ++n) {
    SCOPED_TRACE(n);
    ASSERT_TRUE(base::RemoveAll(disk_, kDirectory).has_value());
    model_.clear();
    {
      const auto db = Open();
      const Timestamp end = kStart + 2 * kRange;
      Fill(*db, kStart + kRange - 30 * kStep, kStart + kRange + 10 * kStep);
      Fill(*db, end - 10 * kStep, end);
      Fill(*db, end + kRange / 2, end + kRange / 2 + 2 * kStep);
      for (const int late : {20, 10, 15}) {
        Put(*db, Series(1), end + kRange / 2 - late * kStep, Whole(7));
        Put(*db, Series(2), end - kRange / 2 + late * kStep, Whole(7).ToFloat());
        Put(*db, Series(4), end - late * kStep + 1, 1.5);
      }
      disk_.ResetCalls();
      disk_.SetPlan(MemoryFileSystem::FailCall(n, MemoryFileSystem::Fate::kHalfDone));
      std::ignore = db->Maintain();
      Fill(*db, end + kRange / 2 + 2 * kStep, end + kRange / 2 + 5 * kStep);
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
