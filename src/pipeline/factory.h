#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "config/reader.h"
#include "pipeline/component.h"
#include "pipeline/probe.h"

namespace narthex::pipeline {

// The world as a component is given it. Its members outlive the component.
struct Host {
  base::Env env;
  base::Logger& logger;
  sdk::Meter& meter;
  Instruments& instruments;
  // The collector's page about itself, for those who show it to people; may be null.
  std::function<std::string()> self_page;
  std::string instance_id;  // The collector's, `service.instance.id`; may be empty.
  // Bytes of the data that limiters have let in and that are held somewhere still. Shared with the
  // data, which may outlive everything else.
  std::shared_ptr<std::atomic<uint64_t>> held_bytes = std::make_shared<std::atomic<uint64_t>>(0);
};

// Everything that a component is made from. `diagnostics` takes what is wrong with the
// configuration; a component that reports something there is never started.
struct CreateContext {
  const ComponentId& id;
  const config::Node& config;  // Null where the file has nothing.
  config::Diagnostics& diagnostics;
  Host& host;
  // The extensions of the service, made already; null where there are none.
  const std::map<ComponentId, Extension*>* extensions = nullptr;

  // nullptr when the service has none of that id.
  Extension* FindExtension(const ComponentId& wanted) const {
    if (extensions == nullptr) return nullptr;
    const auto found = extensions->find(wanted);
    return found != extensions->end() ? found->second : nullptr;
  }
  // Says of each key that it changes nothing.
  void WarnWithoutEffect(const std::vector<std::string_view>& keys) const {
    for (const std::string_view key : keys) {
      host.logger.Warn("collector", "configuration key has no effect",
                       {{"component", id.ToString()}, {"key", key}});
    }
  }
};

// One row per component type; the composition root holds the lists. `create` never returns null.
// `alias`: another spelling that configurations may use, empty for none.
struct ReceiverFactory {
  std::string_view type;
  std::string_view alias;
  std::unique_ptr<Receiver> (*create)(const CreateContext& context, Consumer& next);
};
struct ProcessorFactory {
  std::string_view type;
  std::string_view alias;
  std::unique_ptr<Processor> (*create)(const CreateContext& context, Consumer& next);
};
struct ExporterFactory {
  std::string_view type;
  std::string_view alias;
  std::unique_ptr<Exporter> (*create)(const CreateContext& context);
};
// The pipelines that name a connector as their receiver. What it points to outlives the connector.
struct ConnectorOutputs {
  struct Pipeline {
    std::string id;
    Consumer* metrics = nullptr;  // Of a pipeline of metrics.
    Passage* passage = nullptr;   // Of any other.
  };
  std::vector<Pipeline> pipelines;
  Consumer* metrics = nullptr;          // All of those of metrics; null without any.
  std::map<Signal, Passage*> passages;  // All of those of another signal.
};
struct ConnectorFactory {
  std::string_view type;
  std::string_view alias;
  std::unique_ptr<Connector> (*create)(const CreateContext& context,
                                       const ConnectorOutputs& outputs);
};
struct ExtensionFactory {
  std::string_view type;
  std::string_view alias;
  std::unique_ptr<Extension> (*create)(const CreateContext& context);
  // The key under which one names another, which is then made first; empty for none.
  std::string_view other_key = {};
};

struct Factories {
  std::span<const ReceiverFactory> receivers;
  std::span<const ProcessorFactory> processors;
  std::span<const ExporterFactory> exporters;
  std::span<const ExtensionFactory> extensions;
  std::span<const ConnectorFactory> connectors;
};

}  // namespace narthex::pipeline
