#include <cstdint>
#include <string_view>

#include "otlp/json.h"
#include "ottl/condition.h"
#include "ottl/statement.h"

namespace {

// One metric of every kind.
constexpr std::string_view kRequest = R"({"resourceMetrics":[{"resource":{"attributes":[
  {"key":"a","value":{"stringValue":"x.y"}}]},"scopeMetrics":[{"metrics":[
  {"name":"s","sum":{"dataPoints":[{"asInt":"1","exemplars":[{"asInt":"2","spanId":"0102030405060708",
    "filteredAttributes":[{"key":"a","value":{"intValue":"1"}}]}]},{"asDouble":0.5}]}},
  {"name":"h","histogram":{"dataPoints":[{"count":"3","sum":4.5,"bucketCounts":["1","2"],
    "explicitBounds":[10]}]}},
  {"name":"e","exponentialHistogram":{"dataPoints":[{"count":"6","scale":-2,"zeroCount":"1",
    "positive":{"offset":-3,"bucketCounts":["1","3"]}}]}},
  {"name":"q","summary":{"dataPoints":[{"count":"6","quantileValues":[{"quantile":1}]}]}}]}]}]})";

void RunStatement(const narthex::ottl::Statement& statement, narthex::otlp::Tree tree) {
  using namespace narthex;
  otlp::AttributeMap cache;
  for (otlp::TreeScope& scope : tree.resources[0].scopes) {
    const size_t metrics = scope.metrics.size();
    for (size_t i = 0; i < metrics; ++i) {
      otlp::TreeMetric& metric = scope.metrics[i];
      for (size_t p = 0; p < metric.points.size(); ++p) {
        ottl::Stage stage;
        stage.resource = &tree.resources[0];
        stage.scope = &scope;
        stage.metric = &metric;
        stage.cache = &cache;
        if (statement.level() >= ottl::Level::kDatapoint) stage.point = &metric.points[p];
        if (statement.level() < ottl::Level::kExemplar) {
          (void)statement.Run(stage);
          continue;
        }
        for (std::string& message : metric.points[p].exemplars) {
          auto exemplar = otlp::TreeExemplar::From(message);
          stage.exemplar = &exemplar;
          (void)statement.Run(stage);
          message = exemplar.Encode();
        }
      }
    }
  }
  (void)tree.ToBatch();
}

}  // namespace

// Whatever parses can be asked about any batch, and done to any.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace narthex;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const otlp::Batch kBatch = *otlp::DecodeMetricsJson(kRequest);
  static const otlp::Tree kTree = otlp::Tree::From(kBatch);
  for (const ottl::Level level :
       {ottl::Level::kMetric, ottl::Level::kDatapoint, ottl::Level::kExemplar}) {
    if (const auto condition = ottl::Condition::Parse(text, level)) {
      ottl::Subject subject(&kBatch, &kBatch.resources[0], &kBatch.scopes[0], &kBatch.metrics[0],
                            &kBatch.numbers[0]);
      (void)condition->Holds(subject);
    }
    if (const auto statement = ottl::Statement::Parse(text, level)) RunStatement(*statement, kTree);
  }
  return 0;
}
