#include "processors/groupbyattrs/groupbyattrs_processor.h"

#include <set>

#include "otlp/rebuilt.h"
#include "otlp/stream.h"

namespace narthex::processors {

std::unique_ptr<pipeline::Processor> GroupByAttrsProcessor::Create(
    const pipeline::CreateContext& context, pipeline::Consumer& next) {
  std::vector<std::string> keys;
  config::MapReader reader(context.config, context.diagnostics);
  reader.Read("keys", keys,
              "Attributes that move from points to their resource; without them, equal resources, "
              "scopes and metrics become one");
  reader.Finish();
  std::set<std::string> seen;
  for (const std::string& key : keys) {
    if (key.empty() || !seen.insert(key).second) {
      reader.Report("keys", "must be different, and none of them empty");
    }
  }
  return std::make_unique<GroupByAttrsProcessor>(std::move(keys), context.id.ToString(),
                                                 context.host, next);
}

GroupByAttrsProcessor::GroupByAttrsProcessor(std::vector<std::string> keys, const std::string& name,
                                             pipeline::Host& host, pipeline::Consumer& next)
    : keys_(std::move(keys)), handover_(host, name, next) {}

base::Status GroupByAttrsProcessor::Consume(otlp::Batch batch) {
  const size_t points = batch.point_count();
  otlp::Tree tree = otlp::Tree::From(batch);
  otlp::TreeMerger merger;
  otlp::VisitMetrics(tree, [&](const otlp::TreeResource& resource, const otlp::TreeScope& scope,
                               otlp::TreeMetric& metric) {
    for (otlp::TreePoint& point : metric.points) {
      otlp::TreeResource target{.attributes = resource.attributes,
                                .schema_url = resource.schema_url,
                                .dropped_attributes = resource.dropped_attributes,
                                .entity_refs = resource.entity_refs,
                                .scopes = {}};
      for (const std::string& key : keys_) {
        otlp::Any* value = otlp::Find(point.attributes, key);
        if (value == nullptr) continue;
        otlp::Put(target.attributes, key, std::move(*value));
        otlp::Erase(point.attributes, key);
      }
      merger.Place(target, scope, metric).points.push_back(std::move(point));
    }
  });
  return handover_.Pass(otlp::Rebuilt(merger.Take(), batch), points);
}

}  // namespace narthex::processors
