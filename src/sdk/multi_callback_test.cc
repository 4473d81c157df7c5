#include "sdk/multi_callback.h"

#include <gtest/gtest.h>

#include "sdk/meter_provider.h"

namespace narthex::sdk {
namespace {

// The value of a metric's only point; -1 without one.
double ValueOf(const MetricBatch& batch, std::string_view name) {
  for (const ScopeData& scope : batch.scopes) {
    for (const MetricData& metric : scope.metrics) {
      if (metric.name != name || metric.numbers.size() != 1) continue;
      const NumberPoint& point = metric.numbers[0];
      return point.is_int ? static_cast<double>(point.int_value) : point.double_value;
    }
  }
  return -1;
}

TEST(RegisterCallback, MeasuresSeveralInstrumentsInOneCall) {
  MeterProvider provider({.readers = {{}, {}}});
  const auto meter = provider.GetMeter("m"), other = provider.GetMeter("n");
  const auto used = meter->CreateInt64ObservableGauge("used");
  auto share = other->CreateDoubleObservableGauge("share");
  int calls = 0;
  RegisterCallback(
      [&](auto& used_result, auto& share_result) {
        ++calls;
        used_result.Observe(calls);
        share_result.Observe(calls / 10.0);
      },
      *used, *share);
  MetricBatch batch;
  for (size_t reader = 0; reader < 2; ++reader) {
    provider.Collect(reader, batch);
    EXPECT_EQ(calls, static_cast<int>(reader) + 1);
    EXPECT_EQ(ValueOf(batch, "used"), calls);
    EXPECT_EQ(ValueOf(batch, "share"), calls / 10.0);
  }
  // It ends with the first of its instruments.
  share.reset();
  provider.Collect(0, batch);
  EXPECT_EQ(calls, 2);
}

TEST(RegisterCallback, EndsWithAnyOfItsInstruments) {
  MeterProvider provider;
  const auto meter = provider.GetMeter("m");
  const auto first = meter->CreateInt64ObservableCounter("first");
  const auto last = meter->CreateInt64ObservableCounter("last");
  int calls = 0;
  RegisterCallback([&](auto&, auto&) { ++calls; }, *first, *last);
  MetricBatch batch;
  provider.Collect(batch);
  first->RemoveCallbacks();
  provider.Collect(batch);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace narthex::sdk
