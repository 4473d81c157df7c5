#include "tsdb/head/head_chunks.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <deque>
#include <map>

#include "base/random.h"
#include "base/testing/memory_file_system.h"

namespace narthex::tsdb {
namespace {

using Fate = base::MemoryFileSystem::Fate;

class HeadChunksTest : public testing::Test {
 protected:
  struct Found {
    std::map<HeadChunks::Location, std::string> chunks;
    std::vector<std::string> damage;  // "path@offset", " torn" behind a torn tail.
    std::unique_ptr<HeadChunks> open;
  };
  Found Open(bool read_only = false) {
    Found found;
    auto open = HeadChunks::Open(
        disk_, "/chunks_head", read_only,
        {.on_chunk =
             [&](const HeadChunks::Chunk& chunk, HeadChunks::Location location) {
               EXPECT_EQ(chunk.range.min + 5, chunk.range.max);
               found.chunks[location] = std::string(chunk.bytes);
             },
         .on_damage =
             [&](const HeadChunks::Damage& damage) {
               found.damage.push_back(damage.path + "@" + std::to_string(damage.offset) +
                                      (damage.torn_tail ? " torn" : ""));
             }});
    EXPECT_TRUE(open.has_value());
    found.open = *std::move(open);
    return found;
  }
  static HeadChunks::Location Write(HeadChunks& chunks, const std::string& bytes,
                                    model::Timestamp t = 10) {
    return chunks.Write({.ref = 7,
                         .range = {t, t + 5},
                         .encoding = chunk::Encoding::kXor,
                         .out_of_order = false,
                         .bytes = bytes});
  }

