// The storage as a whole: appending a scrape-shaped batch with its log, creating series, replaying.

#include <benchmark/benchmark.h>

#include "base/random.h"
#include "base/testing/manual_clock.h"
#include "base/testing/memory_file_system.h"
#include "tsdb/db.h"

namespace narthex::tsdb {
namespace {

model::Labels Series(int64_t i) {
  return *model::Labels::From({{"__name__", "http_requests_total"},
                               {"instance", "10.0.0." + std::to_string(i / 1000) + ":8080"},
                               {"job", "api"},
                               {"namespace", "shop"},
                               {"method", i % 2 == 0 ? "GET" : "POST"},
                               {"endpoint", "/api/v1/resource/" + std::to_string(i % 100)},
                               {"status", std::to_string(200 + i % 5)},
                               {"shard", std::to_string(i % 1000)}});
}

// A database in memory with its series created.
struct World {
  explicit World(int64_t series) {
    Db::Options options{.directory = "/data"};
    options.fsync = FsyncPolicy::kNone;
    db = *Db::Open({disk, clock}, base::NullLogger(), options);
    const auto appender = db->OpenAppender();
    for (int64_t i = 0; i < series; ++i) refs.push_back(*appender->Resolve(Series(i)));
  }

  void Scrape(base::Random& random) {
    t += 15'000;
    const auto appender = db->OpenAppender();
    for (size_t i = 0; i < refs.size(); ++i) {
      if (random.Next() % 4 != 0) values[i % 4096] += static_cast<double>(random.Next() % 100);
      appender->Append(refs[i], t, values[i % 4096]);
    }
    if (!appender->Commit()) std::abort();
  }

  base::MemoryFileSystem disk;
  base::ManualClock clock;
  std::unique_ptr<Db> db;
  std::vector<storage::SeriesRef> refs;
  std::vector<double> values = std::vector<double>(4096);
  model::Timestamp t = 1'700'000'000'000;
};

void BM_Append(benchmark::State& state) {
  World world(state.range(0));
  base::Random random(1);
  for (auto _ : state) world.Scrape(random);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Append)->Arg(1'000)->Arg(100'000)->Iterations(60);  // Bounded: the log is in memory.

void BM_CreateSeries(benchmark::State& state) {
  int64_t created = 0;
  for (auto _ : state) {
    World world(state.range(0));
    created += state.range(0);
  }
  state.SetItemsProcessed(created);
}
BENCHMARK(BM_CreateSeries)->Arg(10'000)->Arg(100'000);

void BM_Replay(benchmark::State& state) {
  World world(state.range(0));
  base::Random random(1);
  constexpr int kScrapes = 50;
  for (int i = 0; i < kScrapes; ++i) world.Scrape(random);
  world.db.reset();
  for (auto _ : state) {
    Db::Options options{.directory = "/data"};
    options.fsync = FsyncPolicy::kNone;
    benchmark::DoNotOptimize(*Db::Open({world.disk, world.clock}, base::NullLogger(), options));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0) * kScrapes);
}
BENCHMARK(BM_Replay)->Arg(10'000);

}  // namespace
}  // namespace narthex::tsdb
