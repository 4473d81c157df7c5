// Resident memory of a database per active series, where it lies, and what a sample costs there.
// Scrape-shaped: a thousand series per target, eight labels, values as servers have them. On a real
// disk, so that the log is not counted.

#include <benchmark/benchmark.h>
#include <malloc.h>

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

}  // namespace
}  // namespace narthex::tsdb
