#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "config/server.h"
#include "net/http_server.h"
#include "pipeline/factory.h"

namespace narthex::extensions {

// Answers "is it up" over HTTP. Thread-safe.
class HealthCheck final : public pipeline::Extension {
 public:
  struct Config {
    config::HttpServerConfig server{.endpoint = "localhost:13133"};
    std::string path = "/";
    std::string healthy_body;    // Empty: JSON with the time of the start.
    std::string unhealthy_body;  // Empty: JSON, too.
  };
  static std::unique_ptr<pipeline::Extension> Create(const pipeline::CreateContext& context);

  HealthCheck(Config config, pipeline::Host& host) : config_(std::move(config)), host_(host) {}
  ~HealthCheck() override { Stop(); }

  base::Status Start() override;
  void Stop() override;
  void Ready() override { is_ready_ = true; }
  uint16_t port() const { return server_->port(); }

 private:
  net::HttpResponse Answer() const;

  const Config config_;
  pipeline::Host& host_;
  int64_t started_wall_ms_ = 0;
  std::atomic<bool> is_ready_ = false;  // Before and after, the answer is 503.
  std::unique_ptr<net::HttpServer> server_;
};

inline constexpr pipeline::ExtensionFactory kHealthCheck = {"health_check", "",
                                                            &HealthCheck::Create};

}  // namespace narthex::extensions
