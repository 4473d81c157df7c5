#include "otlp/batch.h"

#include <algorithm>
#include <utility>

namespace narthex::otlp {
namespace {

template <class T>
void AppendAll(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

template <class T>
size_t BytesOf(const std::vector<T>& records) {
  return records.capacity() * sizeof(T);
}

// Copies points [metric.first_point, +count) of one kind and makes `metric` point at the copies.
template <class T>
void CopyPoints(const std::vector<T>& from, Metric& metric, uint32_t count, std::vector<T>& to) {
  const auto first = from.begin() + metric.first_point;
  metric.first_point = static_cast<uint32_t>(to.size());
  metric.point_count = count;
  to.insert(to.end(), first, first + count);
}

// Copies points [skip, skip + take) of a batch, with the records above them that are still needed.
class Slicer {
 public:
  Slicer(const Batch& from, size_t skip, size_t take, Batch& to)
      : from_(from), skip_(skip), take_(take), to_(to) {}

  void Run() {
    to_.buffers = from_.buffers;
    to_.client = from_.client;
    to_.throttle = from_.throttle;
    for (const ResourceMetrics& resource : from_.resources) CopyResource(resource);
  }

 private:
  void CopyResource(ResourceMetrics resource) {
    const std::span<const Scope> scopes = from_.ScopesOf(resource);
    resource.first_scope = static_cast<uint32_t>(to_.scopes.size());
    const size_t seen = seen_;
    bool is_whole = true;
    for (const Scope& scope : scopes) is_whole &= CopyScope(scope);
    resource.scope_count = static_cast<uint32_t>(to_.scopes.size()) - resource.first_scope;
    if (!is_whole) resource.raw = {};
    if (resource.scope_count > 0 || (seen_ == seen && IsInside()))
      to_.resources.push_back(resource);
  }

  // Whether all of it was taken.
  bool CopyScope(Scope scope) {
    const std::span<const Metric> metrics = from_.MetricsOf(scope);
    scope.first_metric = static_cast<uint32_t>(to_.metrics.size());
    const size_t seen = seen_;
    bool is_whole = true;
    for (const Metric& metric : metrics) is_whole &= CopyMetric(metric);
    scope.metric_count = static_cast<uint32_t>(to_.metrics.size()) - scope.first_metric;
    if (!is_whole) scope.raw = {};
    if (scope.metric_count > 0 || (seen_ == seen && IsInside())) {
      to_.scopes.push_back(scope);
    } else {
      is_whole = false;
    }
    return is_whole;
  }

  bool CopyMetric(Metric metric) {
    const size_t first = std::clamp(skip_, seen_, seen_ + metric.point_count) - seen_;
    const size_t last = std::clamp(skip_ + take_, seen_, seen_ + metric.point_count) - seen_;
    const bool is_inside = last > first || (metric.point_count == 0 && IsInside());
    const bool is_whole = is_inside && last - first == metric.point_count;
    seen_ += metric.point_count;
    if (!is_inside) return false;
    if (!is_whole) metric.raw = {};
    metric.first_point += static_cast<uint32_t>(first);
    const auto count = static_cast<uint32_t>(last - first);
    switch (metric.kind) {
      case MetricKind::kNone:
        break;
      case MetricKind::kGauge:
      case MetricKind::kSum:
        CopyPoints(from_.numbers, metric, count, to_.numbers);
        break;
      case MetricKind::kHistogram:
        CopyPoints(from_.histograms, metric, count, to_.histograms);
        break;
      case MetricKind::kExponentialHistogram:
        CopyPoints(from_.exponentials, metric, count, to_.exponentials);
        break;
      case MetricKind::kSummary:
        CopyPoints(from_.summaries, metric, count, to_.summaries);
        break;
    }
    to_.metrics.push_back(metric);
    return is_whole;
  }

  // Whether a record without points at the present place belongs to the slice.
  bool IsInside() const { return seen_ >= skip_ && seen_ < skip_ + take_; }

  const Batch& from_;
  const size_t skip_;
  const size_t take_;
  Batch& to_;
  size_t seen_ = 0;  // Points passed so far.
};

}  // namespace

Batch Batch::Clone() const { return *this; }

void Batch::Append(Batch other) {
  if (resources.empty()) {
    *this = std::move(other);
    return;
  }
  const auto scope_base = static_cast<uint32_t>(scopes.size());
  const auto metric_base = static_cast<uint32_t>(metrics.size());
  const auto number_base = static_cast<uint32_t>(numbers.size());
  const auto histogram_base = static_cast<uint32_t>(histograms.size());
  const auto exponential_base = static_cast<uint32_t>(exponentials.size());
  const auto summary_base = static_cast<uint32_t>(summaries.size());
  for (ResourceMetrics& resource : other.resources) resource.first_scope += scope_base;
  for (Scope& scope : other.scopes) scope.first_metric += metric_base;
  for (Metric& metric : other.metrics) {
    switch (metric.kind) {
      case MetricKind::kNone:
        break;
      case MetricKind::kGauge:
      case MetricKind::kSum:
        metric.first_point += number_base;
        break;
      case MetricKind::kHistogram:
        metric.first_point += histogram_base;
        break;
      case MetricKind::kExponentialHistogram:
        metric.first_point += exponential_base;
        break;
      case MetricKind::kSummary:
        metric.first_point += summary_base;
        break;
    }
  }
  AppendAll(resources, other.resources);
  AppendAll(scopes, other.scopes);
  AppendAll(metrics, other.metrics);
  AppendAll(numbers, other.numbers);
  AppendAll(histograms, other.histograms);
  AppendAll(exponentials, other.exponentials);
  AppendAll(summaries, other.summaries);
  AppendAll(buffers, other.buffers);
  if (client != other.client) client = nullptr;
  if (throttle != other.throttle) throttle = nullptr;
}

Batch Batch::TakeFirst(size_t points) {
  const size_t total = point_count();
  if (points >= total) return std::exchange(*this, Batch());
  Batch head, tail;
  Slicer(*this, 0, points, head).Run();
  Slicer(*this, points, total - points, tail).Run();
  *this = std::move(tail);
  return head;
}

size_t Batch::point_count() const {
  return numbers.size() + histograms.size() + exponentials.size() + summaries.size();
}

size_t Batch::byte_size() const {
  size_t bytes = BytesOf(resources) + BytesOf(scopes) + BytesOf(metrics) + BytesOf(numbers) +
                 BytesOf(histograms) + BytesOf(exponentials) + BytesOf(summaries) +
                 BytesOf(buffers);
  // A text that grew holds more than it says. Leases, which are empty, hold nothing.
  for (const auto& buffer : buffers) bytes += buffer->empty() ? 0 : buffer->capacity();
  if (client != nullptr) bytes += client->byte_size();
  return bytes;
}

}  // namespace narthex::otlp
