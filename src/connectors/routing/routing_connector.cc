#include "connectors/routing/routing_connector.h"

#include <algorithm>
#include <optional>

#include "otlp/edit.h"

namespace narthex::connectors {
namespace {

using ottl::Level;
using ErrorMode = RoutingConnector::ErrorMode;
using Consumers = std::vector<pipeline::Consumer*>;

Consumers ReadPipelines(config::MapReader& reader, std::string_view key, std::string_view meaning,
                        const pipeline::ConnectorOutputs& outputs) {
  Consumers next;
  std::vector<std::string> ids;
  if (!reader.Read(key, ids, meaning)) return next;
  for (const std::string& id : ids) {
    const auto found =
        std::ranges::find(outputs.pipelines, id, &pipeline::ConnectorOutputs::Pipeline::id);
    if (found == outputs.pipelines.end() || found->metrics == nullptr) {
      reader.Report(key, fmt::format("\"{}\" is no pipeline of metrics that has this connector as "
                                     "a receiver",
                                     id));
      continue;
    }
    next.push_back(found->metrics);
  }
  return next;
}

Level ReadContext(config::MapReader& reader) {
  std::string name = "resource";
  reader.Read("context", name, "What is sent as a whole: `resource`, `metric` or `datapoint`");
  const auto level = ottl::LevelFromName(name);
  constexpr Level kLevels[] = {Level::kResource, Level::kMetric, Level::kDatapoint};
  if (level.has_value() && std::ranges::find(kLevels, *level) != std::end(kLevels)) return *level;
  reader.Report("context", "must be resource, metric or datapoint");
  return Level::kResource;
}

// "route() where CONDITION", the older way.
std::string ConditionOf(config::MapReader& reader) {
  constexpr std::string_view kRoute = "route() where ";
  std::string condition, statement;
  const bool has_condition = reader.Read("condition", condition, "A condition of [OTTL](#ottl)");
  const bool has_statement =
      reader.Read("statement", statement, "Or, the older way, `route() where` a condition");
  if (has_condition == has_statement) {
    reader.Report("condition", "either condition or statement must be given");
  }
  if (!has_statement) return condition;
  if (!statement.starts_with(kRoute)) {
    reader.Report("statement", "must be `route() where` and a condition");
    return "true";
  }
  return statement.substr(kRoute.size());
}

void ReadRow(const config::Node& node, const pipeline::CreateContext& context,
             const pipeline::ConnectorOutputs& outputs, RoutingConnector::Config& config) {
  config::MapReader reader(node, context.diagnostics);
  const Level level = ReadContext(reader);
  const std::string text = ConditionOf(reader);
  Consumers next = ReadPipelines(reader, "pipelines", "Where it goes; required", outputs);
  reader.Finish();
  auto condition = ottl::Condition::Parse(text, level);
  if (!condition.has_value()) return reader.Report("condition", condition.error().message);
  if (condition->level() > level) {
    return reader.Report("condition", "needs more than its context has");
  }
  if (next.empty()) return reader.Report("pipelines", "must name at least one pipeline");
  config.table.push_back({*std::move(condition), level, std::move(next)});
}

void ReadErrorMode(config::MapReader& reader, RoutingConnector::Config& config) {
  std::string mode = "propagate";
  reader.Read("error_mode", mode,
              "A condition that cannot be answered: `propagate` refuses the batch; with `ignore` "
              "and `silent` it is false");
  if (mode == "ignore") {
    config.error_mode = ErrorMode::kIgnore;
  } else if (mode == "silent") {
    config.error_mode = ErrorMode::kSilent;
  } else if (mode != "propagate") {
    reader.Report("error_mode", "must be propagate, ignore or silent");
  }
}

// Keeps what a condition holds for, or else what it does not hold for.
class Half final : public otlp::BatchFilter {
 public:
  Half(const RoutingConnector::Row& row, bool holds, const base::Clock& clock,
       const otlp::Batch& batch)
      : row_(row), holds_(holds), clock_(clock), batch_(batch) {}

