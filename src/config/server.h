#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/tls.h"

namespace narthex::config {

// The blocks that a collector's servers have in common, as values.
// Source: OpenTelemetry Collector, confighttp and configgrpc.

// Which pages of other origins may use a server from a browser. Source: Fetch standard, CORS.
struct CorsConfig {
  std::vector<std::string> allowed_origins;  // "https://*.example" or "*"; empty: none.
  std::vector<std::string> allowed_headers;  // "*" for all; empty: the usual ones.
  std::vector<std::string> exposed_headers;
  int64_t max_age_s = 0;  // How long a browser may remember the answer; 0: as it likes.
};

struct HttpServerConfig {
  std::string endpoint;
  std::optional<TlsServerConfig> tls;
  CorsConfig cors;
  std::vector<std::pair<std::string, std::string>> response_headers;
  uint64_t max_request_body_size = 20 << 20;  // Bytes, before and after decompression.
  std::optional<std::vector<std::string>> compression_algorithms;  // Of requests; "" is none.
  // 0: no limit of this kind.
  std::chrono::nanoseconds read_timeout{0}, read_header_timeout{0}, write_timeout{0},
      idle_timeout{0};
  bool keep_alives = true;
  bool include_metadata = false;  // A request's headers go with its data.
};

struct GrpcServerConfig {
  std::string endpoint;
  std::optional<TlsServerConfig> tls;
  uint64_t max_recv_msg_size = 4 << 20;  // Bytes.
  uint64_t max_concurrent_streams = 100;
  // `keepalive`; 0: off.
  std::chrono::nanoseconds max_connection_idle{0}, max_connection_age{0},
      max_connection_age_grace{0};
  std::chrono::nanoseconds ping_interval{std::chrono::hours(2)};
  std::chrono::nanoseconds ping_timeout{std::chrono::seconds(20)};
  // Pings more often than this end a connection; 0: they do not.
  std::chrono::nanoseconds min_ping_interval{0};
  bool pings_without_streams = false;
  bool include_metadata = false;
};

// Reads the keys of a server but for `auth`; `config` holds the defaults. Returns the keys that
// were accepted and change nothing.
std::vector<std::string_view> ReadHttpServer(MapReader& reader, Diagnostics& diagnostics,
                                             HttpServerConfig& config);
std::vector<std::string_view> ReadGrpcServer(MapReader& reader, Diagnostics& diagnostics,
                                             GrpcServerConfig& config);

}  // namespace narthex::config
