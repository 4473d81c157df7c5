#pragma once

#include <memory>
#include <string>

#include "net/http_server.h"
#include "pipeline/factory.h"

namespace narthex::extensions {

// Serves profiles of this process at the addresses that Go programs have them at: processor time
// and the command line; what only Go has is 404. Thread-safe.
// Source: opentelemetry-collector-contrib, extension/pprofextension; Go, net/http/pprof.
class Pprof final : public pipeline::Extension {
 public:
  struct Config {
    std::string endpoint = "localhost:1777";
  };
  static std::unique_ptr<pipeline::Extension> Create(const pipeline::CreateContext& context);

  Pprof(Config config, pipeline::Host& host) : config_(std::move(config)), env_(host.env) {}
  ~Pprof() override { Stop(); }

  base::Status Start() override;
  // Ends a profile that is being taken.
  void Stop() override;
  uint16_t port() const { return server_->port(); }  // REQUIRES: started.

 private:
  net::HttpResponse Answer(const net::HttpRequest& request) const;
  net::HttpResponse Profile(const net::HttpRequest& request) const;

  const Config config_;
  const base::Env env_;
  std::stop_source stopping_;
  std::unique_ptr<net::HttpServer> server_;
};

inline constexpr pipeline::ExtensionFactory kPprof = {"pprof", "", &Pprof::Create};

}  // namespace narthex::extensions
