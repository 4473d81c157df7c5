// A block out of the head: two hours of samples of every series, on a real disk. CPU and wall time,
// what memory it takes on top, and bytes per sample.

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <atomic>
#include <thread>

#include "base/testing/manual_clock.h"
#include "tsdb/db.h"
#include "tsdb/testing/scraped_world.h"

namespace narthex::tsdb {
namespace {

// The most that is resident, and the most that is not files, while it lives.
class PeakMemory {
 public:
  PeakMemory() : thread_([this](std::stop_token stop) { Watch(stop); }) {}
  double resident_bytes() {
    thread_ = std::jthread();
    return static_cast<double>(peak_);
  }

 private:
  void Watch(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      peak_ = std::max(peak_.load(), base::ReadProcessUsage().resident_bytes);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  std::atomic<uint64_t> peak_{0};
  std::jthread thread_;
};

void BM_CutBlock(benchmark::State& state) {
  const int64_t series = state.range(0);
  constexpr int kScrapes = 724;  // Of 15 s: a little more than three hours.
  TemporaryDirectory directory;
  base::ManualClock clock;
  for (auto _ : state) {
    ScrapedValues values(static_cast<size_t>(series));
    std::vector<storage::SeriesRef> refs;
    Db::Options options{.directory = directory.path};
    options.fsync = FsyncPolicy::kNone;
    options.maintenance_ms = 0;
    options.head_image = false;
    auto db = *Db::Open({base::PosixFileSystem(), clock}, base::NullLogger(), options);
    model::Timestamp t = 1'699'999'200'000;  // A multiple of two hours.
    for (int scrape = 0; scrape < kScrapes; ++scrape, t += 15'000) {
      for (int64_t first = 0; first < series; first += kScrapedTarget) {
        const auto appender = db->OpenAppender();
        for (int64_t i = first; i < std::min(series, first + kScrapedTarget); ++i) {
          const auto at = static_cast<size_t>(i);
          if (scrape == 0) refs.push_back(*appender->Resolve(ScrapedSeries(i)));
          appender->Append(refs[at], t, values.Next(at));
        }
        if (!appender->Commit()) state.SkipWithError("commit");
      }
    }
    malloc_trim(0);
    const auto before = static_cast<double>(base::ReadProcessUsage().resident_bytes);
    PeakMemory peak;
    const double wall = WallSeconds();
    const double cpu = CpuSeconds();
    if (!db->Maintain() || db->blocks()->size() != 1) state.SkipWithError("maintain");
    const double cpu_s = CpuSeconds() - cpu;
    const BlockMeta meta = db->blocks()->front()->meta();
    const auto samples = static_cast<double>(meta.stats.samples);
    state.counters["cut_s"] = WallSeconds() - wall;
    state.counters["cut_cpu_s"] = cpu_s;
    state.counters["cut_ns"] = cpu_s / samples * 1e9;
    state.counters["steady_MB"] = before / 1e6;
    state.counters["extra_MB"] = (peak.resident_bytes() - before) / 1e6;
    state.counters["chunks"] = static_cast<double>(meta.stats.chunks) / static_cast<double>(series);
    state.counters["bytes"] = static_cast<double>(db->blocks()->front()->bytes()) / samples;
  }
}
BENCHMARK(BM_CutBlock)
    ->ArgName("series")
    ->Arg(100'000)
    ->Arg(1'000'000)
    ->Iterations(1)
    ->Unit(benchmark::kSecond);

}  // namespace
}  // namespace narthex::tsdb
