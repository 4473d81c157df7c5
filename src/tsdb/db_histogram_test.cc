// Native histograms through the whole life of a database: head, log, checkpoints, blocks.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "base/testing/manual_clock.h"
#include "base/testing/memory_file_system.h"
#include "chunk/series_encoder.h"
#include "tsdb/db.h"

namespace narthex::tsdb {
namespace {

using base::MemoryFileSystem;
using model::FloatHistogram;
using model::IntegerHistogram;
using model::Labels;
using model::Matcher;
using model::Timestamp;
using storage::Appended;

constexpr char kDirectory[] = "/data";
constexpr int64_t kRange = 2 * 3600 * 1000;
constexpr int64_t kStep = 60'000;
constexpr Timestamp kStart = 1'700'006'400'000;  // A multiple of the range.

Labels Series(int i) { return *Labels::From({{"__name__", "h"}, {"i", std::to_string(i)}}); }

// A counter's histogram with two buckets; `layout` moves the second.
IntegerHistogram Whole(uint64_t n, int32_t layout = 1) {
  IntegerHistogram h;
  h.schema = 3;
  h.zero_threshold = 0x1p-128;
  h.zero_count = n;
  h.count = 4 * n;
  h.sum = static_cast<double>(n) * 1.5;
  h.positive_spans = {{0, 1}, {layout, 1}};
  h.positive_deltas = {static_cast<int64_t>(n), static_cast<int64_t>(n)};
  return h;
}

IntegerHistogram Custom(uint64_t n) {
  IntegerHistogram h;
  h.schema = model::kCustomBucketsSchema;
  h.count = n;
  h.sum = static_cast<double>(n);
  h.positive_spans = {{1, 1}};
  h.positive_deltas = {static_cast<int64_t>(n)};
  h.custom_bounds = {0.5, 1, 2.5};
  return h;
}

std::string Text(double v) { return model::IsStaleNan(v) ? "stale" : std::to_string(v); }
std::string Text(const FloatHistogram& h) {
  return model::IsStaleNan(h.sum) ? "stale" : std::to_string(h.schema) + h.ToString();
}
std::string Text(const chunk::Value& value) {
  if (const double* const v = std::get_if<double>(&value)) return Text(*v);
  if (const auto* const h = std::get_if<IntegerHistogram>(&value)) return Text(h->ToFloat());
  return Text(std::get<FloatHistogram>(value));
}

using Content = std::map<std::string, std::map<Timestamp, std::string>>;

class DbHistogramTest : public testing::Test {
 protected:
  base::Result<std::unique_ptr<Db>> TryOpen(const std::string& directory = kDirectory) {
    Db::Options options;
    options.head_image = false;  // What the log gives back is in question.
    options.directory = directory;
    options.fsync = FsyncPolicy::kNone;
    options.maintenance_ms = 0;
    options.wal.segment_bytes = 4 * wal::kPageBytes;
    options.late_window_ms = late_window_ms_;
    options.read_only = read_only_;
    options.exemplars_max = 100;
    options.metadata_records = true;
    return Db::Open({disk_, clock_}, base::NullLogger(), options);
  }
  std::unique_ptr<Db> Open() { return *TryOpen(); }

  static Appended Append(storage::Appender& appender, const Labels& labels, Timestamp t,
                         const chunk::Value& value) {
    const storage::SeriesRef ref = *appender.Resolve(labels);
    if (const double* const v = std::get_if<double>(&value)) return appender.Append(ref, t, *v);
    if (const auto* const h = std::get_if<IntegerHistogram>(&value)) {
      return appender.AppendHistogram(ref, t, *h);
    }
    return appender.AppendHistogram(ref, t, std::get<FloatHistogram>(value));
  }

  Appended Put(Db& db, const Labels& labels, Timestamp t, const chunk::Value& value) {
    const auto appender = db.OpenAppender();
    const Appended verdict = Append(*appender, labels, t, value);
    if (appender->Commit() && verdict == Appended::kYes) {
      model_[labels.ToString()][t] = Text(value);
    }
    return verdict;
  }

