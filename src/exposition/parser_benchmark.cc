// Parsing a scrape body: samples/s and MB/s, with and without reading the labels of every line.

#include <benchmark/benchmark.h>

#include "base/random.h"
#include "exposition/parser.h"
#include "model/number.h"

namespace narthex::exposition {
namespace {

// 2,000 lines as a service with labelled counters writes them.
std::string Body() {
  base::Random random(1);
  std::string body;
  for (int family = 0; family < 20; ++family) {
    const std::string name = "app_requests_" + std::to_string(family) + "_total";
    body += "# HELP " + name + " Requests.\n# TYPE " + name + " counter\n";
    for (int i = 0; i < 100; ++i) {
      body += name + "{method=\"GET\",endpoint=\"/api/v1/resource/" + std::to_string(i) +
              "\",status=\"200\",pod=\"app-7d9c5b6f4-x2x" + std::to_string(i % 10) + "\"} ";
      model::AppendCompactFloat(body, static_cast<double>(random.Below(1'000'000)) /
                                          (random.Below(4) == 0 ? 1000.0 : 1.0));
      body += '\n';
    }
  }
  return body;
}

void BM_Parse(benchmark::State& state) {
  const std::string body = Body();
  int64_t samples = 0;
  for (auto _ : state) {
    Parser parser(body, Format::kText);
    while (true) {
      const auto entry = parser.Next();
      if (!entry || !*entry) break;
      if (**entry != Parser::Entry::kSeries) continue;
      ++samples;
      if (state.range(0) != 0) benchmark::DoNotOptimize(parser.Labels());
      benchmark::DoNotOptimize(parser.value());
    }
  }
  state.SetItemsProcessed(samples);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(body.size()));
}
BENCHMARK(BM_Parse)->ArgName("labels")->Arg(0)->Arg(1);

}  // namespace
}  // namespace narthex::exposition
