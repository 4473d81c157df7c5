#pragma once

#include <chrono>
#include <string>
#include <vector>

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
  // `daemon`: "unix:///var/run/docker.sock", "tcp://host:2375" or an http URL, as DOCKER_HOST has
  // it; empty for the usual socket.
  DockerDetector(const Config& config, std::string daemon)
      : config_(config), daemon_(std::move(daemon)) {}

  // Errors: kInvalidArgument for an address of another kind; those of HttpClient; kUnavailable for
  // an answer that is not the daemon's.
  base::Result<Detected> Detect() const;

 private:
  const Config& config_;
  const std::string daemon_;
};

}  // namespace narthex::processors
