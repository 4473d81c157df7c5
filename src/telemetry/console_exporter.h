#pragma once

#include <functional>
#include <string_view>

#include "telemetry/metric_exporter.h"

namespace narthex::telemetry {

// Writes each collection as one line of OTLP JSON, as OpenTelemetry's file format has it.
class ConsoleExporter final : public MetricExporter {
 public:
  using Write = std::function<void(std::string_view line)>;
  // `write` gets lines with their newline; on the exporting thread.
  explicit ConsoleExporter(Write write) : write_(std::move(write)) {}

  base::Status Export(const sdk::MetricBatch& batch, std::chrono::milliseconds timeout) override;
  void Cancel() override {}

 private:
  const Write write_;
};

}  // namespace narthex::telemetry
