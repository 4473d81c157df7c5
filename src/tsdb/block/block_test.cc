#include "tsdb/block/block.h"

#include <gtest/gtest.h>

#include "base/testing/memory_file_system.h"
#include "tsdb/testing/block_world.h"

namespace narthex::tsdb {
namespace {

using model::Labels;
using model::Matcher;
using model::TimeRange;

constexpr char kData[] = "/data";
constexpr model::Timestamp kBegin = 1'700'000'000'000;

class BlockTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(disk_.CreateDirectories(kData).has_value());
    ulid_ = Ulid::New(kBegin, random_);
    path_ = base::JoinPath(kData, ulid_.ToString());
  }

  std::shared_ptr<Block> Open() {
    auto block = Block::Open(disk_, path_);
    EXPECT_TRUE(block.has_value()) << block.error().message;
    return *block;
  }

  std::shared_ptr<Block> Make(const Content& content, uint32_t samples_per_chunk = 20) {
    const auto meta =
        WriteBlock(disk_, kData, content, {.ulid = ulid_, .samples_per_chunk = samples_per_chunk});
    EXPECT_TRUE(meta.has_value()) << meta.error().message;
    return Open();
  }

  static std::string Read(const Block& block, const std::vector<Matcher>& matchers = {},
                          TimeRange range = {}) {
    const auto set = block.Select(matchers, range);
    EXPECT_TRUE(set.has_value()) << set.error().message;
    const auto content = ReadAll(**set, range);
    return content ? Text(*content) : content.error().message;
  }

  static Content Filter(const Content& content, const std::vector<Matcher>& matchers,
                        TimeRange range) {
    Content result;
    for (const auto& [labels, samples] : content) {
      if (!model::AllMatch(matchers, labels)) continue;
      for (const auto& [t, v] : samples) {
        if (range.Contains(t)) result[labels][t] = v;
      }
    }
    return result;
  }

  base::MemoryFileSystem disk_;
  base::Random random_{11};
  Ulid ulid_;
  std::string path_;
};

TEST_F(BlockTest, HoldsWhatWasWritten) {
  const Content content = RandomContent(random_, 50, 100, kBegin);
  const auto block = Make(content);
  EXPECT_EQ(Read(*block), Text(content));
  const BlockMeta meta = block->meta();
  EXPECT_EQ(meta.ulid, ulid_);
  EXPECT_EQ(meta.stats.series, 50u);
  EXPECT_EQ(meta.stats.samples, meta.stats.float_samples);
  EXPECT_EQ(meta.compaction.sources, std::vector<Ulid>{ulid_});
  EXPECT_GT(block->bytes(), 1000u);
  EXPECT_EQ(block->unread_chunks(), 0u);
}

