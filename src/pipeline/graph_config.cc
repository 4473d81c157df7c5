#include "pipeline/graph_config.h"

#include <algorithm>
#include <set>

namespace narthex::pipeline {
namespace {

using config::Diagnostics;
using config::MapReader;
using config::Node;
using Declared = GraphConfig::Declared;
using DeclaredMap = GraphConfig::DeclaredMap;
using Use = GraphConfig::Use;
using Pipeline = GraphConfig::Pipeline;

template <class Factory>
std::string KnownTypes(std::span<const Factory> factories) {
  std::string out;
  for (const Factory& factory : factories) {
    if (!out.empty()) out += ' ';
    out += factory.type;
  }
  return out;
}

bool Names(const std::vector<Use>& uses, const ComponentId& id) {
  return std::ranges::find(uses, id, &Use::id) != uses.end();
}

class GraphReader {
 public:
  GraphReader(const Node& root, const Factories& factories, Diagnostics& diagnostics)
      : root_(root), factories_(factories), diagnostics_(diagnostics) {}

  // Goes on after a mistake, to find the others in the same run.
  GraphConfig Run() {
    ReadTopLevel();
    for (const auto& [id, connector] : config_.connectors) CheckConnector(id, connector);
    return std::move(config_);
  }

 private:
  void Report(const Node& at, std::string_view message) { diagnostics_.Add(at.at, message); }

  void ReadTopLevel() {
    MapReader reader(root_, diagnostics_);
    config_.receivers = ReadDeclared(reader, "receivers", factories_.receivers);
    config_.processors = ReadDeclared(reader, "processors", factories_.processors);
    config_.exporters = ReadDeclared(reader, "exporters", factories_.exporters);
    config_.connectors = ReadDeclared(reader, "connectors", factories_.connectors);
    config_.extensions = ReadDeclared(reader, "extensions", factories_.extensions);
    const Node* service = reader.Take("service");
    reader.Finish();
    if (config_.receivers.empty()) Report(root_, "no receiver configuration specified in config");
    if (config_.exporters.empty()) Report(root_, "no exporter configuration specified in config");
    if (service == nullptr) {
      Report(root_, "service must have at least one pipeline");
      return;
    }
    ReadService(*service);
  }

  template <class Factory>
  DeclaredMap ReadDeclared(MapReader& reader, std::string_view section,
                           std::span<const Factory> factories) {
    DeclaredMap declared;
    const Node* node = reader.Take(section);
    if (node == nullptr) return declared;
    if (!node->is_map()) {
      Report(*node, fmt::format("{} must be a map", section));
      return declared;
    }
    for (const auto& [key, body] : node->members) {
      const auto id = ComponentId::Parse(key.scalar);
      if (!id.has_value()) {
        Report(key, id.error().message);
        continue;
      }
      declared.emplace(*id, Declared{&key, &body});
      if (FindFactory(factories, id->type) == nullptr) {
        Report(key, fmt::format("{}: unknown type: \"{}\" for id: \"{}\" (valid values: [{}])",
                                section, id->type, key.scalar, KnownTypes(factories)));
      }
    }
    return declared;
  }

  void ReadService(const Node& service) {
    MapReader reader(service, diagnostics_);
    reader.Take("telemetry");
    config_.service_extensions = ReadUses(reader.Take("extensions"), "service::extensions",
                                          "extension", {&config_.extensions});
    const Node* pipelines = reader.Take("pipelines");
    reader.Finish();
    if (pipelines == nullptr || !pipelines->is_map() || pipelines->members.empty()) {
      Report(service, "service must have at least one pipeline");
      return;
    }
    for (const auto& [key, body] : pipelines->members) ReadPipeline(key, body);
  }

