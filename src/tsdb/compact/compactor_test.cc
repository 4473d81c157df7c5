#include "tsdb/compact/compactor.h"

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

class CompactorTest : public testing::Test {
 protected:
  using Blocks = std::vector<std::shared_ptr<const Block>>;

  void SetUp() override { ASSERT_TRUE(disk_.CreateDirectories(kData).has_value()); }

  Ulid NewUlid() { return Ulid::New(kBegin, random_); }

  std::shared_ptr<Block> Make(const Content& content, uint32_t samples_per_chunk = 20) {
    const auto meta = WriteBlock(disk_, kData, content,
                                 {.ulid = NewUlid(), .samples_per_chunk = samples_per_chunk});
    EXPECT_TRUE(meta.has_value()) << meta.error().message;
    return Open(meta->ulid);
  }

  std::shared_ptr<Block> Open(Ulid ulid) {
    auto block = Block::Open(disk_, base::JoinPath(kData, ulid.ToString()));
    EXPECT_TRUE(block.has_value()) << block.error().message;
    return *block;
  }

  CompactOptions Options() { return {.data_directory = kData, .ulid = NewUlid()}; }

  static std::string Read(const Block& block) {
    const auto set = block.Select({}, {});
    EXPECT_TRUE(set.has_value()) << set.error().message;
    const auto content = ReadAll(**set);
    return content ? Text(*content) : content.error().message;
  }

  // What is there, not deleted; the first block wins.
  static Content Union(const Blocks& blocks) {
    Content all;
    for (const auto& block : blocks) {
      const Content content = *ReadAll(**block->Select({}, {}));
      for (const auto& [labels, samples] : content) {
        if (!samples.empty()) all[labels].insert(samples.begin(), samples.end());
      }
    }
    return all;
  }

  base::MemoryFileSystem disk_;
  base::Random random_{21};
};

