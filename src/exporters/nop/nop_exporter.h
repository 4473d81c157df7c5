#pragma once

#include "pipeline/factory.h"

namespace narthex::exporters {

// Takes everything and keeps nothing. Thread-safe.
class NopExporter final : public pipeline::Exporter {
 public:
  static std::unique_ptr<pipeline::Exporter> Create(const pipeline::CreateContext& context);

  NopExporter(const std::string& name, pipeline::Host& host);
  base::Status Start() override { return {}; }
  void Stop() override {}
  base::Status Consume(otlp::Batch batch) override;

 private:
  pipeline::Flow flow_;
  sdk::BoundCounter<uint64_t> sent_;
};

inline constexpr pipeline::ExporterFactory kNopExporter = {"nop", "", &NopExporter::Create};

}  // namespace narthex::exporters
