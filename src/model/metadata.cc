#include "model/metadata.h"

#include <array>

namespace narthex::model {
namespace {
constexpr std::array<std::string_view, 8> kNames = {
    "unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"};
}  // namespace

std::string_view MetricTypeName(MetricType type) { return kNames[static_cast<size_t>(type)]; }

MetricType MetricTypeFromName(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<MetricType>(i);
  }
  return MetricType::kUnknown;
}

}  // namespace narthex::model