  void ReadPipeline(const Node& key, const Node& body) {
    const std::string_view id = key.scalar;
    const std::string_view signal = id.substr(0, id.find('/'));
    const std::string where = fmt::format("service::pipelines::{}", id);
    if (signal == "profiles") {
      Report(key, where + ": only pipelines of metrics, traces and logs are supported");
      return;
    }
    Pipeline pipeline{.id = std::string(id), .key = &key};
    if (signal == "traces") {
      pipeline.signal = Signal::kTraces;
    } else if (signal == "logs") {
      pipeline.signal = Signal::kLogs;
    } else if (signal != "metrics") {
      Report(key, fmt::format("{}: unknown signal \"{}\"", where, signal));
      return;
    }
    MapReader reader(body, diagnostics_);
    pipeline.receivers = ReadUses(reader.Take("receivers"), where, "receiver",
                                  {&config_.receivers, &config_.connectors});
    pipeline.processors =
        ReadUses(reader.Take("processors"), where, "processor", {&config_.processors});
    pipeline.exporters = ReadUses(reader.Take("exporters"), where, "exporter",
                                  {&config_.exporters, &config_.connectors});
    reader.Finish();
    for (const std::string_view what : {"receiver", "exporter"}) {
      const Node* list = body.Find(std::string(what) + "s");
      if (list != nullptr && !list->items.empty()) continue;
      Report(key, fmt::format("{}: must have at least one {}", where, what));
    }
    config_.pipelines.push_back(std::move(pipeline));
  }

  std::vector<Use> ReadUses(const Node* list, const std::string& where, std::string_view what,
                            std::initializer_list<const DeclaredMap*> declared) {
    std::vector<Use> uses;
    if (list == nullptr) return uses;
    if (!list->is_list()) {
      Report(*list, fmt::format("{}: {}s must be a list", where, what));
      return uses;
    }
    std::set<ComponentId> seen;
    for (const Node& item : list->items) {
      const auto id = ComponentId::Parse(item.scalar);
      if (!id.has_value()) {
        Report(item, fmt::format("{}: {}", where, id.error().message));
      } else if (std::ranges::none_of(declared,
                                      [&](const DeclaredMap* map) { return map->contains(*id); })) {
        Report(item, fmt::format("{}: references {} \"{}\" which is not configured", where, what,
                                 item.scalar));
      } else if (!seen.insert(*id).second) {
        Report(item,
               fmt::format("{}: references {} \"{}\" multiple times", where, what, item.scalar));
      } else {
        uses.push_back({*id, &item});
      }
    }
    return uses;
  }

  // Both ends of a connector have to be there, and nothing else of its name.
  void CheckConnector(const ComponentId& id, const Declared& connector) {
    for (const auto& [kind, declared] :
         {std::pair("receiver", &config_.receivers), std::pair("exporter", &config_.exporters)}) {
      if (!declared->contains(id)) continue;
      Report(*connector.key,
             fmt::format("connectors::{}: ambiguous ID: Found both \"{}\" {} and \"{}\" connector. "
                         "Change one of the components' IDs to eliminate ambiguity",
                         id.ToString(), id.ToString(), kind, id.ToString()));
    }
    const auto used = [&](auto member) {
      return std::ranges::any_of(
          config_.pipelines, [&](const Pipeline& pipeline) { return Names(pipeline.*member, id); });
    };
    const bool receives = used(&Pipeline::receivers), exports = used(&Pipeline::exporters);
    if (receives == exports) return;
    Report(*connector.key,
           fmt::format("connectors::{}: used as {} in a pipeline, and as {} in none", id.ToString(),
                       receives ? "receiver" : "exporter", receives ? "exporter" : "receiver"));
  }

  const Node& root_;
  const Factories& factories_;
  Diagnostics& diagnostics_;
  GraphConfig config_;
};

}  // namespace

GraphConfig ReadGraphConfig(const Node& root, const Factories& factories,
                            Diagnostics& diagnostics) {
  return GraphReader(root, factories, diagnostics).Run();
}

}  // namespace narthex::pipeline
