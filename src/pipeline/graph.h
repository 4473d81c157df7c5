#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "pipeline/factory.h"

namespace narthex::pipeline {

// The components of a configuration, connected. Made whole or not at all, without starting
// anything, so that building it is how a configuration is validated. One thread at a time.
class Graph {
 public:
  // Reads the top level of a collector's configuration: receivers, processors, exporters,
  // connectors, extensions and, of `service`, its extensions and pipelines. Whatever is wrong goes
  // into `diagnostics`, in the official collector's words; then the result is null.
  // `service.telemetry` is the caller's and is not looked at. Traces and logs are passed on as they
  // came where all components of a pipeline can do so.
  static std::unique_ptr<Graph> Build(const config::Node& root, const Factories& factories,
                                      Host& host, config::Diagnostics& diagnostics);
  ~Graph();

  // Extensions, exporters, processors from the last to the first, receivers at the end. After an
  // error everything is stopped again.
  base::Status Start();
  // The other way round, so that what is under way drains.
  void Stop();

 private:
  friend class GraphBuilder;

  struct Named {
    std::string name;  // "processor batch", for messages.
    Component* component;
  };

  Graph() = default;

  // Owners; `consumers_` are the fan-outs between them.
  std::vector<std::unique_ptr<Component>> components_;
  std::vector<std::unique_ptr<Consumer>> consumers_;
  std::vector<std::unique_ptr<Passage>> passages_;
  std::vector<Extension*> extensions_;
  std::vector<Named> start_order_;
  size_t started_ = 0;
};

}  // namespace narthex::pipeline
