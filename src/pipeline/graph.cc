#include "pipeline/graph.h"

#include <algorithm>
#include <ranges>
#include <set>

#include "pipeline/graph_config.h"
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

// Behind a component that no pipeline of metrics has.
class Nowhere final : public Consumer {
 public:
  base::Status Consume(otlp::Batch) override {
    return base::Fail(base::Code::kUnimplemented, "no pipeline takes metrics from this receiver");
  }
};

}  // namespace

// Builds one Graph.
class GraphBuilder {
 public:
  GraphBuilder(const Node& root, const Factories& factories, Host& host, Diagnostics& diagnostics)
      : factories_(factories),
        host_(host),
        diagnostics_(diagnostics),
        config_(ReadGraphConfig(root, factories, diagnostics)) {}

  std::unique_ptr<Graph> Build() {
    MakeExtensions();
    MakeExporters();
    for (const GraphConfig::Pipeline& pipeline : config_.pipelines) Make(pipeline);
    MakeReceivers();
    CheckUnused();
    if (!diagnostics_.ok()) return nullptr;
    for (const auto& [id, extension] : made_extensions_) extension->Describe(MakeOutline());
    return std::move(graph_);
  }

 private:
  using Use = GraphConfig::Use;
  using Declared = GraphConfig::Declared;
  using PipelineConfig = GraphConfig::Pipeline;
  // The way into a pipeline, as far as it has been made.
  struct Pipeline {
    bool is_open = false;        // It is being made, so that a way back to it is a cycle.
    Consumer* entry = nullptr;   // Of metrics.
    Passage* passage = nullptr;  // Of other signals.
  };

