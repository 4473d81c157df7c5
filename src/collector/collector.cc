#include "collector/collector.h"

#include "collector/components.h"

namespace narthex::collector {

base::Result<std::unique_ptr<Collector>> Collector::Create(const ConfigSources& sources,
                                                           base::Env env, const GetEnv& get_env,
                                                           base::Logger& logger) {
  ASSIGN_OR_RETURN(const LoadedConfig loaded, LoadConfig(sources, env.files, get_env, logger));
  config::Diagnostics diagnostics(loaded.name);
  const config::Node* service = loaded.root.Find("service");
  const config::Node* telemetry = service != nullptr ? service->Find("telemetry") : nullptr;
  const SelfTelemetryConfig telemetry_config = ReadSelfTelemetry(telemetry, diagnostics, logger);

  std::unique_ptr<Collector> collector(new Collector());
  collector->logger_ =
      std::make_unique<base::Logger>(telemetry_config.log_level, telemetry_config.log_format);
  collector->telemetry_ =
      std::make_unique<SelfTelemetry>(telemetry_config, env, *collector->logger_);
  sdk::Meter& meter = collector->telemetry_->meter();
  collector->instruments_ = std::make_unique<pipeline::Instruments>(meter);
  collector->host_ = std::make_unique<pipeline::Host>(
      pipeline::Host{env, *collector->logger_, meter, *collector->instruments_,
                     [telemetry = collector->telemetry_.get()] { return telemetry->Page(); },
                     collector->telemetry_->instance_id()});
  collector->graph_ =
      pipeline::Graph::Build(loaded.root, BuiltInFactories(), *collector->host_, diagnostics);
  RETURN_IF_ERROR(diagnostics.ToStatus());
  return collector;
}

Collector::~Collector() { Stop(); }

base::Status Collector::Start() {
  is_running_ = true;
  base::Status status = telemetry_->Start();
  if (status.has_value()) status = graph_->Start();
  if (!status.has_value()) {
    Stop();
    return status;
  }
  logger_->Info("collector", "Everything is ready. Begin running and processing data.");
  return {};
}

void Collector::Stop() {
  if (!std::exchange(is_running_, false)) return;
  graph_->Stop();
  telemetry_->Stop();
}

}  // namespace narthex::collector