  base::MemoryFileSystem disk_;
};

TEST_F(HeadChunksTest, ReadsWhatWasWrittenBeforeAndAfterFlushAndAgainLater) {
  std::map<HeadChunks::Location, std::string> written;
  {
    const auto chunks = Open().open;
    for (int i = 0; i < 100; ++i) {
      const std::string bytes(static_cast<size_t>(i * i), static_cast<char>('a' + i % 26));
      written[Write(*chunks, bytes)] = bytes;
      if (i % 30 == 20) {
        ASSERT_TRUE(chunks->Flush().has_value());
        EXPECT_EQ(chunks->pending_bytes(), 0u);
      }
      const HeadChunks::View mapped = chunks->view();  // After many reads, that is.
      for (const auto& [location, expected] : written) {
        EXPECT_EQ(*chunks->view().Read(location), expected);
        EXPECT_EQ(*mapped.Read(location), expected);
      }
    }
    ASSERT_TRUE(chunks->Flush().has_value());
  }
  const Found found = Open();
  EXPECT_EQ(found.chunks, written);
  EXPECT_TRUE(found.damage.empty());
  for (const auto& [location, bytes] : written) {
    EXPECT_EQ(*found.open->view().Read(location), bytes);
  }
}

TEST_F(HeadChunksTest, WritesTheBytesOfTheFormat) {
  const auto chunks = Open().open;
  chunks->Write({.ref = 0x0102,
                 .range = {-1, 0x10},
                 .encoding = chunk::Encoding::kHistogram,
                 .out_of_order = true,
                 .bytes = "xyz"});
  ASSERT_TRUE(chunks->Flush().has_value());
  const std::string content = disk_.Content("/chunks_head/000001");
  const std::string_view header("\x01\x30\xbc\x91\x01\0\0\0", 8);
  const std::string_view body(
      "\0\0\0\0\0\0\1\2\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\x10\x82\x03xyz", 29);
  ASSERT_EQ(content.size(), header.size() + body.size() + 4);
  EXPECT_EQ(content.substr(0, 8), header);
  EXPECT_EQ(content.substr(8, body.size()), body);
}

TEST_F(HeadChunksTest, EveryTruncationIsReportedAndTheChunksBeforeItAreKept) {
  std::vector<HeadChunks::Location> locations;
  {
    const auto chunks = Open().open;
    for (int i = 0; i < 4; ++i) locations.push_back(Write(*chunks, std::string(20, 'x')));
    ASSERT_TRUE(chunks->Flush().has_value());
  }
  const std::string whole = disk_.Content("/chunks_head/000001");
  for (size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    disk_.SetContent("/chunks_head/000001", whole.substr(0, size));
    size_t complete = 0;
    size_t good = 8;
    for (; complete < 4; ++complete) {
      const size_t end =
          complete == 3 ? whole.size() : static_cast<size_t>(locations[complete + 1]) & 0xffffff;
      if (end > size) break;
      good = end;
    }
    {
      const Found found = Open(true);
      EXPECT_EQ(found.chunks.size(), complete);
      EXPECT_EQ(found.damage.size(), size > 0 && size != good ? 1u : 0u);
    }
    // Opened for writing, the unfinished end goes, and what comes next is found by the start after.
    const auto open = Open().open;
    Write(*open, "new");
    ASSERT_TRUE(open->Flush().has_value());
    const Found again = Open();
    EXPECT_EQ(again.chunks.size(), complete + 1);
    EXPECT_EQ(again.damage.size(), 0u);
    ASSERT_TRUE(base::RemoveAll(disk_, "/chunks_head").has_value());
    ASSERT_TRUE(disk_.CreateDirectories("/chunks_head").has_value());
  }
}

TEST_F(HeadChunksTest, DamageCostsTheChunkThatItHitAndIsAnErrorOfItsReaders) {
  std::vector<HeadChunks::Location> locations;
  {
    const auto chunks = Open().open;
    for (int i = 0; i < 3; ++i) locations.push_back(Write(*chunks, std::string(20, 'x')));
    ASSERT_TRUE(chunks->Flush().has_value());
  }
  const auto open = Open().open;
  disk_.Corrupt("/chunks_head/000001", (locations[1] & 0xffffff) + 30, 'y');
  EXPECT_TRUE(open->view().Read(locations[0]).has_value());
  const HeadChunks::View mapped = open->view();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(mapped.Read(locations[0]).has_value());
  EXPECT_FALSE(mapped.Read(locations[1]).has_value());
  const auto read = open->view().Read(locations[1]);
  ASSERT_FALSE(read.has_value());
  EXPECT_NE(read.error().message.find("/chunks_head/000001: chunk at offset"), std::string::npos)
      << read.error().message;
  const Found found = Open();
  EXPECT_EQ(found.chunks.size(), 2u);
  EXPECT_EQ(found.damage, std::vector<std::string>{"/chunks_head/000001@" +
                                                   std::to_string(locations[1] & 0xffffff)});
}

TEST_F(HeadChunksTest, WhicheverWriteFailsChunksStayReadableAndTheNextFlushWritesThem) {
  for (const Fate fate : {Fate::kFail, Fate::kHalfDone}) {
    for (int n = 0;; ++n) {
      SCOPED_TRACE(n);
      ASSERT_TRUE(base::RemoveAll(disk_, "/chunks_head").has_value());
      const auto chunks = Open().open;
      disk_.ResetCalls();
      disk_.SetPlan(base::MemoryFileSystem::FailCall(n, fate));
      std::map<HeadChunks::Location, std::string> written;
      for (int i = 0; i < 3; ++i) {
        const std::string bytes(10, static_cast<char>('a' + i));
        written[Write(*chunks, bytes)] = bytes;
        (void)chunks->Flush();
        for (const auto& [location, expected] : written) {
          EXPECT_EQ(*chunks->view().Read(location), expected);
        }
      }
      const bool fired = disk_.fired();
      disk_.SetPlan({});
      ASSERT_TRUE(chunks->Flush().has_value());
      const Found found = Open(true);
      EXPECT_EQ(found.chunks, written);
      EXPECT_TRUE(found.damage.empty());
      if (!fired) break;
    }
  }
}

TEST_F(HeadChunksTest, TruncationDropsOldFilesButNotUnderReaders) {
  const auto chunks = Open().open;
  const HeadChunks::Location old = Write(*chunks, "old", 10);
  ASSERT_TRUE(chunks->Flush().has_value());
  ASSERT_TRUE(chunks->Truncate(15).has_value());  // Ends at 15: still needed.
  const HeadChunks::Location young = Write(*chunks, "young", 100);
  ASSERT_TRUE(chunks->Flush().has_value());
  const HeadChunks::View before = chunks->view();
  ASSERT_TRUE(chunks->Truncate(16).has_value());
  EXPECT_EQ(*before.Read(old), "old");
  EXPECT_FALSE(chunks->view().Read(old).has_value());
  EXPECT_EQ(*chunks->view().Read(young), "young");
  const Found found = Open(true);
  ASSERT_EQ(found.chunks.size(), 1u);
  EXPECT_EQ(found.chunks.begin()->first, young);
}

// From some number of reads on a view maps the file.
TEST_F(HeadChunksTest, AViewOfManyReadsSeesTheSameBytes) {
  const auto chunks = Open().open;
  std::map<HeadChunks::Location, std::string> written;
  const auto write = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const std::string bytes(static_cast<size_t>(i % 700), static_cast<char>('a' + i % 26));
      written[Write(*chunks, bytes)] = bytes;
    }
  };
  write(300);
  ASSERT_TRUE(chunks->Flush().has_value());
  const HeadChunks::View view = chunks->view();
  std::string scratch;
  for (int round = 0; round < 2; ++round) {
    for (const auto& [location, bytes] : written) EXPECT_EQ(*view.Read(location, scratch), bytes);
    // What is written to the file after it was mapped, and what waits.
    write(100);
    const bool flush = round == 0;
    ASSERT_TRUE(!flush || chunks->Flush().has_value());
  }
  for (const auto& [location, bytes] : written) EXPECT_EQ(*view.Read(location, scratch), bytes);
  ASSERT_TRUE(chunks->Truncate(16).has_value());
  for (const auto& [location, bytes] : written) EXPECT_EQ(*view.Read(location, scratch), bytes);
  EXPECT_FALSE(view.Read(written.begin()->first + 1, scratch).has_value());
}

