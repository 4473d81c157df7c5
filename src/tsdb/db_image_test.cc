// The head image: a start with it is a start without it, whatever has happened to the disk.

#include <gtest/gtest.h>

#include <map>
#include <tuple>

#include "base/random.h"
#include "base/testing/manual_clock.h"
#include "base/testing/memory_file_system.h"
#include "tsdb/db.h"
#include "tsdb/head/image_file.h"

namespace narthex::tsdb {
namespace {

using base::MemoryFileSystem;
using model::Labels;
using model::Timestamp;
using storage::Appended;
using ImageUse = Db::ImageUse;

constexpr char kImage[] = "/data/head_image";

Labels Series(int i) {
  return *Labels::From({{"__name__", "m"}, {"i", std::to_string(i)}, {"same", "same"}});
}

class DbImageTest : public testing::Test {
 protected:
  // Bits, so that NaNs are compared too.
  using Content = std::map<std::string, std::map<Timestamp, uint64_t>>;

  std::unique_ptr<Db> Open(bool read_only = false) {
    Db::Options options{.directory = "/data", .read_only = read_only};
    options.fsync = FsyncPolicy::kCommit;
    options.maintenance_ms = 0;
    options.late_window_ms = 5000;
    options.exemplars_max = 10;
    options.metadata_records = true;
    options.head.chunk_range_ms = 10'000;
    options.head.samples_per_chunk = 7;
    options.wal.segment_bytes = 2 * wal::kPageBytes;
    auto db = Db::Open({disk_, clock_}, base::NullLogger(), options);
    EXPECT_TRUE(db.has_value()) << db.error().message;
    return *std::move(db);
  }

  static Appended Put(Db& db, const Labels& labels, Timestamp t, double v) {
    const auto appender = db.OpenAppender();
    const Appended verdict = appender->Append(*appender->Resolve(labels), t, v);
    EXPECT_TRUE(appender->Commit().has_value());
    return verdict;
  }

  // A counter with more and more buckets.
  static model::IntegerHistogram Whole(uint64_t n) {
    model::IntegerHistogram h;
    h.schema = 2;
    h.zero_threshold = 0.001;
    h.zero_count = n;
    h.sum = static_cast<double>(n) * 1.25;
    h.positive_spans = {{1, 1 + static_cast<uint32_t>(n / 40)}};
    h.positive_deltas.assign(1 + n / 40, 0);
    h.positive_deltas[0] = static_cast<int64_t>(n);
    h.count = n + h.positive_deltas.size() * n;
    return h;
  }
  // Series 5 has whole counts, series 6 float ones with numbers, resets and stale markers between.
  static void AddHistograms(storage::Appender& appender, int step) {
    const Timestamp t = 1000 + step * 100;
    const auto n = static_cast<uint64_t>(step);
    appender.AppendHistogram(*appender.Resolve(Series(5)), t, Whole(n));
    const auto ref = *appender.Resolve(Series(6));
    if (step % 50 == 20) {
      appender.Append(ref, t, model::StaleNan());
    } else if (step % 40 < 3) {
      appender.Append(ref, t, step * 0.25);
    } else {
      appender.AppendHistogram(ref, t, Whole(n % 77).ToFloat());
    }
  }

