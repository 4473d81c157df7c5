#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/random.h"
#include "base/testing/memory_file_system.h"
#include "tsdb/index/index_reader.h"
#include "tsdb/index/index_writer.h"

namespace narthex::tsdb {
namespace {

using model::Labels;
using model::Matcher;

constexpr char kPath[] = "/index";

struct SeriesEntry {
  Labels labels;
  std::vector<ChunkMeta> chunks;
};

std::string Text(const IndexReader::Series& series) {
  std::string text = series.labels.ToString();
  for (const ChunkMeta& chunk : series.chunks) {
    text += " " + std::to_string(chunk.ref) + ":" + std::to_string(chunk.min) + "-" +
            std::to_string(chunk.max);
  }
  return text;
}

class IndexTest : public testing::Test {
 protected:
  void Add(std::vector<model::Label> labels, std::vector<ChunkMeta> chunks = {{8, 10, 20}}) {
    series_.push_back({*Labels::From(std::move(labels)), std::move(chunks)});
  }

  void AddMany(int count) {
    base::Random random(7);
    for (int i = 0; i < count; ++i) {
      std::vector<model::Label> labels = {{"__name__", "m" + std::to_string(random.Below(3))},
                                          {"id", std::to_string(i)}};
      if (random.Below(2) == 0) labels.push_back({"zone", "z" + std::to_string(random.Below(70))});
      std::vector<ChunkMeta> chunks;
      for (uint64_t k = random.Below(4) + 1; k > 0; --k) {
        const int64_t min =
            chunks.empty() ? static_cast<int64_t>(random.Below(1000)) - 500 : chunks.back().max + 1;
        chunks.push_back({random.Next() >> 20, min, min + static_cast<int64_t>(random.Below(99))});
      }
      Add(std::move(labels), std::move(chunks));
    }
  }

  base::Status Write(size_t threads = 1) {
    std::ranges::sort(series_, {}, &SeriesEntry::labels);
    std::set<std::string> symbols;
    for (const SeriesEntry& entry : series_) {
      for (const model::LabelView label : entry.labels) {
        symbols.emplace(label.name);
        symbols.emplace(label.value);
      }
    }
    ASSIGN_OR_RETURN(const auto writer,
                     IndexWriter::Create(disk_, kPath, {symbols.begin(), symbols.end()}, threads));
    for (const SeriesEntry& entry : series_) {
      ASSIGN_OR_RETURN(std::ignore, writer->AddSeries(entry.labels, entry.chunks));
    }
    return writer->Finish();
  }

  std::unique_ptr<IndexReader> Open() {
    EXPECT_TRUE(Write().has_value());
    auto reader = IndexReader::Open(disk_, kPath);
    EXPECT_TRUE(reader.has_value()) << reader.error().message;
    return *std::move(reader);
  }

  // What every series says, or the first error.
  static base::Result<std::string> ReadEverything(const IndexReader& index,
                                                  const std::vector<Matcher>& matchers = {}) {
    ASSIGN_OR_RETURN(const std::vector<SeriesId> ids, index.Select(matchers));
    std::string text;
    for (const SeriesId id : ids) {
      ASSIGN_OR_RETURN(const IndexReader::Series series, index.ReadSeries(id));
      text += Text(series) + "\n";
    }
    return text;
  }

  std::string Expected(const std::vector<Matcher>& matchers = {}) const {
    std::string text;
    for (const SeriesEntry& entry : series_) {
      if (model::AllMatch(matchers, entry.labels)) {
        text += Text({entry.labels, entry.chunks}) + "\n";
      }
    }
    return text;
  }

