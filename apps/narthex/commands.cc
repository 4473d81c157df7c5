#include "commands.h"

namespace narthex::apps {

std::span<const Command> Commands() {
  static constexpr Command kCommands[] = {
      {"demo", nullptr, "run the whole pipeline here: load, API, collector, server", &RunDemo},
      {"api", nullptr, "serve the demo's instrumented HTTP API", &RunApi},
      {"collector", "otelcol", "receive and export metrics: stands in for otelcol", &RunCollector},
      {"server", "prometheus", "scrape, store and query: stands in for prometheus", &RunServer},
      {"tool", "promtool", "look into files without a server: stands in for promtool", &RunTool},
      {"load", nullptr, "send traffic to the demo's API", &RunLoad},
  };
  return kCommands;
}

}  // namespace narthex::apps
