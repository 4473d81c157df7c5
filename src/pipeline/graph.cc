#include "pipeline/graph.h"

#include <algorithm>
#include <ranges>
#include <set>

#include "sdk/meter_provider.h"

namespace narthex::pipeline {
namespace {

using config::Diagnostics;
using config::MapReader;
using config::Node;

// Gives every batch to several consumers. All get it, whatever the others answer.
class FanOut final : public Consumer {
 public:
  explicit FanOut(std::vector<Consumer*> next) : next_(std::move(next)) {}

  base::Status Consume(otlp::Batch batch) override {
    base::Status result;
    for (size_t i = 0; i + 1 < next_.size(); ++i) Keep(result, next_[i]->Consume(batch.Clone()));
    Keep(result, next_.back()->Consume(std::move(batch)));
    return result;
  }

 private:
  static void Keep(base::Status& result, base::Status status) {
    if (result.has_value()) result = std::move(status);
  }

  const std::vector<Consumer*> next_;
};

// Behind a receiver that no pipeline of metrics has.
class Nowhere final : public Consumer {
 public:
  base::Status Consume(otlp::Batch) override {
    return base::Fail(base::Code::kUnimplemented, "no pipeline takes metrics from this receiver");
  }
};

// A component of the configuration file.
struct Declared {
  const Node* key;
  const Node* body;
};
using DeclaredMap = std::map<ComponentId, Declared>;

template <class Factory>
const Factory* FindFactory(std::span<const Factory> factories, std::string_view type) {
  for (const Factory& factory : factories) {
    if (factory.type == type || (!factory.alias.empty() && factory.alias == type)) return &factory;
  }
  return nullptr;
}

template <class Factory>
std::string KnownTypes(std::span<const Factory> factories) {
  std::string out;
  for (const Factory& factory : factories) {
    if (!out.empty()) out += ' ';
    out += factory.type;
  }
  return out;
}

}  // namespace

// Builds one Graph.
class GraphBuilder {
 public:
  GraphBuilder(const Node& root, const Factories& factories, Host& host, Diagnostics& diagnostics)
      : root_(root), factories_(factories), host_(host), diagnostics_(diagnostics) {}

  std::unique_ptr<Graph> Build() {
    // Goes on after a mistake, to find the others in the same run.
    ReadTopLevel();
    MakeExtensions();
    MakeExporters();
    for (Pipeline& pipeline : pipelines_) MakeProcessors(pipeline);
    MakeReceivers();
    CheckUnused();
    if (!diagnostics_.ok()) return nullptr;
    for (const auto& [id, extension] : made_extensions_) extension->Describe(MakeOutline());
    return std::move(graph_);
  }

 private:
  struct Use {
    ComponentId id;
    const Node* at;
  };
  struct Pipeline {
    std::string id;
    Signal signal = Signal::kMetrics;
    std::vector<Use> receivers, processors, exporters;
    Consumer* entry = nullptr;   // Of metrics.
    Passage* passage = nullptr;  // Of other signals.
  };

  void Report(const Node& at, std::string_view message) { diagnostics_.Add(at.at, message); }

  void ReadTopLevel() {
    MapReader reader(root_, diagnostics_);
    receivers_ = ReadDeclared(reader, "receivers", factories_.receivers);
    processors_ = ReadDeclared(reader, "processors", factories_.processors);
    exporters_ = ReadDeclared(reader, "exporters", factories_.exporters);
    extensions_ = ReadDeclared(reader, "extensions", factories_.extensions);
    ReadDeclared(reader, "connectors", std::span<const ReceiverFactory>());
    const Node* service = reader.Take("service");
    reader.Finish();
    if (receivers_.empty()) Report(root_, "no receiver configuration specified in config");
    if (exporters_.empty()) Report(root_, "no exporter configuration specified in config");
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
    service_extensions_ =
        ReadUses(reader.Take("extensions"), "service::extensions", "extension", extensions_);
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
    Pipeline pipeline{.id = std::string(id)};
    if (signal == "traces") {
      pipeline.signal = Signal::kTraces;
    } else if (signal == "logs") {
      pipeline.signal = Signal::kLogs;
    } else if (signal != "metrics") {
      Report(key, fmt::format("{}: unknown signal \"{}\"", where, signal));
      return;
    }
    MapReader reader(body, diagnostics_);
    pipeline.receivers = ReadUses(reader.Take("receivers"), where, "receiver", receivers_);
    pipeline.processors = ReadUses(reader.Take("processors"), where, "processor", processors_);
    pipeline.exporters = ReadUses(reader.Take("exporters"), where, "exporter", exporters_);
    reader.Finish();
    for (const std::string_view what : {"receiver", "exporter"}) {
      const Node* list = body.Find(std::string(what) + "s");
      if (list != nullptr && !list->items.empty()) continue;
      Report(key, fmt::format("{}: must have at least one {}", where, what));
    }
    pipelines_.push_back(std::move(pipeline));
  }

