#include <fmt/core.h>

#include <cstdio>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "commands.h"
#include "demo/shop_api.h"
#include "flags.h"
#include "stop_signal.h"
#include "telemetry/metrics.h"

namespace narthex::apps {
namespace {

constexpr CommandHelp kHelp = {
    "narthex api",
    "Serves the demo's HTTP API and sends its metrics to a collector over OTLP.",
    "  narthex api                                         :8080, to a collector on :4318\n"
    "  OTEL_METRIC_EXPORT_INTERVAL=1000 narthex api        an export every second\n"
    "  narthex api --otlp.endpoint=http://collector:4318\n",
};

constexpr FlagSpec kFlags[] = {
    {"listen-address", FlagKind::kString, ":8080", "Where to serve HTTP."},
    {"otlp.endpoint", FlagKind::kString, "",
     "Base URL of the collector's OTLP over HTTP; without it what OTEL_EXPORTER_OTLP_ENDPOINT "
     "says, or else http://localhost:4318."},
    {"seed", FlagKind::kInt, "0", "Of the random latencies and failures; 0 chooses one."},
    {"shutdown.timeout", FlagKind::kDuration, "10s",
     "How long requests in flight may take to finish after Ctrl-C."},
};

constexpr char kEndpointVariable[] = "OTEL_EXPORTER_OTLP_ENDPOINT";
constexpr char kMetricsEndpointVariable[] = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
constexpr char kServiceNameVariable[] = "OTEL_SERVICE_NAME";
constexpr char kResourceVariable[] = "OTEL_RESOURCE_ATTRIBUTES";
constexpr char kDefaultServiceName[] = "narthex-api";

// The environment, under what the command line says and over what this program is by default.
telemetry::GetEnv EnvironmentUnder(const Flags& flags) {
  return [get = telemetry::ProcessEnvironment(), endpoint = flags.String("otlp.endpoint")](
             const std::string& name) -> std::optional<std::string> {
    if (!endpoint.empty() && name == kEndpointVariable) return endpoint;
    if (!endpoint.empty() && name == kMetricsEndpointVariable) return std::nullopt;
    std::optional<std::string> value = get(name);
    if (name == kResourceVariable && !value.value_or("").contains("service.instance.id")) {
      // Without an instance two processes' counters would take turns in one series.
      std::string with_id = value.value_or("");
      if (!with_id.empty()) with_id += ',';
      return with_id + fmt::format("service.instance.id={:016x}", base::RandomSeed());
    }
    const bool names_service = get(kResourceVariable).value_or("").contains("service.name=");
    if (name == kServiceNameVariable && !value.has_value() && !names_service) {
      return kDefaultServiceName;
    }
    return value;
  };
}

}  // namespace

int RunApi(int argc, char** argv) {
  const auto flags = ParseCommandLine(kHelp, kFlags, argc, argv);
  if (!flags.has_value()) return flags.error();
  StopSignal signal;
  base::Logger logger(base::LogLevel::kInfo, base::LogFormat::kLogfmt);
  telemetry::Settings settings = telemetry::ReadSettings(EnvironmentUnder(*flags), logger);
  const std::string url = settings.url;
  telemetry::Metrics metrics(std::move(settings), base::SystemClock(), logger);
  const auto meter = metrics.provider().GetMeter("narthex.shop");
  const int64_t seed = flags->Int("seed");
  auto api =
      demo::ShopApi::Start({.listen_address = flags->String("listen-address"),
                            .seed = seed != 0 ? static_cast<uint64_t>(seed) : base::RandomSeed()},
                           *meter, base::SystemClock());
  if (!api.has_value()) {
    fmt::print(stderr, "narthex api: {}\n", api.error().message);
    return 1;
  }
  logger.Info("api", "serving", {{"port", (*api)->port()}, {"otlp", url}});
  while (signal.Wait() != StopSignal::Event::kStop) {
  }
  logger.Info("api", "stopping: requests in flight finish first");
  (*api)->Stop(std::chrono::milliseconds(flags->DurationMs("shutdown.timeout")));
  if (const base::Status status = metrics.Shutdown(); !status.has_value()) {
    logger.Error("api", "the last export failed", {{"err", status.error().message}});
    return 1;
  }
  logger.Info("api", "stopped");
  return 0;
}

}  // namespace narthex::apps