  // Three chunk ranges of five series and two with histograms, one ended and one that comes late,
  // with everything that a head can have besides; the oldest range is a block.
  void Fill() {
    const auto db = Open();
    base::Random random(7);
    for (int step = 0; step < 300; ++step) {
      const auto appender = db->OpenAppender();
      for (int i = 0; i < 5; ++i) {
        if (i == 4 && step > 20) continue;  // Goes with the first range.
        const auto ref = *appender->Resolve(Series(i));
        appender->Append(ref, 1000 + step * 100, static_cast<double>(random.Below(100)) / 8);
        if (step == 250) {
          appender->SetMetadata(ref, {model::MetricType::kCounter, "helps", "seconds"});
          appender->AppendExemplar(ref, {*Labels::From({{"id", std::to_string(i)}}), 1.5, 26'000});
        }
      }
      AddHistograms(*appender, step);
      ASSERT_TRUE(appender->Commit().has_value());
      if (step == 200) {
        ASSERT_TRUE(db->Maintain().has_value());
      }
    }
    EXPECT_EQ(Put(*db, Series(0), 31'000, 77), Appended::kYes);
    EXPECT_EQ(Put(*db, Series(1), 28'050, 78), Appended::kYes);  // Late.
    const auto appender = db->OpenAppender();
    for (const Timestamp t : {28'060, 28'070}) {
      EXPECT_EQ(appender->AppendHistogram(*appender->Resolve(Series(1)), t, Whole(7)),
                Appended::kYes);
      EXPECT_EQ(appender->AppendHistogram(*appender->Resolve(Series(6)), t, Whole(8)),
                Appended::kYes);
    }
    for (const int i : {5, 6}) {
      const auto ref = *appender->Resolve(Series(i));
      EXPECT_EQ(i == 5 ? appender->AppendHistogram(ref, 31'000, Whole(300))
                       : appender->AppendHistogram(ref, 31'000, Whole(300).ToFloat()),
                Appended::kYes);
    }
    ASSERT_TRUE(appender->Commit().has_value());
    ASSERT_TRUE(db->DeleteSeries({*model::Matcher::From(model::Matcher::Type::kEqual, "i", "2")},
                                 {27'000, 28'000})
                    .has_value());
    (void)*db->OpenAppender()->Resolve(Series(9));  // Never logged.
    want_ = Read(*db);
  }

  static Content Read(Db& db) {
    Content content;
    const auto querier = *db.OpenQuerier({});
    const auto set = *querier->Select({});
    for (size_t i = 0; i < set->size(); ++i) {
      model::SampleColumns samples;
      EXPECT_TRUE(set->Read(i, {}, samples).has_value());
      for (size_t k = 0; k < samples.size(); ++k) {
        content[set->labels(i).ToString()][samples.t[k]] =
            samples.IsHistogram(k)
                ? std::hash<std::string>()(std::to_string(samples.histograms[k]->schema) +
                                           samples.histograms[k]->ToString())
                : std::bit_cast<uint64_t>(samples.v[k]);
      }
    }
    return content;
  }

  // Opens, expects that use of the image and all data.
  void ExpectUse(ImageUse use) {
    const auto db = Open();
    EXPECT_EQ(db->statistics().image, use);
    EXPECT_EQ(Read(*db), want_);
  }

  // The disk again, with the files as they are now.
  std::map<std::string, std::string> Files(const std::string& directory = "/data") {
    std::map<std::string, std::string> files;
    const std::vector<base::DirectoryEntry> entries = *disk_.List(directory);
    for (const base::DirectoryEntry& entry : entries) {
      const std::string path = base::JoinPath(directory, entry.name);
      if (entry.is_directory) {
        files.merge(Files(path));
      } else {
        files[path] = disk_.Content(path);
      }
    }
    return files;
  }
  void Restore(const std::map<std::string, std::string>& files) {
    ASSERT_TRUE(base::RemoveAll(disk_, "/data").has_value());
    for (const auto& [path, content] : files) {
      ASSERT_TRUE(disk_.CreateDirectories(base::ParentPath(path)).has_value());
      ASSERT_TRUE(disk_.Open(path, base::FileSystem::Mode::kCreateNew).has_value());
      disk_.SetContent(path, content);
    }
  }

  MemoryFileSystem disk_;
  base::ManualClock clock_{1'000'000};
  Content want_;
};

TEST_F(DbImageTest, IsTheHead) {
  Fill();
  const auto files = Files();
  const auto look = [&](ImageUse use) {
    const auto db = Open();
    EXPECT_EQ(db->statistics().image, use);
    EXPECT_EQ(Read(*db), want_);
    const Head::Statistics head = db->head().statistics();
    std::string seen =
        fmt::format("{} series, {} chunks, {} to {}, {} exemplars, {} late", head.series,
                    head.chunks, head.min_time, head.max_time,
                    db->exemplars().statistics().exemplars, db->head().late_statistics().samples);
    const std::vector<storage::SeriesMetadata> all = *db->SelectMetadata({});
    for (const auto& [labels, metadata] : all) {
      seen += fmt::format(" {} {}", labels.ToString(), metadata.help);
    }
    // It goes on where it was: verdicts, deletions, new series, further chunks, the next block.
    EXPECT_EQ(Put(*db, Series(0), 31'000, 77), Appended::kSameAgain);
    EXPECT_EQ(Put(*db, Series(0), 31'000, 78), Appended::kDuplicate);
    EXPECT_EQ(Put(*db, Series(0), 9'950, 78), Appended::kTooOld);
    for (int step = 0; step < 200; ++step) {
      for (int i = 0; i < 12; ++i) {
        EXPECT_EQ(Put(*db, Series(i), 40'000 + step * 100, step * 0.7), Appended::kYes);
      }
    }
    EXPECT_TRUE(db->Maintain().has_value());
    const Content after = Read(*db);
    for (const auto& [series, samples] : after) {
      seen += fmt::format(" {} {}", series, samples.size());
    }
    return seen;
  };
  const std::string with = look(ImageUse::kUsed);
  Restore(files);
  ASSERT_TRUE(disk_.Remove(kImage).has_value());
  const std::string without = look(ImageUse::kAbsent);
  EXPECT_EQ(with.substr(0, 8), "6 series");
  EXPECT_EQ(with, without);
}

TEST_F(DbImageTest, WhatIsWrittenAfterItSurvivesAKill) {
  Fill();
  {
    const auto db = Open();
    EXPECT_EQ(db->statistics().image, ImageUse::kUsed);
    Put(*db, Series(9), 32'000, 5);  // Its first record of the log comes now.
    Put(*db, Series(0), 32'000, 6);
    want_ = Read(*db);
    disk_.SetPlan([](const auto&) { return MemoryFileSystem::Fate::kFail; });
  }
  disk_.SetPlan(nullptr);
  disk_.LosePower();
  ExpectUse(ImageUse::kAbsent);
}

TEST_F(DbImageTest, ManyRestartsLoseNothing) {
  Fill();
  for (int i = 0; i < 20; ++i) {
    const auto db = Open();
    EXPECT_EQ(db->statistics().image, ImageUse::kUsed);
    EXPECT_EQ(Read(*db), want_);
    Put(*db, Series(i), 32'000 + i * 1000, i);
    want_ = Read(*db);
  }
}

// Late native histograms, and those that came in order: what the image has of them goes on as what
// the log has.
TEST_F(DbImageTest, HoldsHistogramsWithExactCounts) {
  Fill();
  const auto files = Files();
  const auto look = [&](ImageUse use) {
    const auto db = Open();
    EXPECT_EQ(db->statistics().image, use);
    const auto verdict = [&](int i, Timestamp t, const auto& histogram) {
      const auto appender = db->OpenAppender();
      const Appended result =
          appender->AppendHistogram(*appender->Resolve(Series(i)), t, histogram);
      EXPECT_TRUE(appender->Commit().has_value());
      return result;
    };
    EXPECT_EQ(verdict(5, 31'000, Whole(300)), Appended::kSameAgain);
    EXPECT_EQ(verdict(5, 31'000, Whole(301)), Appended::kDuplicate);
    EXPECT_EQ(verdict(6, 31'000, Whole(300).ToFloat()), Appended::kSameAgain);
    EXPECT_EQ(verdict(5, 31'100, Whole(301)), Appended::kYes);          // Into the open chunk.
    EXPECT_EQ(verdict(6, 31'100, Whole(2).ToFloat()), Appended::kYes);  // A reset.
    EXPECT_EQ(Put(*db, Series(5), 31'200, model::StaleNan()), Appended::kYes);
    EXPECT_EQ(Put(*db, Series(5), 45'000, 1.5), Appended::kYes);
    EXPECT_TRUE(db->Maintain().has_value());
    EXPECT_EQ(db->blocks()->size(), 3u);
    std::map<std::string, std::tuple<uint64_t, uint64_t, uint64_t>> blocks;
    for (const auto& block : *db->blocks()) {
      const BlockStats stats = block->meta().stats;
      blocks[std::to_string(block->meta().min_time) + (block->is_late() ? " late" : "")] = {
          stats.float_samples, stats.histogram_samples, stats.series};
    }
    return std::pair(Read(*db), blocks);
  };
  const auto with = look(ImageUse::kUsed);
  Restore(files);
  ASSERT_TRUE(disk_.Remove(kImage).has_value());
  const auto without = look(ImageUse::kAbsent);
  EXPECT_EQ(with.first, without.first);
  EXPECT_EQ(with.second, without.second);
}

TEST_F(DbImageTest, ALookIntoADirectoryUsesAndLeavesIt) {
  Fill();
  const auto files = Files();
  {
    const auto db = Open(true);
    EXPECT_EQ(db->statistics().image, ImageUse::kUsed);
    EXPECT_EQ(Read(*db), want_);
  }
  EXPECT_EQ(Files(), files);
}

TEST_F(DbImageTest, TornAnywhereItIsRefused) {
  Fill();
  const auto files = Files();
  const std::string image = disk_.Content(kImage);
  for (size_t size = 0; size < image.size(); size += size < 64 ? 1 : 97) {
    Restore(files);
    disk_.SetContent(kImage, image.substr(0, size));
    ExpectUse(ImageUse::kDamaged);
    if (HasFailure()) FAIL() << size << " of " << image.size() << " bytes";
  }
}

TEST_F(DbImageTest, AFlippedBitAnywhereIsNoticed) {
  Fill();
  const auto files = Files();
  const std::string image = disk_.Content(kImage);
  for (size_t at = 0; at<image.size(); at += at + 60> image.size() ? 1 : 41) {
    Restore(files);
    std::string flipped = image;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << at % 8));
    disk_.SetContent(kImage, flipped);
    ExpectUse(ImageUse::kDamaged);
    if (HasFailure()) FAIL() << "byte " << at << " of " << image.size();
  }
}

TEST_F(DbImageTest, AnyOtherFileThatChangedMakesItStale) {
  Fill();
  const auto files = Files();
  int tried = 0;
  for (const auto& [path, content] : files) {
    const bool covered = path.starts_with("/data/wal/") || path.starts_with("/data/wbl/") ||
                         path.starts_with("/data/chunks_head/");
    if (!covered) continue;
    ++tried;
    Restore(files);
    disk_.SetContent(path, content + std::string(1, '\0'));  // Longer.
    ExpectUse(ImageUse::kStale);
    if (path.starts_with("/data/chunks_head/")) {  // The log has what is in it.
      Restore(files);
      ASSERT_TRUE(disk_.Remove(path).has_value());
      ExpectUse(ImageUse::kStale);
      if (content.size() > 20) {
        Restore(files);
        disk_.SetContent(path, content.substr(0, content.size() - 10));
        ExpectUse(ImageUse::kStale);
        Restore(files);
        disk_.Corrupt(path, content.size() - 10, 'x');
        ExpectUse(ImageUse::kStale);
      }
    }
    if (HasFailure()) FAIL() << path;
  }
  EXPECT_GE(tried, 4);
}

TEST_F(DbImageTest, AnotherServersSegmentIsReplayed) {
  Fill();
  {
    // One that knows no images, and leaves this one.
    const std::string image = disk_.Content(kImage);
    ASSERT_TRUE(disk_.Remove(kImage).has_value());
    const auto db = Open();
    Put(*db, Series(0), 31'000, 1);
    want_ = Read(*db);
    disk_.SetPlan([](const auto&) { return MemoryFileSystem::Fate::kFail; });
  }
  disk_.SetPlan(nullptr);
  ExpectUse(ImageUse::kAbsent);
}

TEST_F(DbImageTest, ABlockThatCameOrWentMakesItStale) {
  Fill();
  const std::vector<base::DirectoryEntry> entries = *disk_.List("/data");
  for (const base::DirectoryEntry& entry : entries) {
    if (entry.name.size() != 26) continue;
    ASSERT_TRUE(base::RemoveAll(disk_, "/data/" + entry.name).has_value());
  }
  const auto db = Open();
  EXPECT_EQ(db->statistics().image, ImageUse::kStale);
}

TEST_F(DbImageTest, AChunkThatCannotBeReadIsHealedByTheStartAfterTheNext) {
  Fill();
  {
    const auto db = Open();
    for (int step = 0; step < 800; ++step) Put(*db, Series(0), 31'100 + step * 10, step * 0.7);
    want_ = Read(*db);
  }
  std::string path;
  for (const auto& [name, content] : Files()) {
    // Where nobody looks: before the last 4096 bytes.
    if (name.starts_with("/data/chunks_head/") && content.size() > 4200) path = name;
  }
  ASSERT_FALSE(path.empty());
  disk_.Corrupt(path, disk_.Content(path).size() - 4150, '\x55');
  {
    const auto db = Open();
    EXPECT_EQ(db->statistics().image, ImageUse::kUsed);
    const auto set = *(*db->OpenQuerier({}))->Select({});
    bool failed = false;
    for (size_t i = 0; i < set->size(); ++i) {
      model::SampleColumns samples;
      failed |= !set->Read(i, {}, samples).has_value();
    }
    EXPECT_TRUE(failed);
  }
  ExpectUse(ImageUse::kAbsent);
}

TEST_F(DbImageTest, WhicheverWriteOfTheStopFailsNothingIsLost) {
  Fill();
  const auto files = Files();
  for (const auto fate : {MemoryFileSystem::Fate::kFail, MemoryFileSystem::Fate::kHalfDone}) {
    for (int n = 0;; ++n) {
      Restore(files);
      auto db = Open();
      Put(*db, Series(0), 40'000, n);
      want_ = Read(*db);
      disk_.ResetCalls();
      disk_.SetPlan(MemoryFileSystem::FailCall(n, fate));
      db.reset();
      const bool fired = disk_.fired();
      disk_.SetPlan(nullptr);
      EXPECT_FALSE(*disk_.Exists("/data/head_image.tmp")) << "call " << n;
      const auto stopped = Files();
      db = Open();
      EXPECT_EQ(Read(*db), want_) << "call " << n;
      db.reset();
      Restore(stopped);
      disk_.LosePower();
      db = Open();
      EXPECT_EQ(Read(*db), want_) << "call " << n << ", then a power cut";
      db.reset();
      if (!fired || HasFailure()) break;
    }
  }
}

// A replay by one thread and by several gives the same head, with finished chunks of an earlier
// life, deletions, second references of a series, and histograms on the way.
TEST_F(DbImageTest, TheNumberOfThreadsDoesNotMatterToAReplay) {
  Fill();
  {
    Db::Options options{.directory = "/data"};
    options.maintenance_ms = 0;
    options.head.chunk_range_ms = 10'000;
    options.head.samples_per_chunk = 7;
    auto db = *Db::Open({disk_, clock_}, base::NullLogger(), options);
    base::Random random(3);
    for (int step = 0; step < 30; ++step) {
      const auto appender = db->OpenAppender();
      for (int i = 0; i < 9000; ++i) {
        if (random.Below(3) == 0) continue;
        appender->Append(*appender->Resolve(Series(i)), 40'000 + step * 100 + i % 7,
                         static_cast<double>(random.Below(1000)) / 7);
      }
      ASSERT_TRUE(appender->Commit().has_value());
    }
  }
  ASSERT_TRUE(disk_.Remove(kImage).has_value());
  const auto files = Files();
  const auto replay = [&](size_t threads) {
    Restore(files);
    Db::Options options{.directory = "/data", .replay_threads = threads};
    options.maintenance_ms = 0;
    options.late_window_ms = 5000;
    options.head.chunk_range_ms = 10'000;
    options.head.samples_per_chunk = 7;
    auto db = *Db::Open({disk_, clock_}, base::NullLogger(), options);
    const Head::Statistics head = db->head().statistics();
    return std::tuple(Read(*db), head.series, head.chunks, head.samples_appended, head.min_time,
                      head.max_time, db->statistics().unknown_refs);
  };
  const auto one = replay(1);
  EXPECT_EQ(std::get<0>(one).size(), 9000u);
  EXPECT_GT(std::get<3>(one), 30'000u);  // The others are in finished chunks.
  EXPECT_TRUE(replay(2) == one);
  EXPECT_TRUE(replay(5) == one);
}

}  // namespace
}  // namespace narthex::tsdb
