#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/reader.h"
#include "pipeline/factory.h"

namespace narthex::pipeline {

// The top level of a collector's configuration: which components are declared, and which pipelines
// use them. Views into the document.
struct GraphConfig {
  struct Declared {
    const config::Node* key;
    const config::Node* body;
  };
  using DeclaredMap = std::map<ComponentId, Declared>;
  // Where a pipeline names a component.
  struct Use {
    ComponentId id;
    const config::Node* at;
  };
  struct Pipeline {
    std::string id;
    Signal signal = Signal::kMetrics;
    const config::Node* key = nullptr;
    std::vector<Use> receivers, processors, exporters;
  };

  DeclaredMap receivers, processors, exporters, connectors, extensions;
  std::vector<Use> service_extensions;
  std::vector<Pipeline> pipelines;
};

// What is wrong goes into `diagnostics`, in the official collector's words, and is left out.
GraphConfig ReadGraphConfig(const config::Node& root, const Factories& factories,
                            config::Diagnostics& diagnostics);

// The row of a type or of its other spelling; nullptr for an unknown one.
template <class Factory>
const Factory* FindFactory(std::span<const Factory> factories, std::string_view type) {
  for (const Factory& factory : factories) {
    if (factory.type == type || (!factory.alias.empty() && factory.alias == type)) return &factory;
  }
  return nullptr;
}

}  // namespace narthex::pipeline