  static Content Read(Db& db, model::TimeRange range = {}) {
    Content content;
    const auto querier = *db.OpenQuerier(range);
    const auto set = *querier->Select({});
    for (size_t i = 0; i < set->size(); ++i) {
      model::SampleColumns samples;
      EXPECT_TRUE(set->Read(i, range, samples).has_value());
      EXPECT_TRUE(std::ranges::is_sorted(samples.t));
      for (size_t k = 0; k < samples.size(); ++k) {
        content[set->labels(i).ToString()][samples.t[k]] =
            samples.IsHistogram(k) ? Text(*samples.histograms[k]) : Text(samples.v[k]);
      }
    }
    return content;
  }

  // Four series: whole, float, custom buckets, and one that is everything in turns.
  void Fill(Db& db, Timestamp from, Timestamp to) {
    for (Timestamp t = from; t < to; t += kStep) {
      const auto n = static_cast<uint64_t>((t - kStart) / kStep);
      Put(db, Series(1), t, Whole(n % 500, n % 70 < 40 ? 1 : 2));
      Put(db, Series(2), t, Whole(n).ToFloat());
      Put(db, Series(3), t, Custom(n));
      if (n % 40 < 20) {
        Put(db, Series(4), t, static_cast<double>(n));
      } else if (n % 40 < 30) {
        Put(db, Series(4), t, Whole(n));
      } else if (n % 40 < 39) {
        Put(db, Series(4), t, Whole(n).ToFloat());
      } else {
        Put(db, Series(4), t, model::StaleNan());
      }
    }
  }