  void Report(const Node& at, std::string_view message) { diagnostics_.Add(at.at, message); }

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
    for (const Use& use : config_.service_extensions) MakeExtension(use.id);
  }

  void MakeExtension(const ComponentId& id) {
    const Declared& declared = config_.extensions.at(id);
    const auto* factory = FindFactory(factories_.extensions, id.type);
    // What is being made is not made again for what it leads to.
    if (factory == nullptr || made_.contains(declared.body)) return;
    const CreateContext context = ContextOf(id, declared);
    if (const Node* other = declared.body->Find(factory->other_key); other != nullptr) {
      const auto other_id = ComponentId::Parse(other->scalar);
      const auto& listed = config_.service_extensions;
      if (other_id.has_value() && std::ranges::find(listed, *other_id, &Use::id) != listed.end()) {
        MakeExtension(*other_id);
      }
    }
    Extension* extension = Keep(factory->create(context), "extension", id);
    made_extensions_[id] = extension;
    graph_->extensions_.push_back(extension);
  }

  void MakeExporters() {
    for (const PipelineConfig& pipeline : config_.pipelines) {
      for (const Use& use : pipeline.exporters) {
        if (made_exporters_.contains(use.id) || config_.connectors.contains(use.id)) continue;
        const auto* factory = FindFactory(factories_.exporters, use.id.type);
        if (factory == nullptr) continue;
        made_exporters_[use.id] = Keep(
            factory->create(ContextOf(use.id, config_.exporters.at(use.id))), "exporter", use.id);
      }
    }
  }

  // The pipeline, and first what its connectors lead to.
  Pipeline& Make(const PipelineConfig& config) {
    const auto [place, is_new] = pipelines_.try_emplace(config.id);
    Pipeline& pipeline = place->second;
    if (pipeline.is_open) {
      Report(*config.key,
             fmt::format("cycle detected: connectors lead from pipeline \"{}\" back to "
                         "itself",
                         config.id));
    }
    if (!is_new) return pipeline;
    pipeline.is_open = true;
    if (config.signal == Signal::kMetrics) {
      MakeProcessors(config, pipeline);
    } else {
      MakePassage(config, pipeline);
    }
    pipeline.is_open = false;
    return pipeline;
  }

  // nullptr where it cannot be made.
  Connector* MakeConnector(const ComponentId& id) {
    if (const auto made = made_connectors_.find(id); made != made_connectors_.end()) {
      return made->second;
    }
    ConnectorOutputs outputs;
    std::vector<Consumer*> metrics;
    std::map<Signal, std::vector<Passage*>> passages;
    for (const PipelineConfig& config : config_.pipelines) {
      if (std::ranges::find(config.receivers, id, &Use::id) == config.receivers.end()) continue;
      const Pipeline& pipeline = Make(config);
      outputs.pipelines.push_back({config.id, pipeline.entry, pipeline.passage});
      if (pipeline.entry != nullptr) metrics.push_back(pipeline.entry);
      if (pipeline.passage != nullptr) passages[config.signal].push_back(pipeline.passage);
    }
    const auto* factory = FindFactory(factories_.connectors, id.type);
    if (factory == nullptr || !diagnostics_.ok()) return nullptr;
    if (!metrics.empty()) outputs.metrics = Join(std::move(metrics));
    for (auto& [signal, all] : passages) outputs.passages[signal] = JoinPassages(std::move(all));
    Connector* connector =
        Keep(factory->create(ContextOf(id, config_.connectors.at(id)), outputs), "connector", id);
    made_connectors_[id] = connector;
    return connector;
  }

  // Traces and logs go from OTLP to OTLP as they came; what would have to look into them cannot.
  void MakePassage(const PipelineConfig& config, Pipeline& pipeline) {
    const std::string where = fmt::format("service::pipelines::{}", config.id);
    std::vector<Passage*> ends;
    for (const Use& use : config.exporters) {
      const bool is_connector = config_.connectors.contains(use.id);
      Passage* passage = nullptr;
      if (is_connector) {
        Connector* connector = MakeConnector(use.id);
        if (connector == nullptr) continue;
        passage = connector->passage(config.signal);
      } else {
        const auto made = made_exporters_.find(use.id);
        if (made == made_exporters_.end()) continue;
        passage = made->second->PassageOf(config.signal);
      }
      if (passage != nullptr) {
        ends.push_back(passage);
        continue;
      }
      Report(*use.at,
             is_connector
                 ? fmt::format("{}: connector \"{}\" takes no {} to where it leads", where,
                               use.id.ToString(), NameOf(config.signal))
                 : fmt::format("{}: exporter \"{}\" takes metrics only; {} are passed on to otlp "
                               "exporters",
                               where, use.id.ToString(), NameOf(config.signal)));
    }
    if (ends.empty()) return;
    pipeline.passage = JoinPassages(std::move(ends));
    for (const Use& use : config.processors | std::views::reverse) {
      PutInFront(use, where, config, pipeline);
    }
  }

  void PutInFront(const Use& use, const std::string& where, const PipelineConfig& config,
                  Pipeline& pipeline) {
    const auto* factory = FindFactory(factories_.processors, use.id.type);
    if (factory == nullptr) return;
    std::unique_ptr<Processor> processor =
        factory->create(ContextOf(use.id, config_.processors.at(use.id)), MakeNowhere());
    Passage* entry = processor->PassageTo(config.signal, *pipeline.passage);
    if (entry == nullptr) {
      Report(*use.at, fmt::format("{}: processor \"{}\" works on metrics only; {} are passed on "
                                  "as they come, from otlp receivers to otlp exporters",
                                  where, use.id.ToString(), NameOf(config.signal)));
    } else if (entry == pipeline.passage) {
      host_.logger.Info("pipeline", "requests of this pipeline are passed on one by one",
                        {{"pipeline", config.id}, {"without_effect", use.id.ToString()}});
    } else {
      Keep(std::move(processor), "processor", use.id);
      pipeline.passage = entry;
    }
  }

  void MakeProcessors(const PipelineConfig& config, Pipeline& pipeline) {
    std::vector<Consumer*> ends;
    for (const Use& use : config.exporters) {
      if (!config_.connectors.contains(use.id)) {
        const auto made = made_exporters_.find(use.id);
        if (made != made_exporters_.end()) ends.push_back(made->second);
        continue;
      }
      Connector* connector = MakeConnector(use.id);
      if (connector == nullptr) continue;
      if (Consumer* consumer = connector->consumer()) {
        ends.push_back(consumer);
      } else {
        Report(*use.at, fmt::format("service::pipelines::{}: connector \"{}\" takes no metrics to "
                                    "where it leads",
                                    config.id, use.id.ToString()));
      }
    }
    if (ends.empty()) return;
    Consumer* entry = Join(std::move(ends));
    for (const Use& use : config.processors | std::views::reverse) {
      const auto* factory = FindFactory(factories_.processors, use.id.type);
      if (factory == nullptr) continue;
      entry = Keep(factory->create(ContextOf(use.id, config_.processors.at(use.id)), *entry),
                   "processor", use.id);
    }
    pipeline.entry = entry;
  }

  void MakeReceivers() {
    struct Ways {
      std::vector<Consumer*> metrics;
      std::map<Signal, std::vector<Passage*>> passages;
      std::map<Signal, const Node*> at;
    };
    std::map<ComponentId, Ways> ways_of;
    for (const PipelineConfig& config : config_.pipelines) {
      const Pipeline& pipeline = pipelines_.at(config.id);
      for (const Use& use : config.receivers) {
        if (config_.connectors.contains(use.id)) continue;
        Ways& ways = ways_of[use.id];
        if (pipeline.entry != nullptr) ways.metrics.push_back(pipeline.entry);
        if (pipeline.passage == nullptr) continue;
        ways.passages[config.signal].push_back(pipeline.passage);
        ways.at[config.signal] = use.at;
      }
    }
    for (auto& [id, ways] : ways_of) {
      const auto* factory = FindFactory(factories_.receivers, id.type);
      if (factory == nullptr || (ways.metrics.empty() && ways.passages.empty())) continue;
      if (ways.metrics.empty()) {
        ways.metrics.push_back(&MakeNowhere());
      }
      Receiver* receiver = Keep(
          factory->create(ContextOf(id, config_.receivers.at(id)), *Join(std::move(ways.metrics))),
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
    const auto check = [&](const GraphConfig::DeclaredMap& declared, const auto& factories,
                           auto... next) {
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
    const ConnectorOutputs no_outputs;
    check(config_.receivers, factories_.receivers, &nowhere);
    check(config_.processors, factories_.processors, &nowhere);
    check(config_.exporters, factories_.exporters);
    check(config_.connectors, factories_.connectors, &no_outputs);
    check(config_.extensions, factories_.extensions);
  }

  Consumer& MakeNowhere() { return *graph_->consumers_.emplace_back(std::make_unique<Nowhere>()); }

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
    for (const PipelineConfig& pipeline : config_.pipelines) {
      outline.pipelines.push_back({pipeline.id, ids(pipeline.receivers), ids(pipeline.processors),
                                   ids(pipeline.exporters)});
    }
    outline.extensions = ids(config_.service_extensions);
    return outline;
  }

  const Factories& factories_;
  Host& host_;
  Diagnostics& diagnostics_;
  const GraphConfig config_;
  std::map<std::string, Pipeline> pipelines_;  // By id.
  std::map<ComponentId, Extension*> made_extensions_;
  std::map<ComponentId, Exporter*> made_exporters_;
  std::map<ComponentId, Connector*> made_connectors_;
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
  for (Extension* extension : extensions_) extension->Ready();
  return {};
}

void Graph::Stop() {
  while (started_ > 0) start_order_[--started_].component->Stop();
}

}  // namespace narthex::pipeline
