#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "sdk/metric_data.h"
#include "sdk/resource.h"

namespace narthex::telemetry {

// How a program sends its metrics, by the environment variables that every OpenTelemetry SDK reads.
// A value.
// Source: OpenTelemetry specification, "SDK configuration" and "OTLP exporter configuration".
struct Settings {
  bool disabled = false;                 // OTEL_SDK_DISABLED
  enum class Exporter { kOtlp, kNone };  // OTEL_METRICS_EXPORTER
  Exporter exporter = Exporter::kOtlp;
  sdk::AttributeSet resource_attributes;  // OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME
  std::string url = "http://localhost:4318/v1/metrics";
  std::vector<std::pair<std::string, std::string>> headers;
  bool json = false;  // OTEL_EXPORTER_OTLP_PROTOCOL: http/json instead of http/protobuf
  bool gzip = false;
  std::chrono::milliseconds interval{60'000};
  std::chrono::milliseconds timeout{10'000};  // Of one export, retries included.
  sdk::TemporalityPreference temporality = sdk::TemporalityPreference::kCumulative;
};

// nullopt where a variable is not set.
using GetEnv = std::function<std::optional<std::string>(const std::string& name)>;
GetEnv ProcessEnvironment();

// Values that make no sense, and variables that have no effect here, are warned about; then the
// default holds.
Settings ReadSettings(const GetEnv& get, base::Logger& logger);

}  // namespace narthex::telemetry
