#include "tsdb/head/head.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <map>
#include <set>

#include "base/random.h"
#include "chunk/xor_chunk.h"

namespace narthex::tsdb {
namespace {

using model::Labels;
using model::Matcher;
using model::TimeRange;
using model::Timestamp;
using storage::Appended;

constexpr Timestamp kRange = 1000;  // Of chunks, so that small times cut them.

Labels Series(int i) { return *Labels::From({{"__name__", "m"}, {"i", std::to_string(i)}}); }

class HeadTest : public testing::Test {
 protected:
  void Put(int series, Timestamp t, double v = 1) {
    const Slot slot = *head_.Resolve(Series(series));
    EXPECT_EQ(head_.Judge(slot, t, v), Appended::kYes);
    head_.Publish({{slot, t, v}});
  }

  static std::string Times(const storage::SeriesSet& set) {
    std::string text;
    for (size_t i = 0; i < set.size(); ++i) {
      model::SampleColumns samples;
      EXPECT_TRUE(set.Read(i, {}, samples).has_value());
      text += std::string(set.labels(i).Get("i")) + ":";
      for (const Timestamp t : samples.t) text += " " + std::to_string(t);
      text += "; ";
    }
    return text;
  }
  std::string Times(TimeRange range = {}) { return Times(*head_.Select({}, range)); }

  // What a block of that range would hold.
  std::string Block(TimeRange range) {
    Head::BlockSource source = head_.SourceFor(range);
    std::string text;
    for (size_t i = 0; i < source.size(); ++i) {
      Head::BlockSource::Chunks chunks;
      EXPECT_TRUE(source.Read(i, chunks).has_value());
      text += std::string(source.labels(i).Get("i")) + ":";
      for (const Head::ChunkView& chunk : chunks.views()) {
        text += fmt::format(" {}-{}/{}", chunk.min, chunk.max, chunk.samples);
        model::SampleColumns samples;
        EXPECT_TRUE(chunk::DecodeXor(chunk.bytes, {}, samples).has_value());
        EXPECT_EQ(samples.size(), chunk.samples);
        EXPECT_EQ(samples.t.front(), chunk.min);
        EXPECT_EQ(samples.t.back(), chunk.max);
      }
      text += "; ";
    }
    return text;
  }

