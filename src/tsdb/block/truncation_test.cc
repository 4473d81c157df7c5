// Files of a block that end too early, before it is opened and while it is open: an error of what
// needs the lost part, and never more.

#include <gtest/gtest.h>
#include <unistd.h>

#include <map>

#include "base/testing/memory_file_system.h"
#include "chunk/series_encoder.h"
#include "tsdb/testing/block_world.h"

namespace narthex::tsdb {
namespace {

using base::Code;
using model::Labels;
using model::Matcher;
using model::Timestamp;

constexpr Timestamp kBegin = 1'700'000'000'000;

Labels Series(int i) { return *Labels::From({{"__name__", "m"}, {"i", std::to_string(1000 + i)}}); }

chunk::Value ValueOf(int series, int k) {
  if (series % 3 == 0) return 1.5 * k + series;
  model::IntegerHistogram h;
  h.schema = 2;
  h.zero_threshold = 0.001;
  h.zero_count = static_cast<uint64_t>(k);
  h.count = static_cast<uint64_t>(3 * k);
  h.sum = k * 0.25;
  h.positive_spans = {{series, 2}};
  h.positive_deltas = {k, 0};
  if (series % 3 == 1) return h;
  return h.ToFloat();
}

// A block with numbers, whole and float histograms, two chunks and a deletion in each series.
std::string WriteMixed(base::FileSystem& files, const std::string& directory, int series_count,
                       int samples) {
  base::Random random(3);
  std::vector<std::string> symbols = {"__name__", "i", "m"};
  for (int i = 0; i < series_count; ++i) symbols.push_back(std::to_string(1000 + i));
  std::ranges::sort(symbols);
  const Ulid ulid = Ulid::New(kBegin, random);
  auto writer =
      *BlockWriter::Create(files, directory, {.ulid = ulid}, {symbols.begin(), symbols.end()});
  for (int i = 0; i < series_count; ++i) {
    std::vector<chunk::FinishedChunk> chunks;
    for (const int begin : {0, samples / 2}) {
      std::vector<chunk::TimedValue> values;
      for (int k = begin; k < begin + samples / 2; ++k) {
        values.push_back({kBegin + k * 1000, ValueOf(i, k)});
      }
      for (auto& chunk : chunk::Encode(values)) chunks.push_back(std::move(chunk));
    }
    std::vector<EncodedChunk> encoded;
    for (const auto& chunk : chunks) {
      encoded.push_back({chunk.encoding, chunk.min, chunk.max, chunk.samples, chunk.bytes});
    }
    EXPECT_TRUE(writer->AddSeries(Series(i), encoded).has_value());
  }
  EXPECT_TRUE(writer->Finish({.min_time = kBegin, .max_time = kBegin + samples * 1000}));
  const std::string path = base::JoinPath(directory, ulid.ToString());
  const auto block = *Block::Open(files, path);
  EXPECT_TRUE(block->AddTombstones({}, {kBegin + 1000, kBegin + 2000}).has_value());
  return path;
}

// What each series has, and what reading it says.
struct Answer {
  std::string samples;
  std::optional<Code> error;
};
base::Result<std::vector<Answer>> ReadAllOf(const Block& block) {
  ASSIGN_OR_RETURN(const auto set, block.Select({}, {}));
  std::vector<Answer> answers(set->size());
  model::SampleColumns samples;
  for (size_t i = 0; i < set->size(); ++i) {
    if (base::Status read = set->Read(i, {}, samples); !read) answers[i].error = read.error().code;
    std::string& text = answers[i].samples;
    for (size_t k = 0; k < samples.size(); ++k) {
      text += std::to_string(samples.t[k]) + " ";
      text +=
          samples.IsHistogram(k) ? samples.histograms[k]->ToString() : std::to_string(samples.v[k]);
      text += "\n";
    }
  }
  return answers;
}

TEST(BlockTruncation, EveryCutOfEveryFileIsReportedAndWhatCanBeReadIsRead) {
  base::MemoryFileSystem disk;
  const std::string path = WriteMixed(disk, "/data", 6, 12);
  const std::vector<Answer> whole = *ReadAllOf(**Block::Open(disk, path));
  ASSERT_EQ(whole.size(), 6u);
  for (const char* const name : {"index", "meta.json", "tombstones", "chunks/000001"}) {
    const std::string file = base::JoinPath(path, name);
    const std::string content = disk.Content(file);
    ASSERT_GT(content.size(), 20u) << name;
    const bool chunks = std::string_view(name).starts_with("chunks");
    for (size_t size = 0; size < content.size(); ++size) {
      SCOPED_TRACE(std::string(name) + " cut to " + std::to_string(size));
      disk.SetContent(file, content.substr(0, size));
      const auto block = Block::Open(disk, path);
      if (!chunks || size < kChunkFileHeaderBytes) {
        ASSERT_FALSE(block.has_value());
        EXPECT_EQ(block.error().code, Code::kDataLoss);
        continue;
      }
      ASSERT_TRUE(block.has_value()) << block.error().message;
      const auto answers = ReadAllOf(**block);
      ASSERT_TRUE(answers.has_value());
      ASSERT_EQ(answers->size(), whole.size());
      // Chunks lie in the order of their series: what is behind the cut is an error.
      bool lost = false;
      for (size_t i = 0; i < whole.size(); ++i) {
        lost |= (*answers)[i].error.has_value();
        if (lost) {
          EXPECT_EQ((*answers)[i].error, Code::kDataLoss);
        } else {
          EXPECT_EQ((*answers)[i].samples, whole[i].samples);
        }
      }
      EXPECT_TRUE(lost);
    }
    disk.SetContent(file, content);
  }
  EXPECT_EQ((*ReadAllOf(**Block::Open(disk, path)))[5].samples, whole[5].samples);
}

class LiveTruncation : public testing::Test {
 protected:
  ~LiveTruncation() override { EXPECT_TRUE(base::RemoveAll(files_, root_).has_value()); }

