#include "telemetry/metrics.h"

#include "telemetry/otlp_http_exporter.h"

namespace narthex::telemetry {

Metrics::Metrics(Settings settings, const base::Clock& clock, base::Logger& logger)
    : provider_({.resource = sdk::Resource::Create(settings.resource_attributes.items()),
                 .clock = clock,
                 .logger = logger,
                 .readers = {{.temporality = settings.temporality}}}) {
  if (settings.disabled || settings.exporter == Settings::Exporter::kNone) return;
  OtlpHttpExporter::Config config{
      .url = settings.url,
      .encoding = settings.json ? otlp::Encoding::kJson : otlp::Encoding::kProtobuf,
      .gzip = settings.gzip};
  for (const auto& [name, value] : settings.headers) config.headers.Add(name, value);
  reader_ = std::make_unique<PeriodicReader>(
      provider_, std::make_unique<OtlpHttpExporter>(std::move(config), clock, logger),
      PeriodicReader::Config{.interval = settings.interval, .timeout = settings.timeout}, clock,
      logger);
}

}  // namespace narthex::telemetry
