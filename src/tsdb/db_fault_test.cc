// Every call to the disk fails once, in a life that has all that a database does: whichever it is,
// what was acknowledged is there, and what was refused is not, before and after a restart and after
// a power cut.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/testing/manual_clock.h"
#include "base/testing/memory_file_system.h"
#include "tsdb/db.h"

namespace narthex::tsdb {
namespace {

using base::MemoryFileSystem;
using model::Labels;
using model::Matcher;
using model::TimeRange;
using model::Timestamp;

constexpr int64_t kRange = 10'000;
constexpr Timestamp kStart = 100'000;

// Series 3 has native histograms.
Labels Series(int i) { return *Labels::From({{"__name__", "m"}, {"i", std::to_string(i)}}); }

model::IntegerHistogram Histogram(uint64_t n) {
  model::IntegerHistogram h;
  h.count = h.zero_count = n;
  h.sum = static_cast<double>(n);
  return h;
}

// What a call works on.
std::string KindOf(std::string_view path) {
  const auto has = [path](std::string_view part) { return path.contains(part); };
  if (has("/snapshots")) return "snapshot";
  if (has("/wal/checkpoint")) return "checkpoint";
  for (const char* const kind : {"wal", "wbl", "chunks_head", "head_image", "lock"}) {
    if (path.starts_with(std::string("/data/") + kind)) return kind;
  }
  if (path == "/data") return "data directory";
  for (const char* const kind :
       {"index.table", "index.postings", "index", "meta.json", "tombstones", "chunks"}) {
    if (has(std::string("/") + kind)) return std::string("block ") + kind;
  }
  return "block";
}

class Life {
 public:
  // "operation file" of each call.
  const std::set<std::string>& calls() const { return calls_; }
  MemoryFileSystem& disk() { return disk_; }

  void Watch(MemoryFileSystem::Plan plan) {
    disk_.ResetCalls();
    disk_.SetPlan([this, plan = std::move(plan)](const MemoryFileSystem::Call& call) {
      calls_.insert(fmt::format("{} {}", call.operation, KindOf(call.path)));
      return plan(call);
    });
  }

  // False where the start failed.
  bool Start() {
    Db::Options options{.directory = "/data", .late_window_ms = 2 * kRange};
    options.fsync = FsyncPolicy::kCommit;
    options.maintenance_ms = 0;
    options.compaction_threads = 1;  // So that calls have numbers.
    options.max_block_ms = 3 * kRange;
    options.head.chunk_range_ms = kRange;
    options.head.samples_per_chunk = 3;
    options.wal.segment_bytes = wal::kPageBytes;
    options.exemplars_max = 5;
    options.metadata_records = true;
    auto db = Db::Open({disk_, clock_}, base::NullLogger(), options);
    if (db) db_ = *std::move(db);
    return db.has_value();
  }
  void Stop() { db_.reset(); }