  void Cut(const std::string& path, uint64_t size) {
    const auto file = *files_.Open(path, base::FileSystem::Mode::kAppend);
    ASSERT_TRUE(file->Truncate(size).has_value());
  }

  base::FileSystem& files_ = base::PosixFileSystem();
  const std::string root_ = testing::TempDir() + "narthex_truncation_" + std::to_string(::getpid());
};

TEST_F(LiveTruncation, AnIndexCutUnderAnOpenBlockIsAnErrorOfEveryQuery) {
  const std::string path = WriteMixed(files_, root_, 900, 4);
  const std::string index = base::JoinPath(path, "index");
  const std::string content = *base::ReadFile(files_, index);
  ASSERT_GT(content.size(), 5 * 4096u);
  const size_t page_end = content.size() / 4096 * 4096;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{100}, size_t{4095}, size_t{4096},
                            size_t{4097}, content.size() / 2, page_end - 1, page_end, page_end + 1,
                            content.size() - 40, content.size() - 1}) {
    SCOPED_TRACE(size);
    ASSERT_TRUE(base::WriteFileAtomically(files_, index, content).has_value());
    const auto block = *Block::Open(files_, path);
    const auto before = *block->Select({}, {});
    const SeriesId id = block->index().Select({})->back();
    Cut(index, size);
    const std::vector<Matcher> one = {Matcher::Equal("i", "1007")};
    EXPECT_EQ(block->Select({}, {}).error().code, Code::kDataLoss);
    EXPECT_EQ(block->Select(one, {}).error().code, Code::kDataLoss);
    EXPECT_EQ(block->LabelNames(one).error().code, Code::kDataLoss);
    EXPECT_EQ(block->LabelValues("i", {}).error().code, Code::kDataLoss);
    EXPECT_EQ(block->LabelValues("i", one).error().code, Code::kDataLoss);
    EXPECT_EQ(block->index().ReadSeries(id).error().code, Code::kDataLoss);
    EXPECT_EQ(block->index().Symbols().error().code, Code::kDataLoss);
    EXPECT_EQ(block->AddTombstones(one, {}).error().code, Code::kDataLoss);
    // Whoever had selected already needs the index no more.
    model::SampleColumns samples;
    EXPECT_TRUE(before->Read(0, {}, samples).has_value());
    EXPECT_EQ(samples.size(), 2u);
  }
}

TEST_F(LiveTruncation, ChunksCutUnderAnOpenBlockAreErrorsOfTheirReaders) {
  const std::string path = WriteMixed(files_, root_, 6, 12);
  const auto block = *Block::Open(files_, path);
  const std::vector<Answer> whole = *ReadAllOf(*block);
  const std::string chunks = base::JoinPath(path, "chunks/000001");
  for (uint64_t size = base::ReadFile(files_, chunks)->size(); size-- > 0;) {
    SCOPED_TRACE(size);
    Cut(chunks, size);
    const auto answers = *ReadAllOf(*block);
    bool lost = false;
    for (size_t i = 0; i < whole.size(); ++i) {
      lost |= answers[i].error.has_value();
      EXPECT_EQ(answers[i].error, lost ? std::optional(Code::kDataLoss) : std::nullopt);
      if (lost) continue;
      EXPECT_EQ(answers[i].samples, whole[i].samples);
    }
    EXPECT_TRUE(lost);
  }
}

// What can be checked without reading the block: that its parts belong together.
TEST(BlockTruncation, AMetaFileOfAnotherBlockIsNoticed) {
  base::MemoryFileSystem disk;
  const std::string path = WriteMixed(disk, "/data", 6, 12);
  EXPECT_EQ((*Block::Open(disk, path))->doubts(), std::vector<std::string>());
  const BlockMeta meta = *ReadBlockMeta(disk, path);
  BlockMeta other = meta;
  other.stats.series = 7;
  ASSERT_TRUE(WriteBlockMeta(disk, path, other).has_value());
  EXPECT_EQ((*Block::Open(disk, path))->doubts(),
            std::vector<std::string>{"meta.json counts 7 series, the index 6"});
  other = meta;
  other.ulid = Ulid();
  ASSERT_TRUE(WriteBlockMeta(disk, path, other).has_value());
  EXPECT_EQ((*Block::Open(disk, path))->doubts().size(), 1u);
  // Tools of others leave the counts out.
  other = meta;
  other.stats = {};
  ASSERT_TRUE(WriteBlockMeta(disk, path, other).has_value());
  EXPECT_TRUE((*Block::Open(disk, path))->doubts().empty());
}

}  // namespace
}  // namespace narthex::tsdb