  bool KeepResource(const otlp::ResourceMetrics& resource) override {
    return row_.context != Level::kResource || Asks({&batch_, &resource});
  }
  bool KeepMetric(const otlp::ResourceMetrics& resource, const otlp::Scope& scope,
                  const otlp::Metric& metric) override {
    return row_.context != Level::kMetric || Asks({&batch_, &resource, &scope, &metric});
  }
  bool KeepPoint(const otlp::ResourceMetrics& resource, const otlp::Scope& scope,
                 const otlp::Metric& metric, const otlp::PointRef& point) override {
    return row_.context != Level::kDatapoint || Asks({&batch_, &resource, &scope, &metric, point});
  }
  const std::optional<base::Error>& error() const { return error_; }

 private:
  bool Asks(ottl::Subject subject) {
    subject.clock = &clock_;
    base::Result<bool> answer = row_.condition.Evaluate(subject);
    if (!answer.has_value() && !error_.has_value()) error_ = std::move(answer).error();
    return answer.value_or(false) == holds_;
  }

  const RoutingConnector::Row& row_;
  const bool holds_;
  const base::Clock& clock_;
  const otlp::Batch& batch_;
  std::optional<base::Error> error_;
};

}  // namespace

std::unique_ptr<pipeline::Connector> RoutingConnector::Create(
    const pipeline::CreateContext& context, const pipeline::ConnectorOutputs& outputs) {
  Config config;
  config::MapReader reader(context.config, context.diagnostics);
  const config::Node* table =
      reader.Take("table", "Required; the first row that fits has it", "list");
  if (table == nullptr || !table->is_list() || table->items.empty()) {
    reader.Report("table", "must be a list with at least one route");
  } else {
    for (const config::Node& item : table->items) ReadRow(item, context, outputs, config);
  }
  config.otherwise = ReadPipelines(reader, "default_pipelines",
                                   "Where goes what no row takes; without it, nowhere", outputs);
  ReadErrorMode(reader, config);
  reader.Finish();
  return std::make_unique<RoutingConnector>(std::move(config), context.id.ToString(), context.host);
}

RoutingConnector::RoutingConnector(Config config, const std::string& name, pipeline::Host& host)
    : config_(std::move(config)),
      name_(name),
      clock_(host.env.clock),
      logger_(host.logger),
      flow_(host.instruments, "connector/" + name) {}

base::Result<otlp::Batch> RoutingConnector::Split(const Row& row, otlp::Batch& batch) const {
  Half taken(row, true, clock_, batch), left(row, false, clock_, batch);
  otlp::Batch out = otlp::FilterBatch(batch, taken);
  if (taken.error().has_value()) {
    if (config_.error_mode == ErrorMode::kPropagate) return std::unexpected(*taken.error());
    if (config_.error_mode == ErrorMode::kIgnore) {
      logger_.Warn("routing", "a condition could not be answered, and counts as false",
                   {{"connector", name_}, {"error", taken.error()->message}});
    }
  }
  batch = otlp::FilterBatch(batch, left);
  return out;
}

base::Status RoutingConnector::Send(const std::vector<pipeline::Consumer*>& next,
                                    otlp::Batch batch) {
  const size_t points = batch.point_count();
  if (points == 0) return {};
  if (next.empty()) {
    flow_.Lost("no_route", points);
    return {};
  }
  base::Status result;
  for (size_t i = 0; i < next.size(); ++i) {
    const bool is_last = i + 1 == next.size();
    base::Status status = next[i]->Consume(is_last ? std::move(batch) : batch.Clone());
    if (result.has_value()) result = std::move(status);
  }
  if (result.has_value()) {
    flow_.Out(points);
  } else {
    flow_.Lost("refused_downstream", points);
  }
  return result;
}

base::Status RoutingConnector::Consume(otlp::Batch batch) {
  flow_.In(batch.point_count());
  base::Status result;
  for (const Row& row : config_.table) {
    if (batch.point_count() == 0) break;
    base::Result<otlp::Batch> part = Split(row, batch);
    if (!part.has_value()) {
      flow_.Lost("condition_failed", batch.point_count());
      return std::unexpected(std::move(part).error());
    }
    base::Status status = Send(row.next, *std::move(part));
    if (result.has_value()) result = std::move(status);
  }
  base::Status status = Send(config_.otherwise, std::move(batch));
  return result.has_value() ? status : result;
}

}  // namespace narthex::connectors
