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
void SumStream<T>::Collect(uint64_t, int64_t now_ns, MetricData& into) {
  this->ForEachSeries([&](auto& series) {
    const T total = series.cell.Total();
    if (!this->is_delta()) {
      into.numbers.push_back(MakePoint(series, series.start_ns, now_ns, total));
    } else if (total != series.cell.collected) {
      const T change = static_cast<T>(total - series.cell.collected);
      into.numbers.push_back(MakePoint(series, this->last_collected_ns_, now_ns, change));
      series.cell.collected = total;
    }
  });
  this->last_collected_ns_ = now_ns;
}

template <class T>
void GaugeStream<T>::Collect(uint64_t, int64_t now_ns, MetricData& into) {
  this->ForEachSeries([&](auto& series) {
    if (!series.cell.is_set()) return;
    if (this->is_delta()) series.cell.Clear();
    into.numbers.push_back(MakePoint(series, 0, now_ns, series.cell.value()));
  });
}

template <class T>
void ObservedStream<T>::Collect(uint64_t collection, int64_t now_ns, MetricData& into) {
  this->ForEachSeries([&](auto& series) {
    if (series.cell.collection != collection) return;
    if (this->descriptor().is_gauge()) {
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
template class GaugeStream<int64_t>;
template class GaugeStream<double>;
template class ObservedStream<int64_t>;
template class ObservedStream<double>;

HistogramStream::HistogramStream(StreamConfig config, std::shared_ptr<const HistogramShape> shape)
    : CellStream(std::move(config), shape), shape_(std::move(shape)) {}

void HistogramStream::Collect(uint64_t, int64_t now_ns, MetricData& into) {
  into.bounds = shape_->bounds;
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
                               .first_bucket = first});
  });
  last_collected_ns_ = now_ns;
}

}  // namespace narthex::sdk::internal
