#include "exposition/protobuf_writer.h"

#include <algorithm>
#include <limits>
#include <protozero/pbf_writer.hpp>
#include <vector>

namespace narthex::exposition {

using model::MetricType;
using protozero::pbf_writer;

namespace {

// Of io.prometheus.client.MetricType.
int32_t NumberOf(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return 0;
    case MetricType::kGauge:
    case MetricType::kInfo:
    case MetricType::kStateSet:
      return 1;
    case MetricType::kSummary:
      return 2;
    case MetricType::kHistogram:
      return 4;
    case MetricType::kGaugeHistogram:
      return 5;
    case MetricType::kUnknown:
      break;
  }
  return 3;
}

// Reads what AppendLabel wrote; REQUIRES: it did.
template <class Take>
void ForEachLabel(std::string_view labels, Take take) {
  size_t at = 0;
  const auto quoted = [&](std::string& out) {
    out.clear();
    for (++at; at < labels.size() && labels[at] != '"'; ++at) {
      if (labels[at] == '\\' && at + 1 < labels.size()) {
        ++at;
        out += labels[at] == 'n' ? '\n' : labels[at];
      } else {
        out += labels[at];
      }
    }
    ++at;
  };
  std::string name, value;
  while (at < labels.size()) {
    if (labels[at] == ',') ++at;
    if (at < labels.size() && labels[at] == '"') {
      quoted(name);
    } else {
      const size_t end = std::min(labels.find('=', at), labels.size());
      name = labels.substr(at, end - at);
      at = end;
    }
    ++at;  // The equal sign.
    quoted(value);
    take(name, value);
  }
}

void PutLabels(pbf_writer& message, std::string_view labels) {
  ForEachLabel(labels, [&](const std::string& name, const std::string& value) {
    pbf_writer pair(message, 1);
    pair.add_string(1, name);
    pair.add_string(2, value);
  });
}

void PutTime(pbf_writer& message, uint32_t field, int64_t seconds, int32_t nanos) {
  pbf_writer time(message, field);
  if (seconds != 0) time.add_int64(1, seconds);
  if (nanos != 0) time.add_int32(2, nanos);
}

void PutCreated(pbf_writer& message, uint32_t field, uint64_t created_ns) {
  if (created_ns == 0) return;
  PutTime(message, field, static_cast<int64_t>(created_ns / 1'000'000'000),
          static_cast<int32_t>(created_ns % 1'000'000'000));
}

void PutExemplar(pbf_writer& message, uint32_t field, const ProtobufWriter::Exemplar& exemplar) {
  pbf_writer part(message, field);
  PutLabels(part, exemplar.labels);
  part.add_double(2, exemplar.value);
  if (!exemplar.timestamp) return;
  int64_t seconds = *exemplar.timestamp / 1000;
  int64_t millis = *exemplar.timestamp % 1000;
  if (millis < 0) {
    --seconds;
    millis += 1000;
  }
  PutTime(part, 3, seconds, static_cast<int32_t>(millis * 1'000'000));
}

void PutTimestamp(pbf_writer& metric, const ProtobufWriter::Extras& extras) {
  if (extras.timestamp) metric.add_int64(6, *extras.timestamp);
}

void PutSpans(pbf_writer& histogram, uint32_t field, const std::vector<model::BucketSpan>& spans) {
  for (const model::BucketSpan& span : spans) {
    pbf_writer part(histogram, field);
    part.add_sint32(1, span.offset);
    part.add_uint32(2, span.length);
  }
}

}  // namespace

std::string_view ProtobufContentType() {
  return "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
         "encoding=delimited";
}

void ProtobufWriter::EndFamily() {
  if (family_.empty()) return;
  protozero::add_varint_to_buffer(&out_, family_.size());
  out_ += family_;
  family_.clear();
}

void ProtobufWriter::Family(std::string_view name, MetricType type, std::string_view help) {
  EndFamily();
  type_ = type;
  pbf_writer family(family_);
  family.add_string(1, name.data(), name.size());
  family.add_string(2, help.data(), help.size());
  family.add_enum(3, NumberOf(type));
}

void ProtobufWriter::Number(std::string_view labels, double value,
                            const std::optional<Exemplar>& exemplar, const Extras& extras) {
  pbf_writer family(family_);
  pbf_writer metric(family, 4);
  PutLabels(metric, labels);
  const uint32_t field = type_ == MetricType::kCounter ? 3 : NumberOf(type_) == 1 ? 2 : 5;
  {
    pbf_writer number(metric, field);
    number.add_double(1, value);
    if (type_ == MetricType::kCounter) {
      if (exemplar) PutExemplar(number, 2, *exemplar);
      PutCreated(number, 3, extras.created_ns);
    }
  }
  PutTimestamp(metric, extras);
}

void ProtobufWriter::Histogram(std::string_view labels, std::span<const double> bounds,
                               std::span<const uint64_t> counts, uint64_t count, double sum,
                               std::span<const Exemplar> exemplars, const Extras& extras) {
  // The last one whose value lies in the bucket that ends there.
  const auto exemplar_of = [&](size_t bucket) -> const Exemplar* {
    const Exemplar* found = nullptr;
    for (const Exemplar& exemplar : exemplars) {
      const auto at = std::ranges::lower_bound(bounds, exemplar.value) - bounds.begin();
      if (static_cast<size_t>(at) == bucket) found = &exemplar;
    }
    return found;
  };
  pbf_writer family(family_);
  pbf_writer metric(family, 4);
  PutLabels(metric, labels);
  {
    pbf_writer histogram(metric, 7);
    histogram.add_uint64(1, count);
    histogram.add_double(2, sum);
    uint64_t cumulative = 0;
    for (size_t i = 0; i <= bounds.size(); ++i) {
      cumulative += i < counts.size() ? counts[i] : 0;
      const bool is_last = i == bounds.size();
      const Exemplar* exemplar = exemplar_of(i);
      // Readers make the last bucket themselves: it is said where it has something to say.
      if (is_last && exemplar == nullptr) continue;
      pbf_writer bucket(histogram, 3);
      bucket.add_uint64(1, is_last ? count : cumulative);
      bucket.add_double(2, is_last ? std::numeric_limits<double>::infinity() : bounds[i]);
      if (exemplar != nullptr) PutExemplar(bucket, 3, *exemplar);
    }
    PutCreated(histogram, 15, extras.created_ns);
  }
  PutTimestamp(metric, extras);
}

void ProtobufWriter::NativeHistogram(std::string_view labels,
                                     const model::IntegerHistogram& histogram,
                                     const Extras& extras) {
  pbf_writer family(family_);
  pbf_writer metric(family, 4);
  PutLabels(metric, labels);
  {
    pbf_writer message(metric, 7);
    message.add_uint64(1, histogram.count);
    message.add_double(2, histogram.sum);
    message.add_sint32(5, histogram.schema);
    message.add_double(6, histogram.zero_threshold);
    message.add_uint64(7, histogram.zero_count);
    PutSpans(message, 9, histogram.negative_spans);
    message.add_packed_sint64(10, histogram.negative_deltas.begin(),
                              histogram.negative_deltas.end());
    if (histogram.positive_spans.empty() && histogram.negative_spans.empty()) {
      // A span of no buckets tells a native histogram without observations from a classic one.
      PutSpans(message, 12, {model::BucketSpan{}});
    }
    PutSpans(message, 12, histogram.positive_spans);
    message.add_packed_sint64(13, histogram.positive_deltas.begin(),
                              histogram.positive_deltas.end());
    PutCreated(message, 15, extras.created_ns);
  }
  PutTimestamp(metric, extras);
}

void ProtobufWriter::Summary(std::string_view labels, std::span<const double> quantiles,
                             std::span<const double> values, uint64_t count, double sum,
                             const Extras& extras) {
  pbf_writer family(family_);
  pbf_writer metric(family, 4);
  PutLabels(metric, labels);
  {
    pbf_writer summary(metric, 4);
    summary.add_uint64(1, count);
    summary.add_double(2, sum);
    for (size_t i = 0; i < quantiles.size(); ++i) {
      pbf_writer quantile(summary, 3);
      quantile.add_double(1, quantiles[i]);
      quantile.add_double(2, values[i]);
    }
    PutCreated(summary, 4, extras.created_ns);
  }
  PutTimestamp(metric, extras);
}

std::string ProtobufWriter::Finish() {
  EndFamily();
  return std::move(out_);
}

}  // namespace narthex::exposition
