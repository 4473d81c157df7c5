// Lines of statsd by every way that values can go: the interval can be taken, whatever came.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "receivers/statsd/aggregator.h"

using narthex::receivers::StatsdAggregator;
using narthex::receivers::StatsdObserver;
using narthex::receivers::StatsdRules;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  StatsdRules rules;
  rules.simple_tags = size % 2 == 0;
  rules.timing.kind = StatsdObserver::Kind::kSummary;
  rules.histogram.kind = StatsdObserver::Kind::kHistogram;
  rules.histogram.buckets_max = 4;
  StatsdAggregator aggregator(rules, 50);
  std::string_view text(reinterpret_cast<const char*>(data), size);
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    (void)aggregator.Add(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const auto batch = aggregator.Take(1, 2).ToBatch();
  CHECK(batch.point_count() <= 50 * 101);
  return 0;
}
