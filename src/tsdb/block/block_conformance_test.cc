// Blocks that Prometheus wrote, read from NARTHEX_CONFORMANCE_DIR. Built only where that folder
// exists.

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <set>

#include "base/file_system.h"
#include "base/testing/memory_file_system.h"
#include "model/number.h"
#include "tsdb/block/block.h"
#include "tsdb/index/index_writer.h"
#include "tsdb/testing/block_world.h"

namespace narthex::tsdb {
namespace {

std::string Path(std::string_view name) {
  return base::JoinPath(NARTHEX_CONFORMANCE_DIR "/tsdb", name);
}

// The lines of an expectation.
std::set<std::string> Lines(std::string_view name) {
  const std::string text = *base::ReadFile(base::PosixFileSystem(), Path(name));
  std::set<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    lines.insert(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::set<std::string> ReadLines(const std::string& block_directory) {
  const auto block = Block::Open(base::PosixFileSystem(), block_directory);
  EXPECT_TRUE(block.has_value()) << block.error().message;
  std::set<std::string> lines;
  const auto content = *ReadAll(**(*block)->Select({}, {}));
  for (const auto& [labels, samples] : content) {
    std::string text = "{";
    for (const model::LabelView label : labels) {
      if (text.size() > 1) text += ", ";
      text += label.name;
      text += '=';
      model::AppendQuoted(text, label.value);
    }
    for (const auto& [t, v] : samples) {
      std::string line = text + "} ";
      model::AppendFloat(line, v);
      lines.insert(line + " " + std::to_string(t));
    }
  }
  EXPECT_EQ((*block)->unread_chunks(), 0u);
  return lines;
}

// The rest of the content is in the log: all samples until a block's end are in the blocks.
void ExpectBlocks(const std::string& name, size_t samples_min) {
  SCOPED_TRACE(name);
  const std::set<std::string> expected = Lines("golden/" + name + ".expected.txt");
  std::set<std::string> found;
  int64_t end = 0;
  const auto paths = *ListBlocks(base::PosixFileSystem(), Path("golden/" + name));
  for (const std::string& path : paths) {
    found.merge(ReadLines(path));
    end = std::max(end, ReadBlockMeta(base::PosixFileSystem(), path)->max_time);
  }
  EXPECT_GE(found.size(), samples_min);
  for (const std::string& line : found) EXPECT_TRUE(expected.contains(line)) << line;
  for (const std::string& line : expected) {
    const int64_t t = std::stoll(line.substr(line.rfind(' ') + 1));
    if (t < end) {
      EXPECT_TRUE(found.contains(line)) << line;
    }
  }
}

TEST(BlockConformance, ReadsUpstreamsBlocks) {
  ExpectBlocks("blocks", 1000);
  ExpectBlocks("tombstones-blocks", 500);
  ExpectBlocks("checkpoint", 1000);
}

TEST(BlockConformance, ReadsTheFirstIndexFormat) {
  const auto lines = ReadLines(Path("index_format_v1"));
  EXPECT_EQ(lines, Lines("index_format_v1.expected.txt"));
  const auto index = *IndexReader::Open(base::PosixFileSystem(), Path("index_format_v1/index"));
  EXPECT_EQ(index->version(), 1);
  EXPECT_EQ(index->LabelNames(), (std::vector<std::string>{"bar", "foo"}));
  EXPECT_EQ(index->LabelValues("bar")->size(), 100u);
  EXPECT_EQ(index->Select(std::vector{model::Matcher::Equal("bar", "42")})->size(), 1u);
}

// Up to where the sections of label indices begin, which are no longer written.
TEST(BlockConformance, WritesTheBytesThatUpstreamWrites) {
  base::FileSystem& files = base::PosixFileSystem();
  for (const char* name : {"golden/blocks", "golden/checkpoint"}) {
    const auto paths = *ListBlocks(files, Path(name));
    for (const std::string& path : paths) {
      const std::string index_path = base::JoinPath(path, "index");
      const auto index = *IndexReader::Open(files, index_path);
      base::MemoryFileSystem disk;
      const auto writer = *IndexWriter::Create(disk, "/index", *index->Symbols());
      const auto ids = *index->Select({});
      for (const SeriesId id : ids) {
        const auto series = *index->ReadSeries(id);
        EXPECT_EQ(*writer->AddSeries(series.labels, series.chunks), id);
      }
      const uint64_t same = writer->bytes();
      ASSERT_TRUE(writer->Finish().has_value());
      const std::string theirs = *base::ReadFile(files, index_path);
      EXPECT_TRUE(disk.Content("/index").starts_with(theirs.substr(0, same))) << path;
      EXPECT_EQ(BlockMeta(*ReadBlockMeta(files, path)).ToJson(),
                *base::ReadFile(files, base::JoinPath(path, "meta.json")));
      const std::string tombstones = *base::ReadFile(files, base::JoinPath(path, "tombstones"));
      EXPECT_EQ(Tombstones::Decode(tombstones)->Encode(), tombstones);
    }
  }
}

}  // namespace
}  // namespace narthex::tsdb