  std::vector<Use> ReadUses(const Node* list, const std::string& where, std::string_view what,
                            const DeclaredMap& declared) {
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
      } else if (!declared.contains(*id)) {
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

  CreateContext ContextOf(const ComponentId& id, const Declared& declared) {
    made_.insert(declared.body);
    return {.id = id,
            .config = *declared.body,
            .diagnostics = diagnostics_,
            .host = host_,
            .extensions = &made_extensions_};
  }

  template <class T>
  T* Keep(std::unique_ptr<T> component, std::string_view kind, const ComponentId& id) {
    T* raw = component.get();
    graph_->start_order_.push_back({fmt::format("{} {}", kind, id.ToString()), raw});
    graph_->components_.push_back(std::move(component));
    return raw;
  }

  void MakeExtensions() {
    for (const Use& use : service_extensions_) {
      const Declared& declared = extensions_.at(use.id);
      const auto* factory = FindFactory(factories_.extensions, use.id.type);
      if (factory == nullptr) continue;
      made_extensions_[use.id] =
          Keep(factory->create(ContextOf(use.id, declared)), "extension", use.id);
    }
  }

  void MakeExporters() {
    for (const Pipeline& pipeline : pipelines_) {
      for (const Use& use : pipeline.exporters) {
        if (made_exporters_.contains(use.id)) continue;
        const auto* factory = FindFactory(factories_.exporters, use.id.type);
        if (factory == nullptr) continue;
        made_exporters_[use.id] =
            Keep(factory->create(ContextOf(use.id, exporters_.at(use.id))), "exporter", use.id);
      }
    }
  }

  // Traces and logs go from OTLP to OTLP as they came; what would have to look into them cannot.
  void MakePassage(Pipeline& pipeline) {
    const std::string where = fmt::format("service::pipelines::{}", pipeline.id);
    for (const Use& use : pipeline.processors) {
      if (use.id.type != "batch" && use.id.type != "memory_limiter") {
        Report(*use.at, fmt::format("{}: processor \"{}\" works on metrics only; {} are passed on "
                                    "as they come, from otlp receivers to otlp exporters",
                                    where, use.id.ToString(), NameOf(pipeline.signal)));
        continue;
      }
      host_.logger.Info("pipeline", "requests of this pipeline are passed on one by one",
                        {{"pipeline", pipeline.id}, {"without_effect", use.id.ToString()}});
    }
    std::vector<Passage*> exporters;
    for (const Use& use : pipeline.exporters) {
      const auto made = made_exporters_.find(use.id);
      if (made == made_exporters_.end()) continue;
      Passage* passage = made->second->passage();
      if (passage == nullptr) {
        Report(*use.at, fmt::format("{}: exporter \"{}\" takes metrics only; {} are passed on to "
                                    "otlp exporters",
                                    where, use.id.ToString(), NameOf(pipeline.signal)));
        continue;
      }
      exporters.push_back(passage);
    }
    if (!exporters.empty()) pipeline.passage = JoinPassages(std::move(exporters));
  }

  void MakeProcessors(Pipeline& pipeline) {
    if (pipeline.signal != Signal::kMetrics) return MakePassage(pipeline);
    std::vector<Consumer*> exporters;
    for (const Use& use : pipeline.exporters) {
      if (const auto made = made_exporters_.find(use.id); made != made_exporters_.end()) {
        exporters.push_back(made->second);
      }
    }
    if (exporters.empty()) return;
    pipeline.entry = Join(std::move(exporters));
    for (const Use& use : pipeline.processors | std::views::reverse) {
      const auto* factory = FindFactory(factories_.processors, use.id.type);
      if (factory == nullptr) continue;
      Processor* processor =
          Keep(factory->create(ContextOf(use.id, processors_.at(use.id)), *pipeline.entry),
               "processor", use.id);
      pipeline.entry = processor;
    }
  }

  void MakeReceivers() {
    struct Ways {
      std::vector<Consumer*> metrics;
      std::map<Signal, std::vector<Passage*>> passages;
      std::map<Signal, const Node*> at;
    };
    std::map<ComponentId, Ways> ways_of;
    for (const Pipeline& pipeline : pipelines_) {
      for (const Use& use : pipeline.receivers) {
        Ways& ways = ways_of[use.id];
        if (pipeline.entry != nullptr) ways.metrics.push_back(pipeline.entry);
        if (pipeline.passage == nullptr) continue;
        ways.passages[pipeline.signal].push_back(pipeline.passage);
        ways.at[pipeline.signal] = use.at;
      }
    }
    for (auto& [id, ways] : ways_of) {
      const auto* factory = FindFactory(factories_.receivers, id.type);
      if (factory == nullptr || (ways.metrics.empty() && ways.passages.empty())) continue;
      if (ways.metrics.empty()) {
        ways.metrics.push_back(graph_->consumers_.emplace_back(std::make_unique<Nowhere>()).get());
      }
      Receiver* receiver =
          Keep(factory->create(ContextOf(id, receivers_.at(id)), *Join(std::move(ways.metrics))),
               "receiver", id);
      for (auto& [signal, passages] : ways.passages) {
        if (receiver->Connect(signal, *JoinPassages(std::move(passages)))) continue;
        Report(
            *ways.at[signal],
            fmt::format("receiver \"{}\" gives metrics only; {} are passed on from otlp receivers",
                        id.ToString(), NameOf(signal)));
      }
    }
  }

  // What no pipeline uses has to be right, too: it is made for its findings and dropped.
  void CheckUnused() {
    sdk::MeterProvider provider;
    const auto meter = provider.GetMeter("unused");
    Instruments instruments(*meter);
    Host host{host_.env, host_.logger, *meter, instruments};
    FanOut nowhere({});
    const auto check = [&](const DeclaredMap& declared, const auto& factories, auto... next) {
      for (const auto& [id, body] : declared) {
        const auto* factory = FindFactory(factories, id.type);
        if (factory == nullptr || made_.contains(body.body)) continue;
        CreateContext context{.id = id,
                              .config = *body.body,
                              .diagnostics = diagnostics_,
                              .host = host,
                              .extensions = &made_extensions_};
        factory->create(context, *next...);
      }
    };
    check(receivers_, factories_.receivers, &nowhere);
    check(processors_, factories_.processors, &nowhere);
    check(exporters_, factories_.exporters);
    check(extensions_, factories_.extensions);
  }

  Consumer* Join(std::vector<Consumer*> consumers) {
    if (consumers.size() == 1) return consumers[0];
    return graph_->consumers_.emplace_back(std::make_unique<FanOut>(std::move(consumers))).get();
  }

  Passage* JoinPassages(std::vector<Passage*> passages) {
    if (passages.size() == 1) return passages[0];
    return graph_->passages_.emplace_back(std::make_unique<PassageFanOut>(std::move(passages)))
        .get();
  }

  Outline MakeOutline() const {
    const auto ids = [](const std::vector<Use>& uses) {
      std::vector<std::string> out;
      for (const Use& use : uses) out.push_back(use.id.ToString());
      return out;
    };
    Outline outline;
    for (const Pipeline& pipeline : pipelines_) {
      outline.pipelines.push_back({pipeline.id, ids(pipeline.receivers), ids(pipeline.processors),
                                   ids(pipeline.exporters)});
    }
    outline.extensions = ids(service_extensions_);
    return outline;
  }

  const Node& root_;
  const Factories& factories_;
  Host& host_;
  Diagnostics& diagnostics_;
  DeclaredMap receivers_, processors_, exporters_, extensions_;
  std::vector<Use> service_extensions_;
  std::vector<Pipeline> pipelines_;
  std::map<ComponentId, Extension*> made_extensions_;
  std::map<ComponentId, Exporter*> made_exporters_;
  std::set<const Node*> made_;  // Bodies of the components that were made.
  std::unique_ptr<Graph> graph_{new Graph()};
};

std::unique_ptr<Graph> Graph::Build(const Node& root, const Factories& factories, Host& host,
                                    Diagnostics& diagnostics) {
  if (root.is_null()) {
    diagnostics.Add(root.at, "empty configuration file");
    return nullptr;
  }
  return GraphBuilder(root, factories, host, diagnostics).Build();
}

Graph::~Graph() { Stop(); }

base::Status Graph::Start() {
  while (started_ < start_order_.size()) {
    const Named& next = start_order_[started_];
    // Stop covers a component whose Start failed half way, too.
    ++started_;
    if (base::Status status = next.component->Start(); !status.has_value()) {
      Stop();
      return std::unexpected(std::move(status).error().In(next.name));
    }
  }
  return {};
}

void Graph::Stop() {
  while (started_ > 0) start_order_[--started_].component->Stop();
}

}  // namespace narthex::pipeline
