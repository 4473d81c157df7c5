#include "telemetry/metrics.h"

#include <iostream>

#include "telemetry/console_exporter.h"
#include "telemetry/otlp_grpc_exporter.h"
#include "telemetry/otlp_http_exporter.h"
#include "telemetry/prometheus_reader.h"

namespace narthex::telemetry {
namespace {

using Exporter = Settings::Exporter;
using Protocol = Settings::Protocol;

// A page shows totals, whatever a sender would prefer.
sdk::ReaderOptions ReaderOf(const Settings& settings) {
  return {.temporality = settings.exporter == Exporter::kPrometheus
                             ? sdk::TemporalityPreference::kCumulative
                             : settings.temporality,
          .histogram_aggregation = settings.histogram_aggregation};
}

// Null where the settings name no files: then the system's authorities hold.
base::Result<std::shared_ptr<net::TlsClient>> MakeTls(const Settings& settings,
                                                      base::Logger& logger) {
  if (settings.ca_file.empty() && settings.cert_file.empty() && settings.key_file.empty()) {
    return nullptr;
  }
  config::TlsClientConfig config;
  config.ca.file = settings.ca_file;
  config.cert.file = settings.cert_file;
  config.key.file = settings.key_file;
  return net::TlsClient::Create(std::move(config), base::RealEnv(), logger);
}

base::Result<std::unique_ptr<MetricExporter>> MakeExporter(const Settings& settings,
                                                           const base::Clock& clock,
                                                           base::Logger& logger) {
  if (settings.exporter == Exporter::kConsole) {
    return std::make_unique<ConsoleExporter>(
        [](std::string_view line) { std::cout << line << std::flush; });
  }
  ASSIGN_OR_RETURN(const auto tls, MakeTls(settings, logger));
  net::Headers headers;
  for (const auto& [name, value] : settings.headers) headers.Add(name, value);
  if (settings.protocol == Protocol::kGrpc) {
    return std::make_unique<OtlpGrpcExporter>(
        OtlpGrpcExporter::Config{.target = settings.url,
                                 .headers = std::move(headers),
                                 .gzip = settings.gzip,
                                 .tls = tls},
        clock, logger);
  }
  return std::make_unique<OtlpHttpExporter>(
      OtlpHttpExporter::Config{.url = settings.url,
                               .headers = std::move(headers),
                               .encoding = settings.protocol == Protocol::kHttpJson
                                               ? otlp::Encoding::kJson
                                               : otlp::Encoding::kProtobuf,
                               .gzip = settings.gzip,
                               .tls = tls},
      clock, logger);
}

}  // namespace

Metrics::Metrics(Settings settings, const base::Clock& clock, base::Logger& logger,
                 std::vector<sdk::View> views)
    : provider_({.resource = sdk::Resource::Create(settings.resource_attributes.items()),
                 .clock = clock,
                 .logger = logger,
                 .readers = {ReaderOf(settings)},
                 .views = std::move(views),
                 .exemplars = settings.exemplars}) {
  if (settings.disabled || settings.exporter == Exporter::kNone) return;
  if (settings.exporter == Exporter::kPrometheus) {
    ServePrometheus(settings, logger);
    return;
  }
  auto exporter = MakeExporter(settings, clock, logger);
  if (!exporter.has_value()) {
    logger.Error("telemetry", "metrics are not exported", {{"error", exporter.error().message}});
    return;
  }
  reader_ = std::make_unique<PeriodicReader>(
      provider_, *std::move(exporter),
      PeriodicReader::Config{.interval = settings.interval, .timeout = settings.timeout}, clock,
      logger);
}

Metrics::~Metrics() = default;

void Metrics::ServePrometheus(const Settings& settings, base::Logger& logger) {
  auto page = PrometheusReader::Start(provider_, {.listen_address = settings.prometheus_address});
  if (page.has_value()) {
    page_ = *std::move(page);
  } else {
    logger.Error("telemetry", "metrics are not served", {{"error", page.error().message}});
  }
}

base::Status Metrics::Shutdown() {
  if (page_ != nullptr) page_->Shutdown();
  return reader_ != nullptr ? reader_->Shutdown() : base::Status();
}

}  // namespace narthex::telemetry
