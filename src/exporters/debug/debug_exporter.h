#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "pipeline/factory.h"

namespace narthex::exporters {

// Prints what passes. Thread-safe.
class DebugExporter final : public pipeline::Exporter {
 public:
  enum class Verbosity {
    kBasic,     // One line per batch.
    kNormal,    // And one per data point.
    kDetailed,  // And every field.
  };
  static std::unique_ptr<pipeline::Exporter> Create(const pipeline::CreateContext& context);

  // `print` gets whole lines.
  DebugExporter(Verbosity verbosity, const std::string& name, pipeline::Host& host,
                std::function<void(std::string_view)> print);
  base::Status Start() override { return {}; }
  void Stop() override {}
  base::Status Consume(otlp::Batch batch) override;

 private:
  const Verbosity verbosity_;
  const std::string name_;
  base::Logger& logger_;
  const std::function<void(std::string_view)> print_;
  pipeline::Flow flow_;
  sdk::BoundCounter<uint64_t> sent_;
};

inline constexpr pipeline::ExporterFactory kDebugExporter = {"debug", "", &DebugExporter::Create};

}  // namespace narthex::exporters