  base::MemoryFileSystem disk_;
  std::vector<SeriesEntry> series_;
};

TEST_F(IndexTest, HoldsWhatWasWritten) {
  AddMany(300);
  const auto index = Open();
  EXPECT_EQ(index->version(), 2);
  EXPECT_EQ(*ReadEverything(*index), Expected());
  EXPECT_EQ(index->LabelNames(), (std::vector<std::string>{"__name__", "id", "zone"}));
  EXPECT_EQ(*index->LabelValues("__name__"), (std::vector<std::string>{"m0", "m1", "m2"}));
  EXPECT_EQ(index->LabelValues("id")->size(), 300u);
  EXPECT_TRUE(index->LabelValues("nothing")->empty());
}

// More than waits in memory at once, of a name with few values and of one with as many as series.
TEST_F(IndexTest, PostingsThatWaitInAFileAreTheSameForAnyNumberOfThreads) {
  AddMany(60'000);
  std::string bytes;
  for (const size_t threads : {1, 3}) {
    ASSERT_TRUE(Write(threads).has_value());
    EXPECT_TRUE(*disk_.Exists(kPath) && !*disk_.Exists("/index.table") &&
                !*disk_.Exists("/index.postings"));
    if (bytes.empty()) bytes = disk_.Content(kPath);
    EXPECT_TRUE(disk_.Content(kPath) == bytes);
    const auto index = *IndexReader::Open(disk_, kPath);
    for (const Matcher& matcher : {Matcher::Equal("zone", "z7"), Matcher::Equal("id", "4711")}) {
      EXPECT_EQ(*ReadEverything(*index, {matcher}), Expected({matcher}));
    }
    EXPECT_EQ(index->Select({})->size(), 60'000u);
    ASSERT_TRUE(disk_.Remove(kPath).has_value());
  }
}

TEST_F(IndexTest, AnEmptyOneIsAnIndexToo) {
  const auto index = Open();
  EXPECT_EQ(*ReadEverything(*index), "");
  EXPECT_TRUE(index->LabelNames().empty());
}

TEST_F(IndexTest, FindsWhatTheMatchersMatch) {
  AddMany(200);
  const auto index = Open();
  using enum Matcher::Type;
  const std::vector<std::vector<std::tuple<Matcher::Type, const char*, const char*>>> kSelections =
      {
          {{kEqual, "__name__", "m1"}},
          {{kEqual, "__name__", "m1"}, {kEqual, "zone", ""}},
          {{kNotEqual, "zone", ""}},
          {{kNotEqual, "zone", "z7"}},
          {{kEqual, "id", "55"}},
          {{kEqual, "id", "nothing"}},
          {{kRegex, "id", "1|1|70|nothing"}},
          {{kRegex, "id", "1.*"}, {kNotRegex, "zone", "z1.*"}},
          {{kRegex, "zone", "z1|"}},
          {{kRegex, "zone", ".*"}},
          {{kRegex, "zone", ".+"}},
          {{kNotRegex, "zone", ".+"}},
          {{kNotRegex, "zone", "z1|z2|z3"}},
          {{kEqual, "nothing", ""}},
          {{kNotEqual, "nothing", ""}},
          {{kNotEqual, "id", "3"}, {kNotEqual, "id", "4"}, {kRegex, "__name__", "m0|m2"}},
      };
  for (const auto& selection : kSelections) {
    std::vector<Matcher> matchers;
    std::string text;
    for (const auto& [type, name, value] : selection) {
      matchers.push_back(*Matcher::From(type, name, value));
      text += matchers.back().ToString() + " ";
    }
    EXPECT_EQ(*ReadEverything(*index, matchers), Expected(matchers)) << text;
  }
}

TEST_F(IndexTest, RefusesSeriesOutOfOrderAndForeignLabels) {
  const auto writer = *IndexWriter::Create(disk_, kPath, {"a", "b"});
  const Labels first = *Labels::From({{"a", "a"}});
  const Labels second = *Labels::From({{"a", "b"}});
  EXPECT_TRUE(writer->AddSeries(second, {}).has_value());
  EXPECT_FALSE(writer->AddSeries(first, {}).has_value());
  EXPECT_FALSE(writer->AddSeries(second, {}).has_value());
  EXPECT_FALSE(writer->AddSeries(*Labels::From({{"b", "c"}}), {}).has_value());
}

// The layout, byte by byte. Source: Prometheus, tsdb/docs/format/index.md.
TEST_F(IndexTest, WritesTheseBytes) {
  Add({{"a", "1"}}, {{8, 100, 200}, {0x108, 300, 400}});
  ASSERT_TRUE(Write().has_value());
  const std::string bytes = disk_.Content(kPath);
  EXPECT_EQ(bytes.substr(0, 5), std::string("\xBA\xAA\xD7\x00\x02", 5));
  // Length 8, two symbols.
  EXPECT_EQ(bytes.substr(5, 12), std::string("\0\0\0\x08\0\0\0\x02\x01"
                                             "1\x01"
                                             "a",
                                             12));
  // Padded to 32: 12 bytes with one label (symbols 1 and 0) and two chunks.
  EXPECT_EQ(bytes.substr(21, 11), std::string(11, '\0'));
  EXPECT_EQ(bytes.substr(32, 13),
            std::string("\x0c\x01\x01\x00\x02\xc8\x01\x64\x08\x64\x64\x80\x04", 13));
  // The list of all series: series 2.
  EXPECT_EQ(bytes.substr(52, 12), std::string("\0\0\0\x08\0\0\0\x01\0\0\0\x02", 12));
}

TEST_F(IndexTest, EveryTruncationIsDamage) {
  AddMany(20);
  ASSERT_TRUE(Write().has_value());
  const std::string bytes = disk_.Content(kPath);
  for (size_t size = 0; size < bytes.size(); ++size) {
    disk_.SetContent(kPath, bytes.substr(0, size));
    const auto index = IndexReader::Open(disk_, kPath);
    ASSERT_FALSE(index.has_value()) << size;
    EXPECT_EQ(index.error().code, base::Code::kDataLoss);
  }
}

TEST_F(IndexTest, AFlippedBitIsDamageOrChangesNothing) {
  AddMany(12);
  ASSERT_TRUE(Write().has_value());
  const std::string bytes = disk_.Content(kPath);
  const std::vector<Matcher> zone = {*Matcher::From(Matcher::Type::kRegex, "zone", "z.+")};
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    disk_.SetContent(kPath, changed);
    const auto index = IndexReader::Open(disk_, kPath);
    if (!index) continue;
    const auto all = ReadEverything(**index);
    if (all) {
      EXPECT_EQ(*all, Expected()) << bit;
    }
    const auto some = ReadEverything(**index, zone);
    if (some) {
      EXPECT_EQ(*some, Expected(zone)) << bit;
    }
    EXPECT_TRUE((*index)->LabelValues("zone").has_value());
  }
}

TEST_F(IndexTest, EveryFailedWriteIsReported) {
  AddMany(5);
  for (int n = 0;; ++n) {
    disk_.ResetCalls();
    disk_.SetPlan(base::MemoryFileSystem::FailCall(n));
    const base::Status written = Write();
    EXPECT_EQ(written.has_value(), !disk_.fired()) << n;
    const bool fired = disk_.fired();
    disk_.SetPlan(nullptr);
    for (const char* const behind : {"", ".table", ".postings"}) {
      std::ignore = disk_.Remove(std::string(kPath) + behind);
    }
    if (!fired) break;
  }
}

}  // namespace
}  // namespace narthex::tsdb