  Head head_{{.samples_per_chunk = 3, .chunk_range_ms = kRange}};
};

// Full ranges at common intervals have no more chunks than full ones would need, and yet the series
// do not finish theirs together.
TEST_F(HeadTest, SpreadsTheEndsOfChunksWithoutMakingMore) {
  constexpr int64_t kTwoHours = 7'200'000;
  for (const int64_t interval : {1'000, 10'000, 15'000, 30'000, 60'000}) {
    Head head({.samples_per_chunk = 120, .chunk_range_ms = kTwoHours});
    const int64_t samples = kTwoHours / interval;
    std::vector<Head::Entry> batch;
    for (int i = 0; i < 20; ++i) batch.push_back({*head.Resolve(Series(i)), 0, 1});
    for (int64_t k = 0; k < 2 * samples; ++k) {
      for (Head::Entry& entry : batch)
        entry.t = k * interval + (k * 7 + entry.slot) % 5;  // Jitter.
      head.Publish(batch);
    }
    std::set<Timestamp> first_ends;
    Head::BlockSource source = head.SourceFor({kTwoHours, 2 * kTwoHours - 1});
    ASSERT_EQ(source.size(), 20u);
    for (size_t i = 0; i < source.size(); ++i) {
      Head::BlockSource::Chunks chunks;
      ASSERT_TRUE(source.Read(i, chunks).has_value());
      EXPECT_LE(chunks.views().size(), static_cast<size_t>(samples + 119) / 120) << interval;
      first_ends.insert(chunks.views().front().max / interval);
    }
    EXPECT_GE(first_ends.size(), samples > 120 ? 10u : 1u) << interval;
  }
}

// Its last bits lie apart from the others: wherever the border falls, the bytes are those of the
// encoder.
TEST(Head, AnOpenChunkIsTheEncodersStreamAtEveryLength) {
  base::Random random(5);
  for (int i = 0; i < 200; ++i) {
    Head head({.samples_per_chunk = 120, .chunk_range_ms = 1 << 30});
    const Slot slot = *head.Resolve(Series(i));
    chunk::XorChunk twin;
    Timestamp t = 1 << 20;
    uint64_t bits = 0;
    for (int k = 0; k < 25; ++k) {
      // Bits anywhere change, any number of them, or none; some times are far off the pace.
      if (random.Below(3) != 0) bits ^= random.Next() >> random.Below(64) << random.Below(64);
      t += random.Below(8) == 0 ? static_cast<Timestamp>(1 + random.Below(1 << 21)) : 15;
      const auto v = std::bit_cast<double>(bits);
      head.Publish({{slot, t, v}});
      twin.Append(t, v);
      Head::BlockSource source = head.SourceFor({0, 1 << 29});
      Head::BlockSource::Chunks chunks;
      ASSERT_TRUE(source.Read(0, chunks).has_value());
      ASSERT_EQ(chunks.views().size(), 1u);
      ASSERT_EQ(chunks.views().front().bytes, twin.bytes()) << i << " " << k;
    }
  }
}

TEST_F(HeadTest, DropsOldChunksAndSeriesThatHaveEnded) {
  for (Timestamp t = 0; t < 2000; t += 300) Put(1, t);
  Put(2, 100);
  EXPECT_EQ(head_.Truncate(1000, false), 1u);
  EXPECT_EQ(Times(), "1: 1200 1500 1800; ");
  EXPECT_EQ(head_.statistics().series, 1u);
  EXPECT_EQ(head_.Judge(*head_.Resolve(Series(1)), 999, 1), Appended::kTooOld);
  // The series comes back as a new one.
  Put(2, 1900);
  EXPECT_EQ(Times(), "1: 1200 1500 1800; 2: 1900; ");
}

TEST_F(HeadTest, KeepsWhatASnapshotTakenBeforeShows) {
  for (Timestamp t = 0; t < 2000; t += 300) Put(1, t);
  Put(2, 100);
  const auto before = head_.Select({}, {});
  head_.Truncate(5000, true);
  EXPECT_EQ(Times(), "");
  EXPECT_EQ(Times(*before), "1: 0 300 600 900 1200 1500 1800; 2: 100; ");
}

TEST_F(HeadTest, ForgetsEmptySeriesOnlyAtTheSecondTruncation) {
  const Slot slot = *head_.Resolve(Series(1));
  head_.Truncate(10, false);
  EXPECT_EQ(head_.Judge(slot, 20, 1), Appended::kYes);
  head_.Truncate(20, false);
  EXPECT_EQ(head_.Judge(slot, 30, 1), Appended::kUnknownSeries);
  EXPECT_TRUE(head_.TakeUnlogged().empty());
}

TEST_F(HeadTest, GivesTheMemoryOfManySeriesBack) {
  const auto guard = head_.Enter();
  for (int i = 0; i < 10'000; ++i) Put(i, 100);
  const Slot old = *head_.Resolve(Series(0));
  for (int i = 9'990; i < 10'000; ++i) Put(i, 2000);
  EXPECT_EQ(head_.Truncate(1000, false), 9'990u);
  EXPECT_EQ(head_.Judge(old, 3000, 1), Appended::kUnknownSeries);
  EXPECT_EQ(head_.statistics().series, 10u);
  EXPECT_EQ(head_.LiveRefs().size(), 10u);
  EXPECT_EQ(head_.Select({}, {})->size(), 10u);
}

TEST_F(HeadTest, HandsABlockWholeChunks) {
  for (Timestamp t = 0; t < 2600; t += 200) Put(1, t);
  Put(2, 500);
  Put(3, 1500);
  EXPECT_EQ(Block({0, 999}), "1: 0-400/3 600-800/2; 2: 500-500/1; ");
  EXPECT_EQ(Block({1000, 1999}), "1: 1000-1400/3 1600-1800/2; 3: 1500-1500/1; ");
  Head::BlockSource source = head_.SourceFor({0, 999});
  EXPECT_EQ(source.symbols(), (std::vector<std::string_view>{"1", "2", "__name__", "i", "m"}));
}

TEST_F(HeadTest, HidesDeletedSamplesAndLeavesThemOutOfBlocks) {
  for (Timestamp t = 0; t < 1000; t += 100) Put(1, t);
  for (Timestamp t = 0; t < 1000; t += 100) Put(2, t);
  head_.Delete(head_.DeletionsFor({Matcher::Equal("i", "1")}, {150, 450}));
  EXPECT_EQ(Times(), "1: 0 100 500 600 700 800 900; 2: 0 100 200 300 400 500 600 700 800 900; ");
  EXPECT_EQ(Block({0, 999}),
            "1: 0-100/2 500-500/1 600-800/3 900-900/1; "
            "2: 0-200/3 300-500/3 600-800/3 900-900/1; ");
  head_.Delete(head_.DeletionsFor({Matcher::Equal("i", "2")}, {}));
  // The second series has nothing left: whoever writes the block leaves it out.
  EXPECT_EQ(Block({0, 999}), "1: 0-100/2 500-500/1 600-800/3 900-900/1; 2:; ");
  // What comes later was not deleted.
  Put(2, 950);
  EXPECT_EQ(Times({900, 1000}), "1: 0 100 500 600 700 800 900; 2: 950; ");
}

// So many series that several threads have to copy them, some of them with samples of every kind.
TEST_F(HeadTest, SelectsTheSameOnAnyNumberOfThreads) {
  constexpr int kSeries = 20'000;
  std::map<std::string, std::set<Timestamp>> wanted;
  Head::LateBatch late;
  for (int i = 0; i < kSeries; ++i) {
    std::set<Timestamp>& times = wanted[std::to_string(i)];
    for (Timestamp t = 100; t <= 100 * (1 + i % 5); t += 100) {
      Put(i, t);
      times.insert(t);
    }
    if (i % 1000 == 999) {
      late.numbers.push_back({*head_.Resolve(Series(i)), 50, 1});
      times.insert(50);
    }
    if (i % 1500 == 3) {
      head_.Delete(
          head_.DeletionsFor({Matcher::Equal("i", std::to_string(i))}, TimeRange{150, 250}));
      times.erase(200);
    }
  }
  head_.Publish({}, {}, late);
  std::string text;
  std::string newest;
  for (const auto& [series, times] : wanted) {
    text += series + ":";
    for (const Timestamp t : times) text += " " + std::to_string(t);
    text += "; ";
    newest += series + " " + std::to_string(*times.rbegin()) + "; ";
  }
  for (const size_t threads : {1, 2, 5}) {
    ASSERT_EQ(Times(*head_.Select({}, {}, Head::Reach::kAll, threads)), text)
        << threads << " threads";
    const auto set = head_.Select({}, {}, Head::Reach::kNewest, threads);
    std::string found;
    for (size_t i = 0; i < set->size(); ++i) {
      model::SampleColumns samples;
      ASSERT_TRUE(set->Read(i, {}, samples).has_value());
      found += std::string(set->labels(i).Get("i")) + " " + std::to_string(samples.t.back()) + "; ";
    }
    ASSERT_EQ(found, newest) << threads << " threads";
  }
}

}  // namespace
}  // namespace narthex::tsdb