  MemoryFileSystem disk_;
  base::ManualClock clock_{kStart};
  int64_t late_window_ms_ = 0;
  bool read_only_ = false;
  Content model_;
};

TEST_F(DbHistogramTest, TakesLateOnesOfTheWindowAndKeepsThem) {
  late_window_ms_ = kRange;
  {
    const auto db = Open();
    for (const int i : {1, 2, 3}) {
      const auto value = [i](uint64_t n) -> chunk::Value {
        if (i == 1) return Whole(n);
        if (i == 2) return Whole(n).ToFloat();
        return Custom(n);
      };
      for (uint64_t n = 0; n < 200; n += 2) {
        EXPECT_EQ(Put(*db, Series(i), kStart + static_cast<Timestamp>(n) * kStep, value(n)),
                  Appended::kYes);
      }
      // Between the others, from the back: more than a buffer of them.
      for (uint64_t n = 197; n > 100; n -= 2) {
        EXPECT_EQ(Put(*db, Series(i), kStart + static_cast<Timestamp>(n) * kStep, value(n)),
                  Appended::kYes);
      }
      EXPECT_EQ(Put(*db, Series(i), kStart + kStep, value(1)), Appended::kTooOld);
      EXPECT_EQ(Put(*db, Series(i), kStart + 198 * kStep, value(1)), Appended::kDuplicate);
      // Another form than the series has, and a marker that takes its form.
      EXPECT_EQ(Put(*db, Series(i), kStart + 150 * kStep + 7, 1.5), Appended::kYes);
      EXPECT_EQ(Put(*db, Series(i), kStart + 150 * kStep + 8, model::StaleNan()), Appended::kYes);
    }
    EXPECT_EQ(db->head().statistics().late_histograms_appended, 3u * 50);
    EXPECT_EQ(db->head().statistics().late_samples_appended, 3u);
    EXPECT_EQ(Read(*db), model_);
    const auto matcher = Matcher::Equal("i", "2");
    const model::TimeRange range{kStart + 140 * kStep, kStart + 145 * kStep};
    ASSERT_TRUE(db->DeleteSeries({matcher}, range).has_value());
    std::erase_if(model_[Series(2).ToString()],
                  [&](const auto& sample) { return range.Contains(sample.first); });
    EXPECT_EQ(Read(*db), model_);
  }
  disk_.LosePower();  // Everything was synced at close.
  auto db = Open();
  EXPECT_EQ(Read(*db), model_);
  const std::string snapshot = *db->Snapshot(false);
  EXPECT_EQ(Read(**TryOpen(std::string(kDirectory) + "/snapshots/" + snapshot)), model_);
  // Into blocks of their own, which then join the others.
  Fill(*db, kStart + 201 * kStep, kStart + 4 * kRange);
  ASSERT_TRUE(db->Maintain().has_value());
  EXPECT_EQ(Read(*db), model_);
  EXPECT_FALSE(db->head().has_late_samples());
  db.reset();
  EXPECT_EQ(Read(*Open()), model_);
}

// The logs cut off anywhere: what stands before the cut is there, and nothing that was never sent.
TEST_F(DbHistogramTest, EveryCutOfTheLogsKeepsWhatStandsBeforeIt) {
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
TEST_F(DbHistogramTest, AFailedCommitLeavesNothingInTheOtherLog) {
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

TEST_F(DbHistogramTest, StartsOrSaysWhyNotWhicheverMappingFails) {
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

TEST_F(DbHistogramTest, JudgesAsOfNumbers) {
  const auto db = Open();
  EXPECT_EQ(Put(*db, Series(1), kStart, Whole(3)), Appended::kYes);
  EXPECT_EQ(Put(*db, Series(1), kStart, Whole(3)), Appended::kSameAgain);
  EXPECT_EQ(Put(*db, Series(1), kStart, Whole(4)), Appended::kDuplicate);
  EXPECT_EQ(Put(*db, Series(1), kStart, Whole(3).sum), Appended::kDuplicate);
  EXPECT_EQ(Put(*db, Series(1), kStart - 1, Whole(3)), Appended::kOutOfOrder);
  EXPECT_EQ(Put(*db, Series(1), kStart + 1, 7.0), Appended::kYes);
  EXPECT_EQ(Put(*db, Series(1), kStart + 1, 7.0), Appended::kSameAgain);
  EXPECT_EQ(Put(*db, Series(1), kStart + 1, Whole(3)), Appended::kDuplicate);
  IntegerHistogram broken = Whole(3);
  broken.count = 1;
  EXPECT_EQ(Put(*db, Series(1), kStart + 2, broken), Appended::kInvalid);
  const auto appender = db->OpenAppender();
  EXPECT_EQ(appender->AppendHistogram(77, kStart, Whole(3)), Appended::kUnknownSeries);
  const Db::Refused histograms = db->statistics().histograms_refused;
  EXPECT_EQ(histograms.out_of_order, 1u);
  EXPECT_EQ(histograms.duplicate, 2u);
  EXPECT_EQ(db->statistics().numbers_refused.duplicate, 1u);
  EXPECT_EQ(Read(*db), model_);
}

TEST_F(DbHistogramTest, KeepsTheOrderOfFormsWithinABatchOverARestart) {
  {
    const auto db = Open();
    const auto appender = db->OpenAppender();
    const std::vector<chunk::Value> values = {1.0,       Whole(1),           2.0,      Whole(2),
                                              Custom(3), Whole(3).ToFloat(), Whole(4), 5.0};
    Timestamp t = kStart;
    for (const chunk::Value& value : values) {
      for (const int series : {1, 2}) {
        ASSERT_EQ(Append(*appender, Series(series), t, value), Appended::kYes);
        model_[Series(series).ToString()][t] = Text(value);
      }
      ASSERT_EQ(Append(*appender, Series(3), t, 1.0), Appended::kYes);
      model_[Series(3).ToString()][t] = Text(1.0);
      t += kStep;
    }
    EXPECT_TRUE(Read(*db).empty());
    ASSERT_TRUE(appender->Commit().has_value());
    EXPECT_EQ(Read(*db), model_);
  }
  EXPECT_EQ(Read(*Open()), model_);
}

TEST_F(DbHistogramTest, AStaleMarkerTakesTheFormOfItsSeries) {
  for (const bool restart : {false, true}) {
    auto db = Open();
    if (!restart) {
      Put(*db, Series(1), kStart, Whole(3));
      EXPECT_EQ(Put(*db, Series(1), kStart + 1, model::StaleNan()), Appended::kYes);
      EXPECT_EQ(Put(*db, Series(1), kStart + 1, model::StaleNan()), Appended::kSameAgain);
      Put(*db, Series(1), kStart + 2, Whole(4));
    }
    const auto querier = *db->OpenQuerier({});
    model::SampleColumns samples;
    const auto set = *querier->Select({});
    ASSERT_TRUE(set->Read(0, {}, samples).has_value());
    ASSERT_EQ(samples.size(), 3u);
    EXPECT_TRUE(samples.IsHistogram(1));
    EXPECT_TRUE(model::IsStaleNan(samples.v[1]));
    EXPECT_EQ(samples.histograms[2]->hint, model::ResetHint::kUnknown);
  }
}

TEST_F(DbHistogramTest, AnswersTheSameFromBlocksAndCheckpoints) {
  {
    const auto db = Open();
    for (int i = 0; i < 8; ++i) {
      Fill(*db, kStart + i * kRange, kStart + (i + 1) * kRange);
      ASSERT_TRUE(db->Maintain().has_value());
    }
    EXPECT_EQ(Read(*db), model_);
    EXPECT_GT(db->statistics().checkpoints, 0u);
    const auto metas = db->blocks();
    EXPECT_TRUE(std::ranges::any_of(
        *metas, [](const auto& block) { return block->meta().compaction.level > 1; }));
    EXPECT_GT(metas->front()->meta().stats.histogram_samples, 0u);
    EXPECT_GT(metas->front()->meta().stats.float_samples, 0u);
    const model::TimeRange narrow{kStart + kRange / 3, kStart + 5 * kRange / 2};
    Content part;
    for (const auto& [labels, samples] : model_) {
      for (const auto& [t, text] : samples) {
        if (narrow.Contains(t)) part[labels][t] = text;
      }
    }
    EXPECT_EQ(Read(*db, narrow), part);
  }
  const auto db = Open();
  EXPECT_EQ(db->statistics().unread_records, 0u);
  EXPECT_EQ(db->statistics().unknown_refs, 0u);
  EXPECT_EQ(Read(*db), model_);
}

TEST_F(DbHistogramTest, DeletesFromHeadAndBlocksAndSnapshotsTheRest) {
  auto db = Open();
  Fill(*db, kStart, kStart + 3 * kRange);
  ASSERT_TRUE(db->Maintain().has_value());
  ASSERT_FALSE(db->blocks()->empty());
  const model::TimeRange in_block{kStart + 50 * kStep, kStart + 75 * kStep};
  const model::TimeRange in_head{kStart + 3 * kRange - 33 * kStep,
                                 kStart + 3 * kRange - 20 * kStep};
  for (const model::TimeRange range : {in_block, in_head}) {
    ASSERT_TRUE(db->DeleteSeries({}, range).has_value());
    for (auto& [labels, samples] : model_) {
      std::erase_if(samples, [&](const auto& sample) { return range.Contains(sample.first); });
    }
  }
  EXPECT_EQ(Read(*db), model_);
  ASSERT_TRUE(db->CleanTombstones().has_value());
  EXPECT_EQ(Read(*db), model_);
  const auto name = db->Snapshot(false);
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(Read(**TryOpen(std::string(kDirectory) + "/snapshots/" + *name)), model_);
  db.reset();
  EXPECT_EQ(Read(*Open()), model_);
}

TEST_F(DbHistogramTest, MergesOverlappingBlocks) {
  // Two databases that took turns at the same series, each with its own view of the counter.
  Content other;
  {
    const auto db = *TryOpen("/other");
    for (Timestamp t = kStart; t < kStart + 3 * kRange; t += kStep) {
      Put(*db, Series(2), t + 7, Whole(static_cast<uint64_t>(t - kStart)).ToFloat());
      Put(*db, Series(5), t, Whole(1));
    }
    ASSERT_TRUE(db->Maintain().has_value());
  }
  {
    const auto db = Open();
    Fill(*db, kStart, kStart + 3 * kRange);
    ASSERT_TRUE(db->Maintain().has_value());
  }
  const auto blocks_of = [&](const std::string& directory) {
    std::vector<std::shared_ptr<const Block>> blocks;
    const std::vector<std::string> paths = *ListBlocks(disk_, directory);
    for (const std::string& path : paths) {
      blocks.push_back(*Block::Open(disk_, path));
    }
    return blocks;
  };
  std::vector<std::shared_ptr<const Block>> all = blocks_of(kDirectory);
  for (const auto& block : blocks_of("/other")) all.push_back(block);
  ASSERT_GE(all.size(), 2u);
  base::Random random(7);
  CompactOptions options{.data_directory = "/merged", .ulid = Ulid::New(kStart, random)};
  ASSERT_TRUE(disk_.CreateDirectories("/merged").has_value());
  const auto written = CompactBlocks(disk_, all, options);
  ASSERT_TRUE(written.has_value()) << written.error().message;
  Timestamp end = (*written)->max_time;
  Content expected;
  for (const auto& [labels, samples] : model_) {
    for (const auto& [t, text] : samples) {
      if (t < end) expected[labels][t] = text;
    }
  }
  EXPECT_EQ(Read(**TryOpen("/merged")), expected);
}

TEST_F(DbHistogramTest, KeepsExemplarsAndMetadataOverRestartsAndCheckpoints) {
  const std::vector<std::vector<Matcher>> all = {{}};
  const auto text = [&](Db& db) {
    std::string result;
    const auto exemplars = *db.SelectExemplars(all, {});
    for (const auto& series : exemplars) {
      result += series.labels.ToString();
      for (const auto& exemplar : series.exemplars) {
        result += fmt::format(" {}@{}", exemplar.labels.ToString(), *exemplar.timestamp - kStart);
      }
    }
    const auto of_series = *db.SelectMetadata({});
    for (const auto& [labels, metadata] : of_series) {
      result += "; " + labels.ToString() + " " + metadata.help;
    }
    return result;
  };
  std::string expected;
  {
    const auto db = Open();
    for (Timestamp t = kStart; t < kStart + 8 * kRange; t += kStep) {
      const auto appender = db->OpenAppender();
      const auto ref = *appender->Resolve(Series(1));
      EXPECT_EQ(appender->Append(ref, t, 1), Appended::kYes);
      const auto trace = *Labels::From({{"trace_id", std::to_string(t % 7)}});
      EXPECT_EQ(appender->AppendExemplar(ref, {trace, 1, t}), Appended::kYes);
      appender->SetMetadata(
          ref, {model::MetricType::kCounter, t < kStart + kRange ? "Old." : "New.", ""});
      ASSERT_TRUE(appender->Commit().has_value());
    }
    Put(*db, Series(2), kStart + 8 * kRange, 1.0);
    expected = text(*db);
    EXPECT_TRUE(expected.ends_with(R"(; h{i="1"} New.)")) << expected;
  }
  EXPECT_EQ(text(*Open()), expected);
  {
    const auto db = Open();
    ASSERT_TRUE(db->Maintain().has_value());
    EXPECT_GT(db->statistics().checkpoints, 0u);
    EXPECT_EQ(text(*db), expected);
  }
  // The newest of them are newer than what the checkpoint cut off.
  const auto db = Open();
  EXPECT_EQ(db->statistics().unread_records, 0u);
  EXPECT_EQ(text(*db), expected);
  const auto appender = db->OpenAppender();
  const auto ref = *appender->Resolve(Series(1));
  EXPECT_EQ(appender->AppendExemplar(ref, {Labels(), 1, kStart}), Appended::kOutOfOrder);
  EXPECT_EQ(appender->AppendExemplar(ref + 7, {Labels(), 1, kStart}), Appended::kUnknownSeries);
}

// Whatever call to the disk fails, what was acknowledged is there after a restart.
TEST_F(DbHistogramTest, LosesNothingWhicheverCallFails) {
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

// A random life against a map.
TEST_F(DbHistogramTest, AgreesWithAMap) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto pick = [&random](int n) {
    return static_cast<int>(random() % static_cast<unsigned>(n));
  };
  auto db = Open();
  Timestamp t = kStart;
  for (int step = 0; step < 1500; ++step) {
    t += pick(5 * kStep);
    const Labels labels = Series(pick(4));
    const auto n = static_cast<uint64_t>(pick(50) == 0 ? pick(10) : step);
    switch (pick(8)) {
      case 0:
        Put(*db, labels, t, static_cast<double>(step));
        break;
      case 1:
        Put(*db, labels, t, model::StaleNan());
        break;
      case 2:
        Put(*db, labels, t, Whole(n, 1 + pick(3)).ToFloat());
        break;
      case 3:
        Put(*db, labels, t, Custom(n));
        break;
      default:
        Put(*db, labels, t, Whole(n, 1 + pick(3)));
    }
    const int event = pick(200);
    if (event == 0) {
      db.reset();
      db = Open();
    } else if (event == 1) {
      ASSERT_TRUE(db->Maintain().has_value());
    } else if (event == 2) {
      const model::TimeRange range{t - pick(3 * kRange), t - pick(kRange)};
      if (range.min > range.max) continue;
      const auto matcher = Matcher::Equal("i", std::string(labels.Get("i")));
      ASSERT_TRUE(db->DeleteSeries({matcher}, range).has_value());
      auto& samples = model_[labels.ToString()];
      std::erase_if(samples, [&](const auto& sample) { return range.Contains(sample.first); });
    }
    if (event < 3) {
      std::erase_if(model_, [](const auto& series) { return series.second.empty(); });
      ASSERT_EQ(Read(*db), model_) << step;
    }
  }
}

}  // namespace
}  // namespace narthex::tsdb
