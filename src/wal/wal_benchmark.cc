// Writing and reading the log: samples/s.

#include <benchmark/benchmark.h>

#include "base/random.h"
#include "base/testing/memory_file_system.h"
#include "compress/compress.h"
#include "wal/reader.h"
#include "wal/records.h"
#include "wal/sample_snappy.h"
#include "wal/writer.h"

namespace narthex::wal {
namespace {

constexpr int kBatch = 2000;

// Values as scrapes have them: many are small or as they were.
void Fill(SamplesRecord& record, base::Random& random, model::Timestamp t) {
  record.Clear();
  for (Ref ref = 1; ref <= kBatch; ++ref) {
    const uint64_t range = ref % 4 == 0 ? 1'000'000 : ref % 4 == 1 ? 1'000 : 16;
    record.Add({ref, t, static_cast<double>(random.Below(range))});
  }
}

// The encoder for samples beside the general one.
void BM_CompressSamples(benchmark::State& state) {
  base::Random random(1);
  SamplesRecord record;
  Fill(record, random, 1'700'000'000'000);
  std::string block;
  for (auto _ : state) {
    if (state.range(0) != 0) {
      CompressSamples(record.bytes(), block);
    } else {
      block = compress::SnappyEncode(record.bytes());
    }
    benchmark::DoNotOptimize(block.data());
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
  state.counters["bytes/sample"] = static_cast<double>(block.size()) / kBatch;
}
BENCHMARK(BM_CompressSamples)->ArgName("ours")->Arg(0)->Arg(1);

void BM_Write(benchmark::State& state) {
  base::MemoryFileSystem disk;
  const auto writer = *Writer::Open(
      disk, "/wal",
      {.compression = state.range(0) != 0 ? Compression::kSnappy : Compression::kNone});
  base::Random random(1);
  SamplesRecord record;
  model::Timestamp t = 1'700'000'000'000;
  for (auto _ : state) {
    Fill(record, random, t += 15'000);
    if (!writer->Log({{record.bytes()}})) state.SkipWithError("log");
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
  state.counters["bytes/sample"] =
      static_cast<double>(writer->bytes_written()) /
      static_cast<double>(std::max<int64_t>(1, state.iterations() * kBatch));
}
BENCHMARK(BM_Write)->ArgName("snappy")->Arg(0)->Arg(1);

void BM_Read(benchmark::State& state) {
  base::MemoryFileSystem disk;
  {
    const auto writer = *Writer::Open(
        disk, "/wal",
        {.compression = state.range(0) != 0 ? Compression::kSnappy : Compression::kNone});
    base::Random random(1);
    SamplesRecord record;
    for (int i = 0; i < 200; ++i) {
      Fill(record, random, 1'700'000'000'000 + i * 15'000);
      if (!writer->Log({{record.bytes()}})) state.SkipWithError("log");
    }
  }
  int64_t samples = 0;
  std::vector<SampleEntry> entries;
  for (auto _ : state) {
    Reader reader(disk, *ListSegments(disk, "/wal"), [](const Damage&) {});
    while (*reader.Next()) {
      entries.clear();
      benchmark::DoNotOptimize(DecodeSamples(reader.record(), entries));
      samples += static_cast<int64_t>(entries.size());
    }
  }
  state.SetItemsProcessed(samples);
}
BENCHMARK(BM_Read)->ArgName("snappy")->Arg(0)->Arg(1);

}  // namespace
}  // namespace narthex::wal
