// Any bytes are an error or a batch; a batch can be walked, cut, encoded and read again.

#include <cstdint>
#include <string>

#include "base/check.h"
#include "otlp/decode.h"
#include "otlp/encode.h"
#include "otlp/exemplar.h"
#include "otlp/json.h"
#include "otlp/tree.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace narthex;
  auto batch = otlp::DecodeMetrics(std::string(reinterpret_cast<const char*>(data), size));
  if (!batch.has_value()) return 0;
  const size_t points = batch->point_count();
  for (const otlp::NumberPoint& point : batch->numbers) {
    otlp::KeyValues attributes(point.attributes);
    while (const auto item = attributes.Next()) (void)otlp::Text(item->value);
  }
  const auto again = otlp::DecodeMetrics(otlp::EncodeMetrics(*batch));
  CHECK(again.has_value() && again->point_count() == points);
  const auto bytes = otlp::ProtobufFromJson(otlp::EncodeMetricsJson(*batch));
  CHECK(!bytes.has_value() || otlp::DecodeMetrics(*bytes).has_value());
  // Exemplars stay as they are until someone reads them.
  otlp::Tree tree = otlp::Tree::From(*batch);
  for (const otlp::TreeResource& resource : tree.resources) {
    for (const otlp::TreeScope& scope : resource.scopes) {
      for (const otlp::TreeMetric& metric : scope.metrics) {
        for (const otlp::TreePoint& point : metric.points) {
          for (const std::string& exemplar : point.exemplars) (void)otlp::DecodeExemplar(exemplar);
        }
      }
    }
  }
  CHECK(tree.ToBatch().point_count() == points);
  const otlp::Batch head = batch->TakeFirst(points / 2);
  CHECK(head.point_count() + batch->point_count() == points);
  CHECK(otlp::DecodeMetrics(otlp::EncodeMetrics(head))->point_count() == head.point_count());
  return 0;
}
