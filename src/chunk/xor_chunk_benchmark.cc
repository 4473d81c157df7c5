// Append and decode of XOR chunks: ns/sample and bytes/sample.

#include <benchmark/benchmark.h>

#include "base/random.h"
#include "chunk/xor_chunk.h"

namespace narthex::chunk {
namespace {

constexpr int kSamples = 120;

std::vector<model::Sample> Counter(bool jitter, uint64_t seed = 1) {
  base::Random random(seed);
  std::vector<model::Sample> samples;
  model::Timestamp t = 1'700'000'000'000;
  double v = 1e6;
  for (int i = 0; i < kSamples; ++i) {
    samples.push_back({t + (jitter ? static_cast<int64_t>(random.Below(7)) - 3 : 0), v});
    t += 15'000;
    v += static_cast<double>(random.Below(200));
  }
  return samples;
}

void BM_Append(benchmark::State& state) {
  const auto samples = Counter(state.range(0) != 0);
  size_t bytes = 0;
  for (auto _ : state) {
    XorChunk chunk;
    for (const model::Sample& sample : samples) chunk.Append(sample.t, sample.v);
    bytes = chunk.bytes().size();
    benchmark::DoNotOptimize(chunk);
  }
  state.SetItemsProcessed(state.iterations() * kSamples);
  state.counters["bytes/sample"] = static_cast<double>(bytes) / kSamples;
}
BENCHMARK(BM_Append)->ArgName("jitter")->Arg(0)->Arg(1);

// Many chunks, as a query reads them: of one alone the processor would know each branch in advance.
void BM_Decode(benchmark::State& state) {
  std::vector<XorChunk> chunks(500);
  for (size_t i = 0; i < chunks.size(); ++i) {
    for (const model::Sample& sample : Counter(state.range(0) != 0, i)) {
      chunks[i].Append(sample.t, sample.v);
    }
  }
  model::SampleColumns columns;
  for (auto _ : state) {
    for (const XorChunk& chunk : chunks) {
      columns.clear();
      benchmark::DoNotOptimize(DecodeXor(chunk.bytes(), {}, columns));
    }
  }
  state.SetItemsProcessed(state.iterations() * kSamples * static_cast<int64_t>(chunks.size()));
}
BENCHMARK(BM_Decode)->ArgName("jitter")->Arg(0)->Arg(1);

}  // namespace
}  // namespace narthex::chunk
