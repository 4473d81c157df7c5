#include "receivers/otlp/validity.h"

#include <fmt/core.h>

#include <algorithm>

#include "otlp/edit.h"

namespace narthex::receivers {
namespace {

bool IsNamed(const otlp::Metric& metric) { return !metric.name.empty(); }

bool Fits(const otlp::HistogramPoint& point) {
  return point.bucket_counts.empty()
             ? point.explicit_bounds.empty()
             : point.bucket_counts.size() == point.explicit_bounds.size() + 1;
}

class Validity final : public otlp::BatchFilter {
 public:
  bool KeepMetric(const otlp::ResourceMetrics&, const otlp::Scope&,
                  const otlp::Metric& metric) override {
    if (IsNamed(metric)) return true;
    nameless_ += metric.point_count;
    return false;
  }
  bool KeepPoint(const otlp::ResourceMetrics&, const otlp::Scope&, const otlp::Metric&,
                 const otlp::PointRef& point) override {
    const auto* histogram = std::get_if<const otlp::HistogramPoint*>(&point);
    if (histogram == nullptr || Fits(**histogram)) return true;
    ++misfits_;
    return false;
  }

  otlp::PartialSuccess Verdict() const {
    otlp::PartialSuccess verdict{.rejected_points = nameless_ + misfits_};
    if (nameless_ > 0) {
      verdict.message = fmt::format("{} data points of metrics without a name", nameless_);
    }
    if (misfits_ > 0) {
      if (nameless_ > 0) verdict.message += "; ";
      verdict.message +=
          fmt::format("{} histograms whose bucket counts do not fit their bounds", misfits_);
    }
    return verdict;
  }

 private:
  int64_t nameless_ = 0, misfits_ = 0;
};

}  // namespace

otlp::PartialSuccess DropInvalid(otlp::Batch& batch) {
  if (std::ranges::all_of(batch.metrics, IsNamed) && std::ranges::all_of(batch.histograms, Fits)) {
    return {};
  }
  Validity validity;
  batch = otlp::FilterBatch(batch, validity);
  return validity.Verdict();
}

}  // namespace narthex::receivers
