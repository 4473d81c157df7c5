#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "net/http_client.h"
#include "processors/resourcedetection/system_detector.h"

namespace narthex::processors {

// What the docker detector can say.
inline constexpr SystemAttribute kDockerAttributes[] = {{"host.name", true}, {"os.type", true}};

// Asks Docker's daemon which machine it runs on, so that a collector in a container knows.
// Source: opentelemetry-collector-contrib, processor/resourcedetectionprocessor, docker; Docker
// Engine API, GET /info.
class DockerDetector {
 public:
  struct Config {
    std::vector<std::string> attributes;  // Of kDockerAttributes, those that are wanted.
    std::chrono::milliseconds timeout{5'000};
  };
  // Where the daemon is, as the environment has it for Docker's own clients. Each may be empty.
  struct Daemon {
    // DOCKER_HOST: "unix:///var/run/docker.sock", "tcp://host:2375" or an http URL; empty: the
    // usual socket.
    std::string host;
    // DOCKER_CERT_PATH: the directory of ca.pem, cert.pem and key.pem; empty: no TLS for tcp.
    std::string cert_path;
    std::string tls_verify;  // DOCKER_TLS_VERIFY; empty: whoever answers there is the daemon.
  };
  DockerDetector(const Config& config, Daemon daemon, base::Env env, base::Logger& logger)
      : config_(config), daemon_(std::move(daemon)), env_(env), logger_(logger) {}

  // Errors: kInvalidArgument for an address of another kind; those of TlsClient and HttpClient;
  // kUnavailable for an answer that is not the daemon's.
  base::Result<Detected> Detect() const;

 private:
  base::Result<net::HttpClientRequest> Request() const;

  const Config& config_;
  const Daemon daemon_;
  const base::Env env_;
  base::Logger& logger_;
};

}  // namespace narthex::processors
