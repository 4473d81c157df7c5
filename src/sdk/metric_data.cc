#include "sdk/metric_data.h"

namespace narthex::sdk {

size_t MetricBatch::point_count() const {
  size_t count = 0;
  for (const ScopeData& scope : scopes) {
    for (const MetricData& metric : scope.metrics) {
      count += metric.numbers.size() + metric.histograms.size() + metric.exponentials.size();
    }
  }
  return count;
}

}  // namespace narthex::sdk
