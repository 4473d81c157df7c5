#pragma once

#include <memory>

#include "base/env.h"
#include "base/log.h"
#include "base/result.h"
#include "collector/config_source.h"
#include "collector/self_telemetry.h"
#include "pipeline/graph.h"

namespace narthex::collector {

// A collector from its configuration: what `otelcol` runs. One thread at a time.
class Collector {
 public:
  // Reads, checks and connects everything and opens nothing: a configuration is valid when this
  // succeeds. `logger` hears what is odd about it. Error: kInvalidArgument with every finding, one
  // "<file>:<line>:<column>: …" per line.
  static base::Result<std::unique_ptr<Collector>> Create(const ConfigSources& sources,
                                                         base::Env env, const GetEnv& get_env,
                                                         base::Logger& logger);
  ~Collector();

  base::Status Start();
  // Receivers first, so that what is under way drains. Works twice.
  void Stop();

  // The port of the page about the collector itself; 0 where there is none.
  uint16_t self_port() const { return telemetry_->port(); }
  base::Logger& logger() { return *logger_; }

 private:
  Collector() = default;

  std::unique_ptr<base::Logger> logger_;
  std::unique_ptr<SelfTelemetry> telemetry_;
  std::unique_ptr<pipeline::Instruments> instruments_;
  std::unique_ptr<pipeline::Host> host_;
  std::unique_ptr<pipeline::Graph> graph_;
  bool is_running_ = false;
};

}  // namespace narthex::collector
