#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/bytes.h"
#include "base/random.h"
#include "base/testing/memory_file_system.h"
#include "wal/checkpoint.h"
#include "wal/reader.h"
#include "wal/records.h"
#include "wal/writer.h"

namespace narthex::wal {
namespace {

using base::MemoryFileSystem;

constexpr char kDirectory[] = "/data/wal";
const std::string kFirstSegment = "/data/wal/00000000";

std::string Bytes(size_t size, uint64_t seed) {
  base::Random random(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random.Next());
  return bytes;
}

std::unique_ptr<Writer> OpenWriter(MemoryFileSystem& disk, Writer::Options options = {}) {
  return *Writer::Open(disk, kDirectory, options);
}

base::Status Log(Writer& writer, std::string_view record) { return writer.Log({{record}}); }

struct Content {
  std::vector<std::string> records;
  std::vector<Damage> damages;
};

Content ReadAll(MemoryFileSystem& disk) {
  Content content;
  Reader reader(disk, *ListSegments(disk, kDirectory),
                [&](const Damage& damage) { content.damages.push_back(damage); });
  while (*reader.Next()) content.records.emplace_back(reader.record());
  return content;
}

TEST(Wal, ReadsBackWhatWasWritten) {
  for (const Compression compression :
       {Compression::kNone, Compression::kSnappy, Compression::kZstd}) {
    MemoryFileSystem disk;
    const auto writer = OpenWriter(disk, {.compression = compression});
    std::vector<std::string> written;
    for (const size_t size : {1u, 100u, 32761u, 32762u, 70'000u, 5u, 200'000u}) {
      written.push_back(size % 2 == 0 ? Bytes(size, size) : std::string(size, 'x'));
      ASSERT_TRUE(Log(*writer, written.back()).has_value());
    }
    const Content content = ReadAll(disk);
    EXPECT_EQ(content.records, written);
    EXPECT_TRUE(content.damages.empty());
  }
}

TEST(Wal, StartsSegmentsSoThatNoRecordCrossesOne) {
  MemoryFileSystem disk;
  const auto writer = OpenWriter(disk, {.segment_bytes = 2 * kPageBytes});
  std::vector<std::string> written;
  for (size_t i = 0; i < 20; ++i) {
    written.push_back(Bytes(20'000, i));
    ASSERT_TRUE(Log(*writer, written.back()).has_value());
  }
  EXPECT_GT(writer->segment(), 5u);
  const std::vector<SegmentFile> segments = *ListSegments(disk, kDirectory);
  for (const SegmentFile& segment : segments) {
    EXPECT_LE(segment.bytes, 2 * kPageBytes);
  }
  EXPECT_EQ(ReadAll(disk).records, written);
}

TEST(Wal, GoesOnInANewSegmentAfterReopening) {
  MemoryFileSystem disk;
  ASSERT_TRUE(Log(*OpenWriter(disk), "one").has_value());
  ASSERT_TRUE(Log(*OpenWriter(disk), "two").has_value());
  EXPECT_EQ(ListSegments(disk, kDirectory)->size(), 2u);
  EXPECT_EQ(ReadAll(disk).records, (std::vector<std::string>{"one", "two"}));
}

// The log's only promise, under every single fault.
TEST(Wal, KeepsEveryAcknowledgedRecordWhicheverCallFails) {
  for (const auto fate : {MemoryFileSystem::Fate::kFail, MemoryFileSystem::Fate::kHalfDone}) {
    for (int n = 0;; ++n) {
      SCOPED_TRACE(n);
      MemoryFileSystem disk;
      disk.SetPlan(MemoryFileSystem::FailCall(n, fate));
      base::Result<std::unique_ptr<Writer>> writer =
          Writer::Open(disk, kDirectory, {.segment_bytes = 2 * kPageBytes});
      if (!writer) writer = Writer::Open(disk, kDirectory, {.segment_bytes = 2 * kPageBytes});
      ASSERT_TRUE(writer.has_value());  // One fault does not fail twice.
      std::vector<std::string> acknowledged;
      for (size_t i = 0; i < 12; ++i) {
        const std::string record = Bytes(15'000, i);
        if (Log(**writer, record)) acknowledged.push_back(record);
        if (i == 6) std::ignore = (*writer)->Sync();
      }
      EXPECT_GE(acknowledged.size(), 11u);
      EXPECT_EQ(ReadAll(disk).records, acknowledged);
      if (!disk.fired()) break;  // Every call has had its turn.
    }
  }
}

TEST(Wal, LeavesATornSegmentBehindWhenItCannotBeCutBack) {
  MemoryFileSystem disk;
  const auto writer = OpenWriter(disk);
  ASSERT_TRUE(Log(*writer, "good").has_value());
  disk.SetPlan([](const MemoryFileSystem::Call& call) {
    if (call.operation == "append") return MemoryFileSystem::Fate::kHalfDone;
    return call.operation == "truncate" ? MemoryFileSystem::Fate::kFail
                                        : MemoryFileSystem::Fate::kSucceed;
  });
  EXPECT_FALSE(Log(*writer, Bytes(1000, 1)).has_value());
  disk.SetPlan({});
  ASSERT_TRUE(Log(*writer, "after").has_value());
  const Content content = ReadAll(disk);
  EXPECT_EQ(content.records, (std::vector<std::string>{"good", "after"}));
  ASSERT_EQ(content.damages.size(), 1u);
  EXPECT_TRUE(content.damages[0].torn_tail);
}

TEST(Wal, KeepsWhatWasSyncedWhenPowerIsLost) {
  MemoryFileSystem disk;
  const auto writer = OpenWriter(disk);
  ASSERT_TRUE(Log(*writer, "synced").has_value());
  ASSERT_TRUE(writer->Sync().has_value());
  ASSERT_TRUE(Log(*writer, "not yet").has_value());
  disk.LosePower();
  EXPECT_EQ(ReadAll(disk).records, std::vector<std::string>{"synced"});
}

TEST(Wal, StopsUsingASegmentWhoseSyncFailed) {
  MemoryFileSystem disk;
  const auto writer = OpenWriter(disk);
  ASSERT_TRUE(Log(*writer, "one").has_value());
  disk.SetPlan([](const MemoryFileSystem::Call& call) {
    return call.operation == "sync" ? MemoryFileSystem::Fate::kFail
                                    : MemoryFileSystem::Fate::kSucceed;
  });
  EXPECT_FALSE(writer->Sync().has_value());
  disk.SetPlan({});
  ASSERT_TRUE(Log(*writer, "two").has_value());
  EXPECT_EQ(writer->segment(), 1u);
}

TEST(Wal, ReadsAPrefixWhereverTheLastPageIsCut) {
  MemoryFileSystem disk;
  const auto writer = OpenWriter(disk, {.compression = Compression::kNone});
  std::vector<std::string> written;
  for (size_t i = 0; i < 40; ++i) {
    written.push_back(Bytes(900, i));
    ASSERT_TRUE(Log(*writer, written.back()).has_value());
  }
  const std::string whole = disk.Content(kFirstSegment);
  for (size_t size = kPageBytes - 100; size < whole.size(); ++size) {
    disk.SetContent(kFirstSegment, whole.substr(0, size));
    const Content content = ReadAll(disk);
    ASSERT_LE(content.records.size(), written.size());
    EXPECT_TRUE(std::equal(content.records.begin(), content.records.end(), written.begin()));
    const size_t lost = written.size() - content.records.size();
    EXPECT_LE(lost, (whole.size() - size) / 907 + 1) << size;
    for (const Damage& damage : content.damages) EXPECT_TRUE(damage.torn_tail);
  }
}

TEST(Wal, LosesAtMostTheRecordThatAFlippedBitHits) {
  MemoryFileSystem disk;
  const auto writer = OpenWriter(disk, {.compression = Compression::kNone});
  std::vector<std::string> written;
  for (size_t i = 0; i < 8; ++i) {
    // One record spans three pages, so that middle fragments are hit as well.
    written.push_back(Bytes(i == 3 ? 70'000 : 60, i));
    ASSERT_TRUE(Log(*writer, written.back()).has_value());
  }
  const std::string whole = disk.Content(kFirstSegment);
  for (size_t at = 0; at < whole.size(); at += at < 400 || at > whole.size() - 400 ? 1 : 997) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      disk.SetContent(kFirstSegment, damaged);
      const Content content = ReadAll(disk);
      // A flag bit turns raw bytes into "compressed" ones: found by the decoder.
      EXPECT_GE(content.records.size() + 1, written.size()) << at << ' ' << bit;
      if (content.records.size() == written.size()) continue;
      EXPECT_GE(content.damages.size(), 1u) << at << ' ' << bit;
      EXPECT_TRUE(std::ranges::includes(std::set(written.begin(), written.end()),
                                        std::set(content.records.begin(), content.records.end())));
    }
  }
}

// A log of four segments, one batch each: series i and a sample of it at i * 1000.
void WriteSegments(MemoryFileSystem& disk) {
  for (Ref i = 1; i <= 4; ++i) {
    const auto writer = OpenWriter(disk);
    SeriesRecord series;
    series.Add(i, *model::Labels::From({{"i", std::to_string(i)}}));
    SamplesRecord samples;
    samples.Add({i, static_cast<model::Timestamp>(i) * 1000, 1.0});
    TombstonesRecord tombstones;
    tombstones.Add({i, {0, static_cast<model::Timestamp>(i) * 1000}});
    const std::string_view records[] = {series.bytes(), samples.bytes(), tombstones.bytes(),
                                        "\x63?"};
    ASSERT_TRUE(writer->Log(records).has_value());
  }
}

std::string Shown(const std::vector<std::string>& records) {
  std::string text;
  for (const std::string& record : records) {
    std::vector<SeriesEntry> series;
    std::vector<SampleEntry> samples;
    std::vector<TombstoneEntry> tombstones;
    if (record[0] == 1) std::ignore = DecodeSeries(record, series);
    if (record[0] == 2) std::ignore = DecodeSamples(record, samples);
    if (record[0] == 3) std::ignore = DecodeTombstones(record, tombstones);
    for (const auto& entry : series) text += "series " + std::to_string(entry.ref) + "; ";
    for (const auto& entry : samples) text += "sample " + std::to_string(entry.t) + "; ";
    for (const auto& entry : tombstones)
      text += "deleted " + std::to_string(entry.range.max) + "; ";
    if (record[0] > 3) text += "other; ";
  }
  return text;
}

std::string ReadCheckpointAndLog(MemoryFileSystem& disk) {
  std::vector<SegmentFile> segments;
  const auto checkpoint = *FindCheckpoint(disk, kDirectory);
  if (checkpoint) segments = *ListSegments(disk, checkpoint->path);
  const auto rest = *ListSegments(disk, kDirectory);
  for (const SegmentFile& segment : rest) {
    if (!checkpoint || segment.index > checkpoint->index) segments.push_back(segment);
  }
  Content content;
  Reader reader(disk, segments, [&](const Damage& damage) { content.damages.push_back(damage); });
  while (*reader.Next()) content.records.emplace_back(reader.record());
  EXPECT_TRUE(content.damages.empty());
  return Shown(content.records);
}

base::Status CheckpointTo(MemoryFileSystem& disk, uint32_t last, model::Timestamp mint) {
  const CheckpointPlan plan{.last_segment = last,
                            .keep_series = [](Ref ref) { return ref != 1; },
                            .mint = mint,
                            .deletions_mint = mint};
  RETURN_IF_ERROR(WriteCheckpoint(disk, kDirectory, plan, {}, [](const Damage&) {}));
  return RemoveReplaced(disk, kDirectory);
}

// No checksum covers the two flags of the compression, so that upstream passes over such a record
// in silence.
TEST(Wal, ReadsARecordWhoseCompressionFlagsAreWrong) {
  for (const Compression compression :
       {Compression::kNone, Compression::kSnappy, Compression::kZstd}) {
    for (const int flags : {int{kSnappyFlag}, int{kZstdFlag}, kSnappyFlag | kZstdFlag}) {
      MemoryFileSystem disk;
      const auto writer = OpenWriter(disk, {.compression = compression});
      SeriesRecord record;
      for (int i = 0; i < 100; ++i) {
        record.Add(static_cast<Ref>(i), *model::Labels::From({{"i", std::to_string(i)}}));
      }
      ASSERT_TRUE(Log(*writer, record.bytes()).has_value());
      ASSERT_TRUE(Log(*writer, record.bytes()).has_value());
      const char type = disk.Content(kFirstSegment)[0];
      disk.Corrupt(kFirstSegment, 0, static_cast<char>(type ^ flags));
      const Content content = ReadAll(disk);
      EXPECT_EQ(content.records, std::vector<std::string>(2, std::string(record.bytes())));
      EXPECT_TRUE(content.damages.empty());
    }
  }
}

TEST(Checkpoint, KeepsWhatIsNeededAndReplacesTheRest) {
  MemoryFileSystem disk;
  WriteSegments(disk);
  ASSERT_TRUE(CheckpointTo(disk, 1, 2000).has_value());
  EXPECT_EQ(ListSegments(disk, kDirectory)->size(), 2u);
  EXPECT_EQ(
      ReadCheckpointAndLog(disk),
      "other; series 2; sample 2000; deleted 2000; other; "
      "series 3; sample 3000; deleted 3000; other; series 4; sample 4000; deleted 4000; other; ");
  // The next one builds on it.
  ASSERT_TRUE(CheckpointTo(disk, 2, 3000).has_value());
  EXPECT_EQ(ReadCheckpointAndLog(disk),
            "other; series 2; other; series 3; sample 3000; deleted 3000; other; "
            "series 4; sample 4000; deleted 4000; other; ");
  // Writing goes on behind it.
  EXPECT_EQ(OpenWriter(disk)->segment(), 4u);
}

TEST(Checkpoint, LosesNothingWhicheverCallFails) {
  for (int n = 0;; ++n) {
    SCOPED_TRACE(n);
    MemoryFileSystem disk;
    WriteSegments(disk);
    const std::string before = ReadCheckpointAndLog(disk);
    disk.ResetCalls();
    disk.SetPlan(MemoryFileSystem::FailCall(n, MemoryFileSystem::Fate::kHalfDone));
    const bool done = CheckpointTo(disk, 2, 3000).has_value();
    const bool fired = disk.fired();
    disk.SetPlan({});
    // The old log or the new one, never less.
    const std::string after = ReadCheckpointAndLog(disk);
    const bool old_log = after == before;
    const bool new_log = after.find("series 2; other; series 3; sample 3000") != std::string::npos;
    EXPECT_TRUE(old_log || new_log) << after;
    EXPECT_TRUE(new_log || !done);
    ASSERT_TRUE(CheckpointTo(disk, 2, 3000).has_value());
    EXPECT_EQ(ListSegments(disk, kDirectory)->size(), 1u);
    if (!fired) break;
  }
}

TEST(Records, RoundTrip) {
  const std::vector<SeriesEntry> series = {
      {1, *model::Labels::From({{"__name__", "up"}, {"job", "a"}})},
      {uint64_t{1} << 40, *model::Labels::From({{"x", std::string(300, 'y')}})}};
  SeriesRecord series_record;
  for (const SeriesEntry& entry : series) series_record.Add(entry.ref, entry.labels);
  std::vector<SeriesEntry> series_read;
  ASSERT_TRUE(DecodeSeries(series_record.bytes(), series_read).has_value());
  ASSERT_EQ(series_read.size(), 2u);
  EXPECT_EQ(series_read[1].ref, series[1].ref);
  EXPECT_EQ(series_read[1].labels, series[1].labels);

  SamplesRecord samples_record;
  const std::vector<SampleEntry> samples = {
      {7, 1000, 1.5}, {3, 999, -0.0}, {uint64_t{1} << 40, 5000, model::StaleNan()}};
  for (const SampleEntry& sample : samples) samples_record.Add(sample);
  std::vector<SampleEntry> samples_read;
  ASSERT_TRUE(DecodeSamples(samples_record.bytes(), samples_read).has_value());
  ASSERT_EQ(samples_read.size(), 3u);
  for (size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(samples_read[i].ref, samples[i].ref);
    EXPECT_EQ(samples_read[i].t, samples[i].t);
    EXPECT_EQ(std::bit_cast<uint64_t>(samples_read[i].v), std::bit_cast<uint64_t>(samples[i].v));
  }
}

TEST(Records, AreReadWithStartTimes) {
  std::string record(1, '\x0b');
  const auto add = [&record](std::initializer_list<int64_t> fields, std::string_view start,
                             double v) {
    for (const int64_t field : fields) base::PutVarint(record, field);
    record += start;
    base::PutBigEndian(record, std::bit_cast<uint64_t>(v));
  };
  add({7, 1000, 500}, "", 1.5);
  add({-4, 5}, std::string_view("\0", 1), 2.5);
  add({1, -200}, "\x01", 3.5);
  add({0, -100}, "\x02\x04", 4.5);
  std::vector<SampleEntry> out;
  ASSERT_TRUE(DecodeSamples(record, out).has_value());
  ASSERT_EQ(out.size(), 4u);
  const SampleEntry want[] = {{7, 1000, 1.5}, {3, 1005, 2.5}, {4, 800, 3.5}, {4, 900, 4.5}};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(out[i].ref, want[i].ref);
    EXPECT_EQ(out[i].t, want[i].t);
    EXPECT_EQ(out[i].v, want[i].v);
  }
}

// A checkpoint keeps such a record as it is while any of its samples is needed.
TEST(Checkpoint, KeepsRecordsWithStartTimesWhole) {
  const auto record = [](model::Timestamp first, model::Timestamp second) {
    std::string bytes(1, '\x0b');
    for (const int64_t field : {int64_t{1}, first, int64_t{5}}) base::PutVarint(bytes, field);
    base::PutBigEndian(bytes, uint64_t{0});
    for (const int64_t field : {int64_t{0}, second - first}) base::PutVarint(bytes, field);
    bytes += '\1';
    base::PutBigEndian(bytes, uint64_t{0});
    return bytes;
  };
  base::MemoryFileSystem disk;
  const std::string old = record(10, 20);
  const std::string both = record(90, 110);
  {
    const auto writer = *Writer::Open(disk, "/wal", {});
    const std::vector<std::string_view> records = {old, both};
    ASSERT_TRUE(writer->Log(records).has_value());
  }
  const CheckpointPlan plan{.last_segment = 0,
                            .keep_series = [](Ref) { return true; },
                            .mint = 100,
                            .deletions_mint = 100};
  const auto result = WriteCheckpoint(disk, "/wal", plan, {}, [](const Damage&) { FAIL(); });
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->samples_kept, 2u);
  EXPECT_EQ(result->samples_dropped, 2u);
  Reader reader(disk, *ListSegments(disk, (*FindCheckpoint(disk, "/wal"))->path),
                [](const Damage&) { FAIL(); });
  ASSERT_TRUE(*reader.Next());
  EXPECT_EQ(reader.record(), both);
  EXPECT_FALSE(*reader.Next());
}

// Ours are in order and have values; others have been seen that are not.
TEST(Records, SeriesWhoseLabelsAreNotInOrder) {
  const auto record = [](const std::vector<std::pair<std::string, std::string>>& labels) {
    std::string bytes(1, '\x01');
    base::PutBigEndian(bytes, Ref{7});
    base::PutUvarint(bytes, labels.size());
    for (const auto& [name, value] : labels) {
      base::PutUvarintString(bytes, name);
      base::PutUvarintString(bytes, value);
    }
    return bytes;
  };
  std::vector<SeriesEntry> out;
  ASSERT_TRUE(
      DecodeSeries(record({{"job", "a"}, {"empty", ""}, {"__name__", "up"}}), out).has_value());
  ASSERT_TRUE(DecodeSeries(record({{"__name__", "up"}, {"empty", ""}}), out).has_value());
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].labels.ToString(), R"(up{job="a"})");
  EXPECT_EQ(out[1].labels.ToString(), "up");
  EXPECT_FALSE(DecodeSeries(record({{"a", "1"}, {"a", "2"}}), out).has_value());
  EXPECT_FALSE(DecodeSeries(record({{"", "1"}}), out).has_value());
}

TEST(Records, ReportTruncation) {
  SeriesRecord series;
  series.Add(1, *model::Labels::From({{"a", "b"}}));
  SamplesRecord samples;
  samples.Add({1, 1000, 1.5});
  for (size_t size = 2; size < series.bytes().size(); ++size) {
    std::vector<SeriesEntry> out;
    EXPECT_FALSE(DecodeSeries(series.bytes().substr(0, size), out).has_value()) << size;
  }
  for (size_t size = 2; size < samples.bytes().size(); ++size) {
    if (size == 17) continue;  // A header and no samples is an empty record.
    std::vector<SampleEntry> out;
    EXPECT_FALSE(DecodeSamples(samples.bytes().substr(0, size), out).has_value()) << size;
  }
}

}  // namespace
}  // namespace narthex::wal
