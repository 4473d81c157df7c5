// Resident memory of a database per active series, where it lies, and what a sample costs there.
// Scrape-shaped: a thousand series per target, eight labels, values as servers have them. On a real
// disk, so that the log is not counted.

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <cstdlib>
#include <sstream>

#include "base/process.h"
#include "base/testing/manual_clock.h"
#include "tsdb/db.h"
#include "tsdb/testing/scraped_world.h"

namespace narthex::tsdb {
namespace {

void BM_Memory(benchmark::State& state) {
  const int64_t series = state.range(0);
  const int64_t scrapes = state.range(1);
  TemporaryDirectory directory;
  base::ManualClock clock;
  for (auto _ : state) {
    ScrapedValues values(static_cast<size_t>(series));
    std::vector<storage::SeriesRef> refs(static_cast<size_t>(series));
    malloc_trim(0);
    const uint64_t before = base::ReadProcessUsage().resident_bytes;
    Db::Options options{.directory = directory.path};
    options.fsync = FsyncPolicy::kNone;
    options.maintenance_ms = 0;
    auto db = *Db::Open({base::PosixFileSystem(), clock}, base::NullLogger(), options);
    const uint64_t empty = base::ReadProcessUsage().resident_bytes;
    double began = CpuSeconds();
    double labels = 0;  // Making the labels is not the database's work.
    for (int64_t first = 0; first < series; first += kScrapedTarget) {
      const auto appender = db->OpenAppender();
      std::vector<model::Labels> made;
      const double making = CpuSeconds();
      for (int64_t i = first; i < std::min(series, first + kScrapedTarget); ++i) {
        made.push_back(ScrapedSeries(i));
      }
      labels += CpuSeconds() - making;
      for (size_t i = 0; i < made.size(); ++i) {
        refs[static_cast<size_t>(first) + i] = *appender->Resolve(made[i]);
      }
      if (!appender->Commit()) state.SkipWithError("commit");
    }
    const double creation = CpuSeconds() - began - labels;
    model::Timestamp t = 1'700'000'000'000;
    double append = 0;
    std::vector<double> row;
    double worst = 0;
    for (int64_t scrape = 0; scrape < scrapes; ++scrape) {
      t += 15'000;
      for (int64_t first = 0; first < series; first += kScrapedTarget) {
        row.clear();
        const int64_t end = std::min(series, first + kScrapedTarget);
        for (int64_t i = first; i < end; ++i) row.push_back(values.Next(static_cast<size_t>(i)));
        began = CpuSeconds();
        const auto appender = db->OpenAppender();
        for (int64_t i = first; i < end; ++i) {
          appender->Append(refs[static_cast<size_t>(i)], t, row[static_cast<size_t>(i - first)]);
        }
        if (!appender->Commit()) state.SkipWithError("commit");
        append += CpuSeconds() - began;
      }
      if (scrape % 4 == 3 && !db->Maintain()) state.SkipWithError("maintain");  // Each minute.
      if (scrape >= 60) {  // The worst of all phases, not the luckiest.
        worst = std::max(worst, static_cast<double>(base::ReadProcessUsage().resident_bytes));
      }
    }
    const auto per_series = [&](double bytes) { return bytes / static_cast<double>(series); };
    malloc_trim(0);
    const uint64_t after = base::ReadProcessUsage().resident_bytes;
    state.counters["resident"] = per_series(static_cast<double>(after - before));
    state.counters["peak"] = per_series(worst - static_cast<double>(before));
    state.counters["fixed_MB"] = static_cast<double>(empty - before) / 1e6;
    const Head::Memory memory = db->head().memory();
    state.counters["hot"] = per_series(static_cast<double>(memory.hot));
    state.counters["open"] = per_series(static_cast<double>(memory.open_chunks));
    state.counters["open_used"] = per_series(static_cast<double>(memory.open_used));
    state.counters["slack"] = per_series(static_cast<double>(memory.slack));
    state.counters["sealed"] = per_series(static_cast<double>(memory.sealed));
    state.counters["records"] = per_series(static_cast<double>(memory.index.records));
    state.counters["identity"] = per_series(static_cast<double>(memory.index.identity));
    state.counters["postings"] = per_series(static_cast<double>(memory.index.postings));
    state.counters["symbols"] = per_series(static_cast<double>(memory.index.symbols));
    state.counters["create_ns"] = creation / static_cast<double>(series) * 1e9;
    state.counters["append_ns"] = append / static_cast<double>(series * scrapes) * 1e9;
    double wall = WallSeconds();
    db.reset();
    state.counters["stop_s"] = WallSeconds() - wall;
    state.counters["image"] = per_series(
        static_cast<double>(base::ReadFile(base::PosixFileSystem(), directory.path + "/head_image")
                                .value_or("")
                                .size()));
    malloc_trim(0);
    const uint64_t stopped = base::ReadProcessUsage().resident_bytes;
    wall = WallSeconds();
    began = CpuSeconds();
    db = *Db::Open({base::PosixFileSystem(), clock}, base::NullLogger(), options);
    state.counters["ready_s"] = WallSeconds() - wall;
    state.counters["ready_cpu_s"] = CpuSeconds() - began;
    if (db->statistics().image != Db::ImageUse::kUsed) state.SkipWithError("image");
    malloc_trim(0);
    state.counters["ready"] =
        per_series(static_cast<double>(base::ReadProcessUsage().resident_bytes - stopped));
    options.head_image = false;
    db.reset();
    wall = WallSeconds();
    began = CpuSeconds();
    db = *Db::Open({base::PosixFileSystem(), clock}, base::NullLogger(), options);
    state.counters["replay_ns"] =
        (CpuSeconds() - began) / static_cast<double>(series * scrapes) * 1e9;
    state.counters["replay_s"] = WallSeconds() - wall;
  }
}
BENCHMARK(BM_Memory)
    ->ArgNames({"series", "scrapes"})
    ->Args({10'000, 100})
    ->Args({100'000, 60})
    ->Args({100'000, 100})
    ->Args({100'000, 119})
    ->Args({100'000, 400})
    ->Args({1'000'000, 100})
    ->Iterations(1)
    ->Unit(benchmark::kSecond);

// Takes 2 GB and some minutes: only where it is asked for.
[[maybe_unused]] const bool kLarge = [] {
  if (std::getenv("NARTHEX_BENCH_LARGE") == nullptr) return false;
  benchmark::RegisterBenchmark("BM_Memory/large", BM_Memory)
      ->ArgNames({"series", "scrapes"})
      ->Args({10'000'000, 20})
      ->Iterations(1)
      ->Unit(benchmark::kSecond);
  return true;
}();

// Resident without the pages of files, which the system can take back.
uint64_t AnonymousBytes() {
  const auto statm = base::ReadFile(base::PosixFileSystem(), "/proc/self/statm");
  if (!statm) return 0;
  uint64_t pages[3] = {};
  std::istringstream(*statm) >> pages[0] >> pages[1] >> pages[2];
  return (pages[1] - pages[2]) * 4096;
}

// A tenth of the series is replaced each minute, for hours of scrapes every 15 s: resident memory
// per active series, hour by hour. The head keeps up to three hours, so that from the fourth on
// nothing may grow.
void BM_Churn(benchmark::State& state) {
  const int64_t active = state.range(0);
  TemporaryDirectory directory;
  base::ManualClock clock;
  for (auto _ : state) {
    ScrapedValues values(static_cast<size_t>(active));
    std::vector<storage::SeriesRef> refs(static_cast<size_t>(active));
    std::vector<int64_t> names(static_cast<size_t>(active), -1);
    malloc_trim(0);
    const uint64_t before = base::ReadProcessUsage().resident_bytes;
    const uint64_t anonymous_before = AnonymousBytes();
    Db::Options options{.directory = directory.path};
    options.fsync = FsyncPolicy::kNone;
    options.maintenance_ms = 0;
    options.head_image = false;
    auto db = *Db::Open({base::PosixFileSystem(), clock}, base::NullLogger(), options);
    model::Timestamp t = 1'699'999'200'000;
    int64_t next = 0;
    for (int64_t minute = 0; minute < state.range(1) * 60; ++minute) {
      // Whole targets come and go where there are that many.
      const int64_t first = minute * (active / 10) % active;
      for (int64_t i = 0; i < active; ++i) {
        const bool replaced = i >= first && i < first + active / 10;
        if (minute == 0 || replaced) names[static_cast<size_t>(i)] = -1;
      }
      for (int scrape = 0; scrape < 4; ++scrape, t += 15'000) {
        const auto appender = db->OpenAppender();
        for (int64_t i = 0; i < active; ++i) {
          const auto at = static_cast<size_t>(i);
          if (names[at] < 0) {
            names[at] = next++;
            refs[at] = *appender->Resolve(ScrapedSeries(names[at]));
          }
          appender->Append(refs[at], t, values.Next(at));
        }
        if (!appender->Commit()) state.SkipWithError("commit");
      }
      if (!db->Maintain()) state.SkipWithError("maintain");
      if (minute % 60 == 59) {
        malloc_trim(0);
        const std::string hour = std::to_string(minute / 60 + 1);
        const auto per_series = [&](uint64_t bytes) {
          return static_cast<double>(bytes) / static_cast<double>(active);
        };
        state.counters["h" + hour + "_resident"] =
            per_series(base::ReadProcessUsage().resident_bytes - before);
        state.counters["h" + hour + "_anonymous"] = per_series(AnonymousBytes() - anonymous_before);
        const Head::Memory memory = db->head().memory();
        const SeriesIndex::Memory& index = memory.index;
        state.counters["h" + hour + "_head"] =
            per_series(memory.hot + memory.open_chunks + memory.sealed + memory.slack +
                       index.records + index.identity + index.postings + index.symbols);
      }
    }
    state.counters["in_head"] = static_cast<double>(db->head().statistics().series);
  }
}
BENCHMARK(BM_Churn)
    ->ArgNames({"active", "hours"})
    ->Args({10'000, 10})
    ->Iterations(1)
    ->Unit(benchmark::kSecond);

}  // namespace
}  // namespace narthex::tsdb
