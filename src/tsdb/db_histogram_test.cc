// Native histograms through the whole life of a database: head, log, checkpoints, blocks.

#include <random>

#include "tsdb/testing/histogram_world.h"

namespace narthex::tsdb {
namespace {

using namespace histogram_world;
using model::Matcher;

using DbHistogramTest = World;

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
