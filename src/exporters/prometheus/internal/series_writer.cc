#include "exporters/prometheus/internal/series_writer.h"

namespace narthex::exporters::internal {
namespace {

using model::MetricType;

std::optional<model::Timestamp> TimestampOf(const Reading& reading, bool send_timestamps) {
  if (!send_timestamps || reading.time_ns == 0) return std::nullopt;
  return static_cast<model::Timestamp>(reading.time_ns / 1'000'000);
}

exposition::Writer::Extras WithExemplar(exposition::Writer::Extras extras,
                                        const StoredExemplar& exemplar) {
  extras.exemplar_labels = exemplar.labels;
  extras.exemplar_value = exemplar.value;
  extras.exemplar_timestamp = exemplar.time_ms;
  return extras;
}

// The last one that lies in the bucket; nullptr if none does.
const StoredExemplar* ExemplarOf(const Series& series, size_t bucket) {
  if (series.exemplars == nullptr) return nullptr;
  const std::vector<double>& bounds = series.distribution->cuts->values;
  const StoredExemplar* found = nullptr;
  for (const StoredExemplar& exemplar : *series.exemplars) {
    const auto at = std::ranges::lower_bound(bounds, exemplar.value) - bounds.begin();
    if (static_cast<size_t>(at) == bucket) found = &exemplar;
  }
  return found;
}

}  // namespace

void TextSeriesWriter::Write(std::string_view name, MetricType type, const Shown& shown,
                             std::string_view labels) {
  const auto& [reading, series] = shown;
  const exposition::Writer::Extras extras{.timestamp = TimestampOf(reading, send_timestamps_)};
  if (series.distribution == nullptr) {
    const bool shows_exemplar = series.exemplars != nullptr && type == MetricType::kCounter;
    return writer_.Sample(name, "", labels, reading.value,
                          shows_exemplar ? WithExemplar(extras, series.exemplars->back()) : extras);
  }
  const Distribution& distribution = *series.distribution;
  if (type == MetricType::kSummary) {
    WriteQuantiles(name, distribution, labels, extras);
  } else {
    WriteBuckets(name, series, labels, extras);
  }
  writer_.Sample(name, "_sum", labels, distribution.sum, extras);
  writer_.Count(name, "_count", labels, distribution.count, extras);
}

std::string_view TextSeriesWriter::With(std::string_view labels, std::string_view name,
                                        std::string_view value) {
  buffer_ = labels;
  if (!buffer_.empty()) buffer_ += ',';
  buffer_ += name;
  buffer_ += "=\"";
  buffer_ += value;
  buffer_ += '"';
  return buffer_;
}

void TextSeriesWriter::WriteBuckets(std::string_view name, const Series& series,
                                    std::string_view labels,
                                    const exposition::Writer::Extras& extras) {
  const Distribution& distribution = *series.distribution;
  const std::vector<std::string>& texts = TextsOf(*distribution.cuts);
  uint64_t total = 0;
  for (size_t i = 0; i <= texts.size(); ++i) {
    const bool is_last = i == texts.size();
    total = is_last ? distribution.count : total + distribution.counts[i];
    const StoredExemplar* exemplar = ExemplarOf(series, i);
    writer_.Count(name, "_bucket", With(labels, "le", is_last ? "+Inf" : texts[i]), total,
                  exemplar != nullptr ? WithExemplar(extras, *exemplar) : extras);
  }
}

void TextSeriesWriter::WriteQuantiles(std::string_view name, const Distribution& distribution,
                                      std::string_view labels,
                                      const exposition::Writer::Extras& extras) {
  const std::vector<std::string>& texts = TextsOf(*distribution.cuts);
  for (size_t i = 0; i < texts.size(); ++i) {
    writer_.Sample(name, "", With(labels, "quantile", texts[i]), distribution.quantiles[i], extras);
  }
}

void ProtobufSeriesWriter::Write(std::string_view, MetricType type, const Shown& shown,
                                 std::string_view labels) {
  const auto& [reading, series] = shown;
  const exposition::ProtobufWriter::Extras extras{
      .timestamp = TimestampOf(reading, send_timestamps_), .created_ns = reading.start_ns};
  exemplars_.clear();
  if (series.exemplars != nullptr) {
    for (const StoredExemplar& exemplar : *series.exemplars) {
      exemplars_.push_back({exemplar.labels, exemplar.value, exemplar.time_ms});
    }
  }
  if (series.distribution == nullptr) {
    const auto exemplar = exemplars_.empty() ? std::nullopt : std::optional(exemplars_.back());
    return writer_.Number(labels, reading.value, exemplar, extras);
  }
  const Distribution& distribution = *series.distribution;
  if (type == MetricType::kSummary) {
    writer_.Summary(labels, distribution.cuts->values, distribution.quantiles, distribution.count,
                    distribution.sum, extras);
  } else if (distribution.native != nullptr) {
    writer_.NativeHistogram(labels, NativeOf(distribution), extras);
  } else {
    writer_.Histogram(labels, distribution.cuts->values, distribution.counts, distribution.count,
                      distribution.sum, exemplars_, extras);
  }
}

}  // namespace narthex::exporters::internal
