#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "base/testing/manual_clock.h"
#include "sdk/meter_provider.h"

namespace narthex::sdk {

// "key=value,key=value"
inline std::string Text(Attributes attributes) {
  std::string out;
  for (const Attribute& item : attributes) {
    if (!out.empty()) out += ',';
    out += std::string(item.key) + '=';
    switch (item.value.kind()) {
      case AttributeValue::Kind::kBool:
        out += item.value.AsBool() ? "true" : "false";
        break;
      case AttributeValue::Kind::kInt:
        out += std::to_string(item.value.AsInt());
        break;
      case AttributeValue::Kind::kDouble:
        out += std::to_string(item.value.AsDouble());
        break;
      case AttributeValue::Kind::kString:
        out += item.value.AsString();
        break;
    }
  }
  return out;
}

inline std::string Text(const AttributeSet& attributes) { return Text(attributes.items()); }

// A provider on a clock that stands still, and what it collects.
class SdkTest : public testing::Test {
 protected:
  void Use(MeterProvider::Config config) { provider_.emplace(std::move(config)); }
  std::shared_ptr<Meter> meter() { return provider_->GetMeter("test"); }

  const MetricData* Find(std::string_view name) {
    provider_->Collect(batch_);
    for (const ScopeData& scope : batch_.scopes) {
      for (const MetricData& metric : scope.metrics) {
        if (metric.name == name) return &metric;
      }
    }
    return nullptr;
  }
  // attributes → value of one collection.
  std::map<std::string, double> Numbers(std::string_view name) {
    std::map<std::string, double> values;
    if (const MetricData* metric = Find(name)) {
      for (const NumberPoint& point : metric->numbers) {
        values[Text(*point.attributes)] =
            point.is_int ? static_cast<double>(point.int_value) : point.double_value;
      }
    }
    return values;
  }

  base::ManualClock clock_{1000};
  std::optional<MeterProvider> provider_{std::in_place, MeterProvider::Config{.clock = clock_}};
  MetricBatch batch_;
};

using Values = std::map<std::string, double>;

}  // namespace narthex::sdk