TEST_F(BlockTest, SelectsByMatchersAndRange) {
  const Content content = RandomContent(random_, 40, 60, kBegin);
  const auto block = Make(content, 7);
  const std::vector<Matcher> matchers = {
      *Matcher::From(Matcher::Type::kRegex, "__name__", "metric_1|metric_2"),
      *Matcher::From(Matcher::Type::kNotEqual, "odd", "")};
  for (int i = 0; i < 50; ++i) {
    const auto from = kBegin + static_cast<model::Timestamp>(random_.Below(600'000));
    const TimeRange range{from, from + static_cast<model::Timestamp>(random_.Below(100'000))};
    EXPECT_EQ(Read(*block, {}, range), Text(Filter(content, {}, range)));
    EXPECT_EQ(Read(*block, matchers, range), Text(Filter(content, matchers, range)));
  }
  EXPECT_EQ(*block->LabelNames({}), (std::vector<std::string>{"__name__", "instance", "odd"}));
  const auto plain = Matcher::Equal("odd", "");
  EXPECT_EQ(*block->LabelNames({plain}), (std::vector<std::string>{"__name__", "instance"}));
  EXPECT_TRUE(block->LabelValues("odd", {plain})->empty());
  EXPECT_EQ(block->LabelValues("odd", {})->size(), 3u);
}

TEST_F(BlockTest, DeletionsAreGoneAlsoAfterReopening) {
  Content content = RandomContent(random_, 30, 60, kBegin);
  auto block = Make(content, 9);
  const std::vector<Matcher> matchers = {Matcher::Equal("__name__", "metric_1")};
  const TimeRange range{kBegin + 50'000, kBegin + 200'000};
  const auto before = *block->Select({}, {});
  const std::string whole = Text(content);
  EXPECT_GT(*block->AddTombstones(matchers, range), 0u);
  EXPECT_EQ(*block->AddTombstones({Matcher::Equal("__name__", "nothing")}, range), 0u);
  for (auto& [labels, samples] : content) {
    if (!model::AllMatch(matchers, labels)) continue;
    std::erase_if(samples, [&](const auto& sample) { return range.Contains(sample.first); });
  }
  EXPECT_EQ(Read(*block), Text(content));
  EXPECT_EQ(Text(*ReadAll(*before)), whole) << "a query under way sees what it saw";
  const uint64_t count = block->meta().stats.tombstones;
  EXPECT_GT(count, 0u);
  block = Open();
  EXPECT_EQ(Read(*block), Text(content));
  EXPECT_EQ(block->meta().stats.tombstones, count);
  // Everything of some series.
  EXPECT_GT(*block->AddTombstones(matchers, {}), 0u);
  EXPECT_EQ((*block->Select(matchers, {}))->size(), 0u);
}

TEST_F(BlockTest, ADamagedChunkIsAnErrorOfItsRead) {
  const Content content = RandomContent(random_, 3, 50, kBegin);
  std::ignore = Make(content, 10);
  disk_.Corrupt(path_ + "/chunks/000001", 20, '!');
  const auto block = Open();
  const auto set = *block->Select({}, {});
  model::SampleColumns samples;
  EXPECT_EQ(set->Read(0, {}, samples).error().code, base::Code::kDataLoss);
  EXPECT_TRUE(set->Read(1, {}, samples).has_value());
}

TEST_F(BlockTest, ChunksOfOtherEncodingsArePassedOverAndCounted) {
  chunk::XorChunk floats;
  floats.Append(kBegin, 1);
  chunk::HistogramChunk histograms;
  model::IntegerHistogram histogram;
  for (int i = 0; i < 7; ++i) {
    histogram.count = histogram.zero_count = static_cast<uint64_t>(i);
    histogram.sum = 2.5;
    ASSERT_TRUE(histograms.Append(kBegin + 1 + i, histogram));
  }
  auto writer = *BlockWriter::Create(disk_, kData, {.ulid = ulid_}, {"a", "b"});
  const std::vector<EncodedChunk> chunks = {
      {chunk::Encoding::kXor, kBegin, kBegin, 1, floats.bytes()},
      {chunk::Encoding::kHistogram, kBegin + 1, kBegin + 7, 7, histograms.bytes()},
      {chunk::Encoding{7}, kBegin + 9, kBegin + 9, 1, "yet to come"}};
  ASSERT_TRUE(writer->AddSeries(*Labels::From({{"a", "b"}}), chunks).has_value());
  const auto meta = writer->Finish({.min_time = kBegin, .max_time = kBegin + 10});
  ASSERT_TRUE(meta.has_value());
  EXPECT_EQ(meta->stats.histogram_samples, 7u);
  EXPECT_EQ(meta->stats.samples, 9u);
  const auto block = Open();
  const auto set = *block->Select({}, {});
  ASSERT_EQ(set->size(), 1u);
  model::SampleColumns samples;
  ASSERT_TRUE(set->Read(0, {}, samples).has_value());
  ASSERT_EQ(samples.size(), 8u);
  EXPECT_FALSE(samples.IsHistogram(0));
  ASSERT_TRUE(samples.IsHistogram(7));
  EXPECT_EQ(samples.histograms[7]->count, 6);
  EXPECT_EQ(block->unread_chunks(), 1u);
}

TEST_F(BlockTest, AnUnfinishedOneLeavesNothing) {
  {
    auto writer = *BlockWriter::Create(disk_, kData, {.ulid = ulid_}, {"a", "b"});
    ASSERT_TRUE(writer->AddSeries(*Labels::From({{"a", "b"}}), {}).has_value());
    EXPECT_EQ(disk_.List(kData)->size(), 1u);
  }
  EXPECT_TRUE(disk_.List(kData)->empty());
}

// Whichever call fails: the block is there as a whole and durable, or not at all.
TEST_F(BlockTest, IsThereAsAWholeOrNotAtAllWhicheverCallFails) {
  const Content content = RandomContent(random_, 5, 30, kBegin);
  for (int n = 0;; ++n) {
    disk_.ResetCalls();
    disk_.SetPlan(base::MemoryFileSystem::FailCall(n));
    const auto written = WriteBlock(disk_, kData, content, {.ulid = ulid_});
    const bool fired = disk_.fired();
    disk_.SetPlan(nullptr);
    EXPECT_EQ(written.has_value(), !fired) << n;
    disk_.LosePower();
    const std::vector<std::string> paths = *ListBlocks(disk_, kData);
    for (const std::string& path : paths) {
      EXPECT_EQ(Read(**Block::Open(disk_, path)), Text(content)) << n;
      ASSERT_TRUE(DeleteBlock(disk_, path).has_value());
    }
    ASSERT_TRUE(RemoveTemporaryBlocks(disk_, kData).has_value());
    EXPECT_TRUE(disk_.List(kData)->empty()) << n;
    if (!fired) break;
  }
}

TEST_F(BlockTest, DeletionsAreThereAsAWholeOrNotAtAll) {
  const Content content = RandomContent(random_, 5, 30, kBegin);
  std::ignore = Make(content);
  const std::vector<Matcher> matchers = {*Matcher::From(Matcher::Type::kNotEqual, "__name__", "")};
  for (int n = 0;; ++n) {
    disk_.ResetCalls();
    disk_.SetPlan(base::MemoryFileSystem::FailCall(n));
    const auto block = Open();
    const auto deleted = block->AddTombstones(matchers, {});
    const bool fired = disk_.fired();
    disk_.SetPlan(nullptr);
    EXPECT_EQ(deleted.has_value(), !fired) << n;
    const std::string left = Read(*Open());
    if (deleted) {
      EXPECT_EQ(left, "");
    }
    if (!left.empty()) {
      EXPECT_EQ(left, Text(content)) << n;
    }
    EXPECT_EQ(Open()->meta().stats.tombstones, left.empty() ? 5u : 0u);
    disk_.SetContent(path_ + "/tombstones", Tombstones().Encode());
    if (!fired) break;
  }
}

TEST_F(BlockTest, ADeletedBlockCanBeReadToTheEnd) {
  const Content content = RandomContent(random_, 5, 30, kBegin);
  const auto set = *Make(content)->Select({}, {});
  ASSERT_TRUE(DeleteBlock(disk_, path_).has_value());
  EXPECT_TRUE(disk_.List(kData)->empty());
  EXPECT_EQ(Text(*ReadAll(*set)), Text(content));
}

TEST_F(BlockTest, TemporaryFoldersOfOthersStay) {
  for (const char* name : {"mine.tmp-for-creation", "01M81HY7WY19PVEGRCPAV583NS.tmp-for-creation",
                           "01M81HY7WY19PVEGRCPAV583NS.tmp-for-deletion", "wal"}) {
    ASSERT_TRUE(disk_.CreateDirectories(base::JoinPath(kData, name)).has_value());
  }
  ASSERT_TRUE(RemoveTemporaryBlocks(disk_, kData).has_value());
  const auto left = *disk_.List(kData);
  ASSERT_EQ(left.size(), 2u);
  EXPECT_EQ(left[0].name, "mine.tmp-for-creation");
}

}  // namespace
}  // namespace narthex::tsdb