TEST_F(CompactorTest, HoldsWhatTheBlocksHeld) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    random_ = base::Random(seed);
    Blocks blocks;
    for (uint64_t n = random_.Below(4) + 1; n > 0; --n) {
      const auto begin = kBegin + static_cast<model::Timestamp>(random_.Below(3)) * 300'000;
      const auto block =
          Make(RandomContent(random_, 12, 60, begin), static_cast<uint32_t>(random_.Below(30) + 1));
      for (uint64_t k = random_.Below(3); k > 0; --k) {
        const auto from = begin + static_cast<model::Timestamp>(random_.Below(400'000));
        const auto metric = "metric_" + std::to_string(random_.Below(4));
        ASSERT_TRUE(block
                        ->AddTombstones(
                            {Matcher::Equal("__name__", metric)},
                            {from, from + static_cast<model::Timestamp>(random_.Below(300'000))})
                        .has_value());
      }
      blocks.push_back(block);
    }
    const Content expected = Union(blocks);
    CompactOptions options = Options();
    options.samples_per_chunk = static_cast<uint16_t>(random_.Below(40) + 1);
    const auto meta = CompactBlocks(disk_, blocks, options);
    ASSERT_TRUE(meta.has_value()) << meta.error().message;
    ASSERT_TRUE(meta->has_value());
    const auto merged = Open((*meta)->ulid);
    EXPECT_EQ(Read(*merged), Text(expected));
    EXPECT_EQ(merged->meta().stats.series, expected.size());
    uint64_t samples = 0;
    for (const auto& [labels, values] : expected) samples += values.size();
    EXPECT_EQ(merged->meta().stats.samples, samples);
    EXPECT_EQ(merged->meta().stats.tombstones, 0u);
    // Chunks of a series lie one behind the other.
    const std::vector<SeriesId> ids = *merged->index().Select({});
    for (const SeriesId id : ids) {
      const auto series = *merged->index().ReadSeries(id);
      for (size_t i = 1; i < series.chunks.size(); ++i) {
        EXPECT_GT(series.chunks[i].min, series.chunks[i - 1].max);
      }
    }
  }
}

TEST_F(CompactorTest, WritesTheSameBytesInAnyNumberOfThreads) {
  // Overlapping, with deletions, and more series than one thread takes at a time.
  Blocks blocks;
  for (int n = 0; n < 3; ++n) {
    blocks.push_back(Make(RandomContent(random_, 700, 30, kBegin + n * 100'000)));
  }
  ASSERT_TRUE((*blocks[1]).index().Select({})->size() > 2 * 128);
  std::vector<std::string> files;
  for (const size_t threads : {1, 2, 5}) {
    CompactOptions options = Options();
    options.threads = threads;
    options.segment_bytes = 50'000;
    const auto meta = CompactBlocks(disk_, blocks, options);
    ASSERT_TRUE(meta.has_value()) << meta.error().message;
    const std::string path = base::JoinPath(kData, options.ulid.ToString());
    std::string all = disk_.Content(base::JoinPath(path, "index"));
    const auto segments = *disk_.List(base::JoinPath(path, "chunks"));
    EXPECT_GT(segments.size(), 2u);
    for (const auto& segment : segments) {
      all += segment.name + disk_.Content(base::JoinPath(path, "chunks/" + segment.name));
    }
    files.push_back(all);
    EXPECT_EQ(disk_.List(path)->size(), 4u);
  }
  EXPECT_TRUE(files[0] == files[1] && files[0] == files[2]);
}

// Whatever one of several threads meets.
TEST_F(CompactorTest, InSeveralThreadsTheFirstErrorEndsItAndLeavesNothing) {
  Blocks blocks = {Make(RandomContent(random_, 900, 10, kBegin))};
  blocks.push_back(Make(RandomContent(random_, 900, 10, kBegin + 50'000)));
  const size_t before = disk_.List(kData)->size();
  const std::string chunks = base::JoinPath(blocks[0]->directory(), "chunks/000001");
  const std::string content = disk_.Content(chunks);
  for (const size_t at : {content.size() / 10, content.size() / 2, content.size() - 9}) {
    disk_.Corrupt(chunks, at, static_cast<char>(content[at] ^ 1));
    CompactOptions options = Options();
    options.threads = 4;
    const auto meta = CompactBlocks(disk_, blocks, options);
    ASSERT_FALSE(meta.has_value());
    EXPECT_EQ(meta.error().code, base::Code::kDataLoss);
    EXPECT_EQ(disk_.List(kData)->size(), before);
    disk_.SetContent(chunks, content);
  }
}

TEST_F(CompactorTest, TellsWhereTheBlockCameFrom) {
  const auto first = Make(RandomContent(random_, 3, 20, kBegin));
  const auto second = Make(RandomContent(random_, 3, 20, kBegin + 10'000'000));
  const auto meta = **CompactBlocks(disk_, Blocks{first, second}, Options());
  EXPECT_EQ(meta.compaction.level, 2);
  EXPECT_EQ(meta.min_time, first->meta().min_time);
  EXPECT_EQ(meta.max_time, second->meta().max_time);
  std::vector<Ulid> sources = {first->meta().ulid, second->meta().ulid};
  std::ranges::sort(sources);
  EXPECT_EQ(meta.compaction.sources, sources);
  ASSERT_EQ(meta.compaction.parents.size(), 2u);
  EXPECT_EQ(meta.compaction.parents[0].ulid, first->meta().ulid);
  EXPECT_EQ(meta.compaction.parents[1].max_time, second->meta().max_time);

  const auto third = Make(RandomContent(random_, 3, 20, kBegin + 20'000'000));
  const auto next = **CompactBlocks(disk_, Blocks{Open(meta.ulid), third, first}, Options());
  EXPECT_EQ(next.compaction.level, 3);
  EXPECT_EQ(next.compaction.sources.size(), 3u);
  EXPECT_EQ(next.compaction.parents.size(), 3u);
}

TEST_F(CompactorTest, ChunksThatDoNotOverlapAreCopiedAsTheyAre) {
  // Of an encoding that nobody could take apart.
  const Labels labels = *Labels::From({{"a", "b"}});
  const std::string opaque("\x00\x05 something", 12);
  Blocks blocks;
  for (const model::Timestamp t : {kBegin + 100, kBegin}) {
    const auto writer = *BlockWriter::Create(disk_, kData, {.ulid = NewUlid()}, {"a", "b"});
    const EncodedChunk chunk{chunk::Encoding{7}, t, t + 50, 5, opaque};
    ASSERT_TRUE(writer->AddSeries(labels, std::span(&chunk, 1)).has_value());
    blocks.push_back(Open(writer->Finish({.min_time = t, .max_time = t + 51})->ulid));
  }
  const auto meta = **CompactBlocks(disk_, blocks, Options());
  EXPECT_EQ(meta.stats.samples, 10u);
  const auto merged = Open(meta.ulid);
  const auto series = *merged->index().ReadSeries(merged->index().Select({})->front());
  ASSERT_EQ(series.chunks.size(), 2u);
  EXPECT_EQ(series.chunks[0].min, kBegin);
  ASSERT_TRUE(merged->chunks()
                  .Read(series.chunks,
                        [&](size_t, RawChunk chunk) -> base::Status {
                          EXPECT_EQ(chunk.encoding, chunk::Encoding{7});
                          EXPECT_EQ(chunk.bytes, opaque);
                          return {};
                        })
                  .has_value());
  // The same with an overlap is refused: nothing may be lost.
  const auto refused = CompactBlocks(disk_, Blocks{merged, blocks[0]}, Options());
  EXPECT_EQ(refused.error().code, base::Code::kUnimplemented);
}

TEST_F(CompactorTest, StartTimesSurviveAMerge) {
  const Labels labels = *Labels::From({{"a", "b"}});
  Blocks blocks;
  std::map<model::Timestamp, model::Timestamp> expected;  // The start time of each sample.
  for (const model::Timestamp offset : {0, 500}) {
    std::vector<chunk::TimedValue> values;
    for (int i = 0; i < 300; ++i) {
      const model::Timestamp t = kBegin + offset + i * 1000;
      model::IntegerHistogram h;
      h.zero_count = h.count = static_cast<uint64_t>(i);
      const model::Timestamp start = i < 100 ? 0 : kBegin + i / 100;
      values.push_back({t, i < 200 ? chunk::Value(1.0 * i) : chunk::Value(h), start});
      expected[t] = start;
    }
    const auto writer = *BlockWriter::Create(disk_, kData, {.ulid = NewUlid()}, {"a", "b"});
    const std::vector<chunk::FinishedChunk> chunks = chunk::Encode(values, 50);
    std::vector<EncodedChunk> encoded;
    for (const auto& chunk : chunks) {
      encoded.push_back({chunk.encoding, chunk.min, chunk.max, chunk.samples, chunk.bytes});
    }
    ASSERT_TRUE(writer->AddSeries(labels, encoded).has_value());
    const auto meta = writer->Finish({.min_time = kBegin, .max_time = kBegin + 400'000});
    EXPECT_EQ(meta->stats.float_samples, 200u);
    EXPECT_EQ(meta->stats.histogram_samples, 100u);
    blocks.push_back(Open(meta->ulid));
  }
  const auto meta = **CompactBlocks(disk_, blocks, Options());
  EXPECT_EQ(meta.stats.samples, 600u);
  EXPECT_EQ(meta.stats.histogram_samples, 200u);
  const auto merged = Open(meta.ulid);
  const auto set = *merged->Select({}, {});
  model::SampleColumns samples;
  ASSERT_TRUE(set->Read(0, {}, samples).has_value());
  std::map<model::Timestamp, model::Timestamp> found;
  for (size_t i = 0; i < samples.size(); ++i) found[samples.t[i]] = samples.Start(i);
  EXPECT_EQ(found, expected);
  EXPECT_EQ(merged->unread_chunks(), 0u);
}

TEST_F(CompactorTest, NothingLeftIsNoBlock) {
  const auto block = Make(RandomContent(random_, 5, 20, kBegin));
  ASSERT_TRUE(block->AddTombstones({*Matcher::From(Matcher::Type::kNotEqual, "__name__", "")}, {})
                  .has_value());
  const auto meta = CompactBlocks(disk_, Blocks{block}, Options());
  ASSERT_TRUE(meta.has_value());
  EXPECT_FALSE(meta->has_value());
  EXPECT_EQ(disk_.List(kData)->size(), 1u);
}

TEST_F(CompactorTest, CleaningMakesABlockOfTheFirstLevel) {
  const auto block = Make(RandomContent(random_, 8, 60, kBegin));
  ASSERT_TRUE(block
                  ->AddTombstones({Matcher::Equal("__name__", "metric_1")},
                                  {kBegin + 100'000, kBegin + 200'000})
                  .has_value());
  const std::string expected = Text(Union({block}));
  const auto meta = **CleanTombstones(disk_, block, Options());
  EXPECT_EQ(meta.compaction.level, 1);
  EXPECT_EQ(meta.compaction.sources, std::vector<Ulid>{meta.ulid});
  ASSERT_EQ(meta.compaction.parents.size(), 1u);
  EXPECT_EQ(meta.compaction.parents[0].ulid, block->meta().ulid);
  EXPECT_EQ(Read(*Open(meta.ulid)), expected);
  EXPECT_TRUE(Open(meta.ulid)->tombstones()->empty());
}

TEST_F(CompactorTest, CanBeStopped) {
  const auto block = Make(RandomContent(random_, 8, 60, kBegin));
  std::stop_source stop;
  CompactOptions options = Options();
  options.stop = stop.get_token();
  stop.request_stop();
  EXPECT_EQ(CompactBlocks(disk_, Blocks{block}, options).error().code, base::Code::kCancelled);
  EXPECT_EQ(disk_.List(kData)->size(), 1u);
}

TEST_F(CompactorTest, WhicheverCallFailsTheInputsAreWhole) {
  const Blocks blocks = {Make(RandomContent(random_, 4, 30, kBegin)),
                         Make(RandomContent(random_, 4, 30, kBegin + 100'000))};
  const std::string expected = Text(Union(blocks));
  for (int n = 0;; ++n) {
    disk_.ResetCalls();
    disk_.SetPlan(base::MemoryFileSystem::FailCall(n, base::MemoryFileSystem::Fate::kHalfDone));
    const auto meta = CompactBlocks(disk_, blocks, Options());
    const bool fired = disk_.fired();
    disk_.SetPlan(nullptr);
    EXPECT_EQ(meta.has_value(), !fired) << n;
    disk_.LosePower();
    ASSERT_TRUE(RemoveTemporaryBlocks(disk_, kData).has_value());
    EXPECT_EQ(Text(Union(blocks)), expected);
    const std::vector<std::string> paths = *ListBlocks(disk_, kData);
    for (const std::string& path : paths) {
      if (path == blocks[0]->directory() || path == blocks[1]->directory()) continue;
      EXPECT_EQ(Read(**Block::Open(disk_, path)), expected) << n;
      ASSERT_TRUE(DeleteBlock(disk_, path).has_value());
    }
    if (!fired) break;
  }
}

TEST_F(CompactorTest, ADamagedChunkEndsIt) {
  const auto block = Make(RandomContent(random_, 4, 30, kBegin));
  disk_.Corrupt(block->directory() + "/chunks/000001", 30, '!');
  const auto reopened = Open(block->meta().ulid);
  EXPECT_EQ(CompactBlocks(disk_, Blocks{reopened}, Options()).error().code, base::Code::kDataLoss);
  EXPECT_EQ(ListBlocks(disk_, kData)->size(), 1u);
}

TEST_F(CompactorTest, AFailureIsRemembered) {
  const auto block = Make(RandomContent(random_, 4, 30, kBegin));
  ASSERT_TRUE(block->MarkCompactionFailed().has_value());
  EXPECT_TRUE(block->meta().compaction.failed);
  EXPECT_TRUE(Open(block->meta().ulid)->meta().compaction.failed);
}

}  // namespace
}  // namespace narthex::tsdb