// Whatever of it is gone, what a query was given before stays as it was, and what it asks for later
// is that or an error.
TEST(HeadChunksOnDiskTest, AFileCutUnderAReaderIsAnErrorAndNeverZeros) {
  base::FileSystem& files = base::PosixFileSystem();
  const std::string folder =
      testing::TempDir() + "narthex_head_chunks_" + std::to_string(::getpid());
  constexpr int kChunks = 200;
  const auto expected = [](int i) { return std::string(150, static_cast<char>('a' + i % 26)); };
  const std::string path = base::JoinPath(folder, "000001");
  for (const uint64_t left : {0, 5, 100, 4096, 4097, 20'000, 33'000, 36'100}) {
    SCOPED_TRACE(left);
    ASSERT_TRUE(base::RemoveAll(files, folder).has_value());
    const auto chunks = *HeadChunks::Open(files, folder, false, {});
    std::vector<HeadChunks::Location> at;
    for (int i = 0; i < kChunks; ++i) {
      at.push_back(chunks->Write({.ref = 1,
                                  .range = {i, i},
                                  .encoding = {},
                                  .out_of_order = false,
                                  .bytes = expected(i)}));
    }
    ASSERT_TRUE(chunks->Flush().has_value());
    const HeadChunks::View view = chunks->view();
    std::deque<std::string> held;
    std::vector<std::string_view> read;
    for (const HeadChunks::Location location : at) {
      read.push_back(*view.Read(location, held.emplace_back()));
    }
    ASSERT_GT(base::ReadFile(files, path)->size(), left);
    ASSERT_TRUE((*files.Open(path, base::FileSystem::Mode::kAppend))->Truncate(left).has_value());
    std::string scratch;
    for (int i = 0; i < kChunks; ++i) {
      EXPECT_EQ(read[static_cast<size_t>(i)], expected(i));
      const uint64_t offset = at[static_cast<size_t>(i)] & 0xffffffff;
      const auto again = view.Read(at[static_cast<size_t>(i)], scratch);
      EXPECT_EQ(again.has_value(), offset + 25 + 2 + 150 + 4 <= left);
      if (again) {
        EXPECT_EQ(*again, expected(i));
      } else {
        EXPECT_EQ(again.error().code, base::Code::kDataLoss);
      }
    }
  }
  EXPECT_TRUE(base::RemoveAll(files, folder).has_value());
}

}  // namespace
}  // namespace narthex::tsdb
