#include "sdk/internal/stream.h"

#include <type_traits>

namespace narthex::sdk::internal {
namespace {

template <class T>
NumberPoint MakePoint(const Series& series, int64_t start_ns, int64_t time_ns, T value) {
  NumberPoint point;
  point.attributes = &series.attributes;
  point.start_ns = start_ns;
  point.time_ns = time_ns;
  point.is_int = std::is_integral_v<T>;
  if constexpr (std::is_integral_v<T>) {
    point.int_value = static_cast<int64_t>(value);
  } else {
    point.double_value = value;
  }
  return point;
}

}  // namespace

Stream::Stream(StreamConfig config)
    : config_(std::move(config)), last_collected_ns_(config_.clock->WallNs()) {}

template <class T>
void SumStream<T>::Collect(int64_t now_ns, MetricData& into) {
  this->ForEachSeries([&](auto& series) {
    const T total = series.cell.Total();
    const auto put = [&](int64_t start_ns, T value) {
      into.numbers.push_back(MakePoint(series, start_ns, now_ns, value));
      into.numbers.back().exemplars = this->TakeExemplars(series, into);
    };
    if (!this->is_delta()) {
      put(series.start_ns, total);
    } else if (total != series.cell.collected) {
      put(this->last_collected_ns_, static_cast<T>(total - series.cell.collected));
      series.cell.collected = total;
    }
  });
  this->last_collected_ns_ = now_ns;
}

template <class T>
void GaugeStream<T>::Collect(int64_t now_ns, MetricData& into) {
  this->ForEachSeries([&](auto& series) {
    if (!series.cell.is_set()) return;
    if (this->is_delta()) series.cell.Clear();
    into.numbers.push_back(MakePoint(series, 0, now_ns, series.cell.value()));
    into.numbers.back().exemplars = this->TakeExemplars(series, into);
  });
}

template <class T>
ObservedStream<T>::ObservedStream(StreamConfig config)
    : CellStream<ObservedCell<T>>(
          std::move(config), config.data_kind == DataKind::kSum && !config.attributes.KeepsAll()) {}

template <class T>
void ObservedStream<T>::Collect(int64_t now_ns, MetricData& into) {
  this->ForEachSeries([&](auto& series) {
    if (!series.cell.is_observed) return;
    series.cell.is_observed = false;
    if (this->config_.data_kind == DataKind::kGauge) {
      into.numbers.push_back(MakePoint(series, 0, now_ns, series.cell.value));
    } else if (!this->is_delta()) {
      into.numbers.push_back(MakePoint(series, series.start_ns, now_ns, series.cell.value));
    } else {
      const T change = static_cast<T>(series.cell.value - series.cell.collected);
      into.numbers.push_back(MakePoint(series, this->last_collected_ns_, now_ns, change));
      series.cell.collected = series.cell.value;
    }
  });
  this->last_collected_ns_ = now_ns;
}

template class SumStream<uint64_t>;
template class SumStream<int64_t>;
template class SumStream<double>;
template class GaugeStream<uint64_t>;
template class GaugeStream<int64_t>;
template class GaugeStream<double>;
template class ObservedStream<int64_t>;
template class ObservedStream<double>;

HistogramStream::HistogramStream(StreamConfig config, std::shared_ptr<const HistogramShape> shape)
    : CellStream(std::move(config), shape), shape_(std::move(shape)) {}

void HistogramStream::Collect(int64_t now_ns, MetricData& into) {
  into.bounds = shape_->bounds;
  into.has_min_max = shape_->record_min_max;
  const size_t buckets = shape_->bounds.size() + 1;
  ForEachSeries([&](CellSeries& series) {
    const size_t first = into.bucket_counts.size();
    into.bucket_counts.resize(first + buckets, 0);
    const HistogramCell::Totals totals =
        series.cell.Collect(std::span(into.bucket_counts).subspan(first));
    if (is_delta() && totals.count == 0) {
      into.bucket_counts.resize(first);
      return;
    }
    into.histograms.push_back({.attributes = &series.attributes,
                               .start_ns = is_delta() ? last_collected_ns_ : series.start_ns,
                               .time_ns = now_ns,
                               .count = totals.count,
                               .sum = totals.sum,
                               .min = totals.min,
                               .max = totals.max,
                               .first_bucket = first,
                               .exemplars = TakeExemplars(series, into)});
  });
  last_collected_ns_ = now_ns;
}

ExponentialStream::ExponentialStream(StreamConfig config,
                                     std::shared_ptr<const ExponentialShape> shape)
    : CellStream(std::move(config), shape), shape_(std::move(shape)) {}

void ExponentialStream::Collect(int64_t now_ns, MetricData& into) {
  into.has_min_max = shape_->record_min_max;
  const auto put = [&](const ExponentialBuckets& buckets) -> ExponentialPoint::Side {
    const size_t first = into.bucket_counts.size();
    for (size_t i = 0; i < buckets.size(); ++i) into.bucket_counts.push_back(buckets.At(i));
    return {.offset = buckets.first(), .first_bucket = first, .size = buckets.size()};
  };
  ForEachSeries([&](CellSeries& series) {
    const ExponentialHistogram merged = series.cell.Collect();
    if (is_delta() && merged.count() == 0) return;
    into.exponentials.push_back({.attributes = &series.attributes,
                                 .start_ns = is_delta() ? last_collected_ns_ : series.start_ns,
                                 .time_ns = now_ns,
                                 .count = merged.count(),
                                 .sum = merged.sum(),
                                 .min = merged.min(),
                                 .max = merged.max(),
                                 .scale = merged.scale(),
                                 .zero_count = merged.zero_count(),
                                 .positive = put(merged.positive()),
                                 .negative = put(merged.negative()),
                                 .exemplars = TakeExemplars(series, into)});
  });
  last_collected_ns_ = now_ns;
}

}  // namespace narthex::sdk::internal
