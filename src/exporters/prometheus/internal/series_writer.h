#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exporters/prometheus/internal/series.h"
#include "exposition/protobuf_writer.h"
#include "exposition/writer.h"

namespace narthex::exporters::internal {

// A series as it is written: both halves of it. A view.
struct Shown {
  const Reading& reading;
  const Series& series;
};

// Writes the series of a page as text. One thread at a time.
class TextSeriesWriter {
 public:
  TextSeriesWriter(exposition::Format format, bool send_timestamps)
      : writer_(format),
        is_open_metrics_(format == exposition::Format::kOpenMetrics),
        send_timestamps_(send_timestamps) {}

  void Reserve(size_t bytes) { writer_.Reserve(bytes); }
  std::string Finish() { return writer_.Finish(); }
  void Family(std::string_view name, model::MetricType type, std::string_view help) {
    writer_.Family(name, type, help);
  }
  void Write(std::string_view name, model::MetricType type, const Shown& shown,
             std::string_view labels);

 private:
  std::string_view With(std::string_view labels, std::string_view name, std::string_view value);
  const std::vector<std::string>& TextsOf(const Cuts& cuts) const {
    return is_open_metrics_ ? cuts.open_metrics : cuts.text;
  }
  void WriteBuckets(std::string_view name, const Series& series, std::string_view labels,
                    const exposition::Writer::Extras& extras);
  void WriteQuantiles(std::string_view name, const Distribution& distribution,
                      std::string_view labels, const exposition::Writer::Extras& extras);

  exposition::Writer writer_;
  const bool is_open_metrics_;
  const bool send_timestamps_;
  std::string buffer_;
};

// Writes them as protobuf. One thread at a time.
class ProtobufSeriesWriter {
 public:
  explicit ProtobufSeriesWriter(bool send_timestamps) : send_timestamps_(send_timestamps) {}

  std::string Finish() { return writer_.Finish(); }
  void Family(std::string_view name, model::MetricType type, std::string_view help) {
    writer_.Family(name, type, help);
  }
  void Write(std::string_view name, model::MetricType type, const Shown& shown,
             std::string_view labels);

 private:
  exposition::ProtobufWriter writer_;
  std::vector<exposition::ProtobufWriter::Exemplar> exemplars_;
  const bool send_timestamps_;
};

}  // namespace narthex::exporters::internal
