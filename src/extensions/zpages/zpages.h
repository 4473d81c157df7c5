#pragma once

#include <memory>
#include <string>

#include "config/server.h"
#include "net/http_server.h"
#include "pipeline/factory.h"

namespace narthex::extensions {

// Pages about the running collector for people: which pipelines there are, and what goes through
// each component. Thread-safe. Source: OpenTelemetry Collector, extension/zpagesextension.
class ZPages final : public pipeline::Extension {
 public:
  struct Config {
    config::HttpServerConfig server{.endpoint = "localhost:55679"};
  };
  static std::unique_ptr<pipeline::Extension> Create(const pipeline::CreateContext& context);

  ZPages(Config config, pipeline::Host& host) : config_(std::move(config)), host_(host) {}
  ~ZPages() override { Stop(); }

  base::Status Start() override;
  void Stop() override;
  void Describe(const pipeline::Outline& outline) override { outline_ = outline; }
  uint16_t port() const { return server_->port(); }  // REQUIRES: started.

 private:
  net::HttpResponse Answer(const net::HttpRequest& request) const;
  std::string PipelinePage() const;
  std::string ServicePage() const;
  std::string ExtensionPage() const;

  const Config config_;
  pipeline::Host& host_;
  pipeline::Outline outline_;
  int64_t started_ms_ = 0;
  std::unique_ptr<net::HttpServer> server_;
};

inline constexpr pipeline::ExtensionFactory kZPages = {"zpages", "", &ZPages::Create};

}  // namespace narthex::extensions
