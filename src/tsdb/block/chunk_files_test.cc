#include "tsdb/block/chunk_files.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/testing/memory_file_system.h"

namespace narthex::tsdb {
namespace {

using chunk::Encoding;

constexpr char kDirectory[] = "/chunks";

class ChunkFilesTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(disk_.CreateDirectories(kDirectory).has_value()); }

  void Write(const std::vector<std::string>& chunks, uint64_t segment_bytes = kChunkSegmentBytes) {
    ChunkWriter writer(disk_, kDirectory, segment_bytes);
    for (const std::string& bytes : chunks) {
      std::string frame;
      ChunkWriter::Frame({Encoding::kXor, bytes}, frame);
      const auto ref = writer.AppendFramed(frame);
      ASSERT_TRUE(ref.has_value());
      metas_.push_back({.ref = *ref});
    }
    ASSERT_TRUE(writer.Finish().has_value());
  }

  // The bytes of the chunks, or the first error.
  base::Result<std::vector<std::string>> Read(std::span<const ChunkMeta> metas) {
    ASSIGN_OR_RETURN(const auto files, ChunkFiles::Open(disk_, kDirectory));
    std::vector<std::string> found;
    RETURN_IF_ERROR(files->Read(metas, [&](size_t, RawChunk chunk) -> base::Status {
      EXPECT_EQ(chunk.encoding, Encoding::kXor);
      found.emplace_back(chunk.bytes);
      return {};
    }));
    return found;
  }

  static std::vector<std::string> SomeChunks(int count, uint64_t bytes_max) {
    base::Random random(3);
    std::vector<std::string> chunks;
    for (int i = 0; i < count; ++i) {
      chunks.emplace_back(random.Below(bytes_max), static_cast<char>(i));
    }
    return chunks;
  }

  base::MemoryFileSystem disk_;
  std::vector<ChunkMeta> metas_;
};

TEST_F(ChunkFilesTest, GiveBackWhatWasWritten) {
  const auto chunks = SomeChunks(300, 5000);
  Write(chunks);
  EXPECT_EQ(*Read(metas_), chunks);
  for (size_t i = 0; i < chunks.size(); ++i) {
    EXPECT_EQ(Read(std::span(metas_).subspan(i, 1))->front(), chunks[i]);
  }
}

TEST_F(ChunkFilesTest, AreCutAtTheSegmentSize) {
  const auto chunks = SomeChunks(100, 200);
  Write(chunks, 1000);
  EXPECT_EQ(*Read(metas_), chunks);
  const auto entries = *disk_.List(kDirectory);
  EXPECT_GT(entries.size(), 5u);
  EXPECT_EQ(entries[0].name, "000001");
  EXPECT_EQ(entries[1].name, "000002");
  for (const auto& entry : entries) EXPECT_LE(entry.size, 1000u);
  EXPECT_EQ(metas_.back().ref >> 32, entries.size() - 1);
}

TEST_F(ChunkFilesTest, AChunkOverTheSegmentSizeGetsItsOwn) {
  const std::vector<std::string> chunks = {"a", std::string(5000, 'b'), "c"};
  Write(chunks, 1000);
  EXPECT_EQ(*Read(metas_), chunks);
  EXPECT_EQ(disk_.List(kDirectory)->size(), 3u);
}

// Source: Prometheus, tsdb/docs/format/chunks.md.
TEST_F(ChunkFilesTest, HaveTheseBytes) {
  Write({"xyz"});
  EXPECT_EQ(disk_.Content("/chunks/000001").substr(0, 13),
            std::string("\x85\xBD\x40\xDD\x01\0\0\0\x03\x01xyz", 13));
  EXPECT_EQ(disk_.Content("/chunks/000001").size(), 17u);
  EXPECT_EQ(metas_[0].ref, 8u);
}

TEST_F(ChunkFilesTest, AFlippedBitOrACutIsDamage) {
  const auto chunks = SomeChunks(6, 20);
  Write(chunks);
  const std::string bytes = disk_.Content("/chunks/000001");
  for (size_t size = 0; size < bytes.size(); ++size) {
    disk_.SetContent("/chunks/000001", bytes.substr(0, size));
    const auto read = Read(metas_);
    ASSERT_FALSE(read.has_value()) << size;
    EXPECT_EQ(read.error().code, base::Code::kDataLoss);
  }
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    disk_.SetContent("/chunks/000001", changed);
    const auto read = Read(metas_);
    if (read) {
      EXPECT_EQ(*read, chunks) << bit;
    }
  }
}

TEST_F(ChunkFilesTest, AReferenceToNowhereIsDamage) {
  Write({"xyz"});
  for (const uint64_t ref : {uint64_t{100}, uint64_t{1} << 32 | 8, ~uint64_t{0}, uint64_t{17}}) {
    const std::vector<ChunkMeta> metas = {{.ref = ref}};
    EXPECT_EQ(Read(metas).error().code, base::Code::kDataLoss) << ref;
  }
}

}  // namespace
}  // namespace narthex::tsdb
