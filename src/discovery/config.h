#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/http_client.h"
#include "config/reader.h"
#include "net/dns_resolver.h"

namespace narthex::discovery {

// Where targets are found, as values. Source: Prometheus, configuration, <kind>_sd_config.

struct FileConfig {
  std::vector<std::string> files;  // The last element of a path may be a pattern.
  int64_t refresh_interval_ms = 5 * 60'000;
  bool operator==(const FileConfig&) const = default;
};

struct HttpConfig {
  std::string url;
  int64_t refresh_interval_ms = 60'000;
  config::HttpClientConfig client;
  bool operator==(const HttpConfig&) const = default;
};

struct DnsConfig {
  std::vector<std::string> names;
  net::DnsType type = net::DnsType::kSrv;
  uint16_t port = 0;  // Of every kind but kSrv.
  int64_t refresh_interval_ms = 30'000;
  bool operator==(const DnsConfig&) const = default;
};

using Config = std::variant<FileConfig, HttpConfig, DnsConfig>;

// Takes the keys `file_sd_configs`, `http_sd_configs` and `dns_sd_configs` of a scrape job. Other
// kinds are reported as not supported.
std::vector<Config> ReadDiscovery(config::MapReader& job, config::Diagnostics& diagnostics);
// Takes relative paths for relative to `directory`.
void ResolvePaths(std::string_view directory, Config& config);
// "file", "http" or "dns".
std::string_view MechanismOf(const Config& config);

}  // namespace narthex::discovery