  void Live() {
    for (Timestamp t = kStart; t < kStart + 5 * kRange; t += 2500) {
      Commit(t, false);
      if (t % 5000 == 0 && t > kStart) Commit(t, true);
      if (t % kRange != 5000) continue;
      std::ignore = db_->Maintain();
      if (t == kStart + 4 * kRange + 5000) {
        Delete(1, {kStart, kStart + 15'000});
        std::ignore = db_->CleanTombstones();
        std::ignore = db_->Snapshot(false);
        Delete(2, {t - 5000, t});
      }
      Compare("while it runs");
    }
    // The disk is well again by now.
    std::ignore = db_->Maintain();
    Compare("after the last round");
  }

  void Compare(const char* when) {
    std::map<std::string, std::map<Timestamp, double>> got;
    const auto querier = *db_->OpenQuerier({});
    const auto set = querier->Select({});
    ASSERT_TRUE(set.has_value()) << set.error().message;
    for (size_t i = 0; i < (*set)->size(); ++i) {
      model::SampleColumns samples;
      const base::Status read = (*set)->Read(i, {}, samples);
      ASSERT_TRUE(read.has_value()) << read.error().message;
      auto& series = got[(*set)->labels(i).ToString()];
      for (size_t k = 0; k < samples.size(); ++k) {
        series[samples.t[k]] = samples.IsHistogram(k) ? samples.histograms[k]->sum : samples.v[k];
      }
    }
    // What a deletion that failed may or may not have hidden.
    for (const auto& [series, t] : uncertain_) {
      const auto found = got.find(series);
      if (found != got.end()) found->second.erase(t);
    }
    std::erase_if(got, [](const auto& series) { return series.second.empty(); });
    auto want = model_;
    std::erase_if(want, [](const auto& series) { return series.second.empty(); });
    EXPECT_EQ(got, want) << when;
  }

 private:
  void Commit(Timestamp t, bool late) {
    const auto appender = db_->OpenAppender();
    std::vector<std::tuple<std::string, Timestamp, double>> batch;
    const auto put = [&](int i, Timestamp at) {
      const auto ref = appender->Resolve(Series(i));
      if (!ref) return;
      const auto n = static_cast<uint64_t>(at / 100 + i);
      const bool taken =
          storage::Appended::kYes == (i == 3 ? appender->AppendHistogram(*ref, at, Histogram(n))
                                             : appender->Append(*ref, at, static_cast<double>(n)));
      if (taken) batch.emplace_back(Series(i).ToString(), at, static_cast<double>(n));
      if (!late) {
        appender->SetMetadata(*ref, {model::MetricType::kGauge, std::to_string(t), ""});
        std::ignore = appender->AppendExemplar(*ref, {*Labels::From({{"id", "1"}}), 1, t});
      }
    };
    if (late) {
      put(1, t - 3000);
      put(3, t - 3100);
    } else {
      for (const int i : {1, 2, 3}) put(i, t);
    }
    if (!appender->Commit()) return;
    for (const auto& [series, at, v] : batch) model_[series][at] = v;
  }

  void Delete(int i, TimeRange range) {
    auto& samples = model_[Series(i).ToString()];
    const auto begin = samples.lower_bound(range.min);
    const auto end = samples.upper_bound(range.max);
    if (!db_->DeleteSeries({Matcher::Equal("i", std::to_string(i))}, range)) {
      for (auto at = begin; at != end; ++at) uncertain_.emplace(Series(i).ToString(), at->first);
    }
    samples.erase(begin, end);
  }

  MemoryFileSystem disk_;
  base::ManualClock clock_{1'000'000};
  std::unique_ptr<Db> db_;
  std::map<std::string, std::map<Timestamp, double>> model_;
  std::set<std::pair<std::string, Timestamp>> uncertain_;
  std::set<std::string> calls_;
};

// All that can fail: a new kind of file or of call belongs here, and none may get lost unseen.
constexpr char kCalls[] = R"(append block chunks
append block index
append block index.postings
append block index.table
append block meta.json
append block tombstones
append checkpoint
append chunks_head
append head_image
append snapshot
append wal
append wbl
link snapshot
mkdir block chunks
mkdir checkpoint
mkdir data directory
mkdir snapshot
mkdir wal
mkdir wbl
open block chunks
open block index
open block index.postings
open block index.table
open block meta.json
open block tombstones
open checkpoint
open chunks_head
open head_image
open snapshot
open wal
open wbl
remove block
remove block chunks
remove block index
remove block index.postings
remove block index.table
remove block meta.json
remove block tombstones
remove checkpoint
remove chunks_head
remove head_image
remove snapshot
remove wal
remove wbl
rename block
rename block meta.json
rename block tombstones
rename checkpoint
rename head_image
rename snapshot
sync block chunks
sync block index
sync block meta.json
sync block tombstones
sync checkpoint
sync chunks_head
sync directory block
sync directory block chunks
sync directory checkpoint
sync directory data directory
sync directory snapshot
sync directory wal
sync directory wbl
sync snapshot
sync wal
sync wbl
truncate checkpoint
truncate chunks_head
truncate wal
truncate wbl
)";

enum class After { kRestart, kPowerCut };

// A life in which the n-th call fails; whether there was such a call.
bool LiveWith(int n, MemoryFileSystem::Fate fate, After after, std::set<std::string>& calls) {
  SCOPED_TRACE(fmt::format("call {}, fate {}, {}", n, static_cast<int>(fate),
                           after == After::kRestart ? "restart" : "power cut"));
  Life life;
  EXPECT_TRUE(life.Start());
  life.Stop();
  std::string failed;
  // Only an append can be half done; the others would fail as without it.
  int left = n;
  life.Watch([&](const MemoryFileSystem::Call& call) {
    const bool counts = fate == MemoryFileSystem::Fate::kFail || call.operation == "append";
    const auto result = counts && left-- == 0 ? fate : MemoryFileSystem::Fate::kSucceed;
    if (result != MemoryFileSystem::Fate::kSucceed) {
      failed = fmt::format("{} {}", call.operation, call.path);
    }
    return result;
  });
  EXPECT_TRUE(life.Start() || life.Start()) << failed;  // Who was told that it failed tries again.
  life.Live();
  if (after == After::kPowerCut) {
    // No clean stop: nothing reaches the disk any more.
    life.disk().SetPlan([](const auto&) { return MemoryFileSystem::Fate::kFail; });
    life.Stop();
    life.disk().SetPlan(nullptr);
    life.disk().LosePower();
  } else {
    life.Stop();
  }
  const bool fired = !failed.empty();
  EXPECT_TRUE(life.Start() || life.Start()) << failed;
  life.disk().SetPlan(nullptr);
  life.Compare(failed.c_str());
  calls.insert(life.calls().begin(), life.calls().end());
  return fired;
}

// The operations and files of all lives.
std::set<std::string> LiveWithEach(MemoryFileSystem::Fate fate, After after) {
  std::set<std::string> calls;
  for (int n = 0; LiveWith(n, fate, after, calls) && !testing::Test::HasFailure(); ++n) {
  }
  return calls;
}

TEST(DbFault, WhicheverCallFailsNothingIsLostAndNothingRefusedComesBack) {
  const auto calls = LiveWithEach(MemoryFileSystem::Fate::kFail, After::kRestart);
  EXPECT_EQ(fmt::format("{}\n", fmt::join(calls, "\n")), kCalls);
}

TEST(DbFault, WhicheverCallFailsNothingIsLostByAPowerCut) {
  LiveWithEach(MemoryFileSystem::Fate::kFail, After::kPowerCut);
}

TEST(DbFault, WhicheverAppendIsHalfDoneNothingIsLost) {
  LiveWithEach(MemoryFileSystem::Fate::kHalfDone, After::kRestart);
}

TEST(DbFault, WhicheverMappingFailsNothingIsLost) {
  bool fired = true;
  for (int n = 0; fired && !testing::Test::HasFailure(); ++n) {
    SCOPED_TRACE(n);
    Life life;
    life.disk().FailMap(n);
    ASSERT_TRUE(life.Start());
    life.Live();
    life.Stop();
    fired = life.disk().fired();
    life.disk().FailMap(-1);
    ASSERT_TRUE(life.Start());
    life.Compare("after a restart");
  }
}

}  // namespace
}  // namespace narthex::tsdb
