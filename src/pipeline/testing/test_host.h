#pragma once

#include <map>
#include <string>

#include "base/testing/manual_clock.h"
#include "config/reader.h"
#include "config/yaml.h"
#include "pipeline/factory.h"
#include "sdk/meter_provider.h"

namespace narthex::pipeline {

// The world for a component under test: a clock that stands still, a silent log, and its numbers.
class TestHost {
 public:
  explicit TestHost(base::FileSystem& files = base::PosixFileSystem()) : files_(files) {}
  Host& host() { return host_; }
  base::ManualClock& clock() { return clock_; }

  // Makes a component from YAML; what is wrong with it ends up in errors().
  template <class Create, class... Next>
  auto Make(Create create, std::string_view yaml, Next&... next) {
    id_ = {"component", "under_test"};
    config_ = *config::ParseYaml(yaml, "test.yaml");
    diagnostics_ = config::Diagnostics("test.yaml");
    return create(CreateContext{id_, config_, diagnostics_, host_}, next...);
  }
  std::string errors() const {
    const base::Status status = diagnostics_.ToStatus();
    return status.has_value() ? "" : status.error().message;
  }

  // The value of a counter, summed over series that have `attribute` among their values.
  int64_t Count(std::string_view name, std::string_view attribute = "") {
    provider_.Collect(batch_);
    int64_t total = 0;
    for (const sdk::ScopeData& scope : batch_.scopes) {
      for (const sdk::MetricData& metric : scope.metrics) {
        if (metric.name != name) continue;
        for (const sdk::NumberPoint& point : metric.numbers) {
          if (Matches(point, attribute)) total += point.int_value;
        }
      }
    }
    return total;
  }
  // in - out - waiting - lost: zero when the books are right.
  int64_t Imbalance() {
    return Count("narthex_points_in") - Count("narthex_points_out") -
           Count("narthex_points_waiting") - Count("narthex_points_lost");
  }

 private:
  static bool Matches(const sdk::NumberPoint& point, std::string_view attribute) {
    if (attribute.empty()) return true;
    for (const sdk::Attribute& item : point.attributes->items()) {
      if (item.value == sdk::AttributeValue(attribute)) return true;
    }
    return false;
  }

  base::ManualClock clock_{1'700'000'000'000};
  sdk::MeterProvider provider_{sdk::MeterProvider::Config{.clock = clock_}};
  std::shared_ptr<sdk::Meter> meter_ = provider_.GetMeter("test");
  Instruments instruments_{*meter_};
  base::FileSystem& files_;
  Host host_{{files_, clock_}, base::NullLogger(), *meter_, instruments_};
  ComponentId id_;
  config::Node config_;
  config::Diagnostics diagnostics_{"test.yaml"};
  sdk::MetricBatch batch_;
};

}  // namespace narthex::pipeline
