#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace narthex::model {

// The type of a metric family, with the codes that Prometheus's WAL uses.
enum class MetricType : uint8_t {
  kUnknown = 0,
  kCounter = 1,
  kGauge = 2,
  kHistogram = 3,
  kGaugeHistogram = 4,
  kSummary = 5,
  kInfo = 6,
  kStateSet = 7,
};

// "counter", "gauge", … as expositions and the API spell it.
std::string_view MetricTypeName(MetricType type);
// kUnknown for what is not a type ("untyped" included).
MetricType MetricTypeFromName(std::string_view name);

struct Metadata {
  MetricType type = MetricType::kUnknown;
  std::string help;
  std::string unit;
  bool operator==(const Metadata&) const = default;
};

}  // namespace narthex::model
