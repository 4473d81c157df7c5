#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "demo/child_process.h"

namespace narthex::demo {

struct Ports {
  uint16_t api = 8080;
  uint16_t otlp_grpc = 4317;
  uint16_t otlp_http = 4318;
  uint16_t exporter = 8889;   // Where the collector exposes the API's metrics.
  uint16_t telemetry = 8888;  // And its own.
  uint16_t health = 13133;    // The collector's health check.
  uint16_t server = 9090;
  bool operator==(const Ports&) const = default;
};

// What the demo is asked to do. A value.
struct Settings {
  std::string program;           // The narthex binary.
  std::string config_directory;  // Holds otel-collector-config.yaml and prometheus.yml.
  std::string data_directory;
  std::string host = "127.0.0.1";  // Where API and server listen.
  Ports ports;
  std::chrono::milliseconds scrape_interval{1000};
  double rate = 50;
  uint64_t seed = 1;
  bool load = true;
  std::optional<std::chrono::milliseconds> duration;
  std::string run;  // Begins the instance label of this run's series, and of no other's.

  std::string Url(uint16_t port) const;
  std::string LogPath(std::string_view child) const;
  std::string LoadReportPath() const;
};

// A configuration file with each default port replaced by ours and every scrape_interval by
// `scrape_interval_ms` (0: left alone). What else the file says stays.
std::string RewriteConfig(std::string_view text, const Ports& ports, int64_t scrape_interval_ms);

// Makes the directories, empties the logs and writes the effective configuration files.
base::Status PrepareFiles(const Settings& settings, base::FileSystem& files);

// How to start each child. `attempt` counts restarts: each API process is an instance of its own.
ChildProcess::Spec CollectorSpec(const Settings& settings);
ChildProcess::Spec ServerSpec(const Settings& settings);
ChildProcess::Spec ApiSpec(const Settings& settings, int attempt);
ChildProcess::Spec LoadSpec(const Settings& settings);

// kUnavailable, naming port and remedy, when somebody else listens on a port that we need.
base::Status CheckPortsFree(const Settings& settings);

}  // namespace narthex::demo
