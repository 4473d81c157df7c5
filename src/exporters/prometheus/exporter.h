#pragma once

#include <memory>
#include <string>

#include "exporters/prometheus/config.h"
#include "exporters/prometheus/store.h"
#include "net/http_server.h"
#include "pipeline/factory.h"

namespace narthex::exporters {

// Shows the last value of every series to whoever scrapes /metrics. Thread-safe.
class PrometheusExporter final : public pipeline::Exporter {
 public:
  static std::unique_ptr<pipeline::Exporter> Create(const pipeline::CreateContext& context);

  PrometheusExporter(PrometheusConfig config, const std::string& name, pipeline::Host& host);
  ~PrometheusExporter() override { Stop(); }

  base::Status Start() override;
  void Stop() override;
  // Never refuses; points that cannot be shown are counted by reason.
  base::Status Consume(otlp::Batch batch) override;

  uint16_t port() const { return server_->port(); }  // REQUIRES: started.

 private:
  void Handle(net::HttpRequest request, net::Responder responder);
  void ExpireLater();

  const PrometheusConfig config_;
  const std::string name_;
  const base::Env env_;
  base::Logger& logger_;
  pipeline::Flow flow_;
  sdk::BoundCounter<uint64_t> sent_;
  sdk::BoundCounter<uint64_t> refused_;
  Store store_;
  std::unique_ptr<net::HttpServer> server_;
};

inline constexpr pipeline::ExporterFactory kPrometheusExporter = {"prometheus", "",
                                                                  &PrometheusExporter::Create};

}  // namespace narthex::exporters
