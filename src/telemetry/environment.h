#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "sdk/meter_provider.h"

namespace narthex::telemetry {

// How a program sends its metrics, by the environment variables that every OpenTelemetry SDK reads.
// A value.
// Source: OpenTelemetry specification, "SDK configuration" and "OTLP exporter configuration".
struct Settings {
  enum class Exporter { kOtlp, kPrometheus, kConsole, kNone };
  enum class Protocol { kHttpProtobuf, kHttpJson, kGrpc };

  bool disabled = false;                  // OTEL_SDK_DISABLED
  Exporter exporter = Exporter::kOtlp;    // OTEL_METRICS_EXPORTER
  sdk::AttributeSet resource_attributes;  // OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME
  std::chrono::milliseconds interval{60'000};
  sdk::TemporalityPreference temporality = sdk::TemporalityPreference::kCumulative;
  sdk::Aggregation histogram_aggregation = sdk::Aggregation::kExplicitBucketHistogram;
  sdk::ExemplarFilter exemplars = sdk::ExemplarFilter::kTraceBased;

  // OTEL_EXPORTER_OTLP_…
  Protocol protocol = Protocol::kHttpProtobuf;
  std::string url = "http://localhost:4318/v1/metrics";  // For gRPC without a path.
  std::vector<std::pair<std::string, std::string>> headers;
  bool gzip = false;
  std::string ca_file;    // …CERTIFICATE: whom to trust; empty: the system's authorities.
  std::string cert_file;  // …CLIENT_CERTIFICATE and …CLIENT_KEY: who we are.
  std::string key_file;
  std::chrono::milliseconds timeout{10'000};  // Of one export, retries included.

  std::string prometheus_address = "localhost:9464";  // OTEL_EXPORTER_PROMETHEUS_HOST and _PORT
};

// nullopt where a variable is not set.
using GetEnv = std::function<std::optional<std::string>(const std::string& name)>;
GetEnv ProcessEnvironment();

// Values that make no sense, and variables that have no effect here, are warned about; then the
// default holds.
Settings ReadSettings(const GetEnv& get, base::Logger& logger);

}  // namespace narthex::telemetry
