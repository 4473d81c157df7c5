#include "config/server.h"

#include <algorithm>

namespace narthex::config {
namespace {

using std::chrono::nanoseconds;

void ReadTime(MapReader& reader, std::string_view key, nanoseconds& out) {
  int64_t ns = out.count();
  if (!reader.ReadGoDuration(key, ns)) return;
  if (ns < 0) return reader.Report(key, "must not be negative");
  out = nanoseconds(ns);
}

void ReadTlsBlock(MapReader& reader, Diagnostics& diagnostics,
                  std::optional<TlsServerConfig>& config) {
  if (const Node* node = reader.Take("tls")) config = ReadTlsServer(*node, diagnostics);
}

// Sockets of a file system and wrappers around requests are not there.
void ReadTransport(MapReader& reader) {
  std::string transport = "tcp";
  reader.Read("transport", transport);
  if (transport != "tcp" && transport != "tcp4" && transport != "tcp6") {
    reader.Report("transport", "only tcp is supported");
  }
  if (const Node* node = reader.Take("middlewares"); node != nullptr && !node->items.empty()) {
    reader.Report("middlewares", "is not supported");
  }
}

bool IsHeaderText(std::string_view text) {
  return std::ranges::none_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; });
}

void ReadResponseHeaders(MapReader& reader, HttpServerConfig& config) {
  const Node* headers = reader.Take("response_headers");
  if (headers == nullptr) return;
  if (!headers->is_map()) return reader.Report("response_headers", "must be a map");
  for (const auto& [key, value] : headers->members) {
    const bool is_name = !key.scalar.empty() && IsHeaderText(key.scalar) &&
                         key.scalar.find_first_of(" :\t") == std::string::npos;
    if (!is_name || !value.is_scalar() || !IsHeaderText(value.scalar)) {
      reader.Report("response_headers", fmt::format("\"{}\" is not a header", key.scalar));
    }
    config.response_headers.emplace_back(key.scalar, value.scalar);
  }
}

void ReadCors(MapReader& outer, Diagnostics& diagnostics, CorsConfig& config) {
  const Node* node = outer.Take("cors");
  if (node == nullptr) return;
  MapReader reader(*node, diagnostics);
  reader.Read("allowed_origins", config.allowed_origins);
  reader.Read("allowed_headers", config.allowed_headers);
  reader.Read("exposed_headers", config.exposed_headers);
  reader.Read("max_age", config.max_age_s);
  reader.Finish();
  for (const std::string& origin : config.allowed_origins) {
    if (std::ranges::count(origin, '*') > 1) {
      reader.Report("allowed_origins", fmt::format("\"{}\" has more than one *", origin));
    }
  }
  if (config.allowed_origins.empty() && !config.allowed_headers.empty()) {
    reader.Report("allowed_headers", "have no effect without allowed_origins");
  }
}

void ReadCompressions(MapReader& reader, HttpServerConfig& config) {
  static constexpr std::string_view kKnown[] = {"",        "none", "identity", "gzip",
                                                "deflate", "zlib", "zstd",     "snappy"};
  std::vector<std::string> names;
  if (!reader.Read("compression_algorithms", names)) return;
  for (const std::string& name : names) {
    if (std::ranges::find(kKnown, name) == std::end(kKnown)) {
      reader.Report("compression_algorithms", fmt::format("\"{}\" is not supported", name));
    }
  }
  config.compression_algorithms = std::move(names);
}

void ReadKeepalive(MapReader& outer, Diagnostics& diagnostics, GrpcServerConfig& config) {
  const Node* node = outer.Take("keepalive");
  if (node == nullptr) return;
  MapReader reader(*node, diagnostics);
  if (const Node* parameters = reader.Take("server_parameters")) {
    MapReader inner(*parameters, diagnostics);
    ReadTime(inner, "max_connection_idle", config.max_connection_idle);
    ReadTime(inner, "max_connection_age", config.max_connection_age);
    ReadTime(inner, "max_connection_age_grace", config.max_connection_age_grace);
    ReadTime(inner, "time", config.ping_interval);
    ReadTime(inner, "timeout", config.ping_timeout);
    inner.Finish();
  }
  if (const Node* policy = reader.Take("enforcement_policy")) {
    MapReader inner(*policy, diagnostics);
    config.min_ping_interval = std::chrono::minutes(5);
    ReadTime(inner, "min_time", config.min_ping_interval);
    inner.Read("permit_without_stream", config.pings_without_streams);
    inner.Finish();
  }
  reader.Finish();
}

void TakeWithoutEffect(MapReader& reader, std::initializer_list<std::string_view> keys,
                       std::vector<std::string_view>& without_effect) {
  for (const std::string_view key : keys) {
    if (reader.Take(key) != nullptr) without_effect.push_back(key);
  }
}

}  // namespace

void ReadHttpServer(MapReader& reader, Diagnostics& diagnostics, HttpServerConfig& config,
                    std::vector<std::string_view>& without_effect) {
  reader.Read("endpoint", config.endpoint);
  ReadTlsBlock(reader, diagnostics, config.tls);
  ReadCors(reader, diagnostics, config.cors);
  ReadResponseHeaders(reader, config);
  uint64_t bytes_max = 0;
  reader.Read("max_request_body_size", bytes_max);
  if (bytes_max > 0) config.max_request_body_size = bytes_max;
  ReadCompressions(reader, config);
  ReadTime(reader, "read_timeout", config.read_timeout);
  ReadTime(reader, "read_header_timeout", config.read_header_timeout);
  ReadTime(reader, "write_timeout", config.write_timeout);
  ReadTime(reader, "idle_timeout", config.idle_timeout);
  reader.Read("keep_alives_enabled", config.keep_alives);
  ReadTransport(reader);
  TakeWithoutEffect(reader, {"include_metadata"}, without_effect);
}

void ReadGrpcServer(MapReader& reader, Diagnostics& diagnostics, GrpcServerConfig& config,
                    std::vector<std::string_view>& without_effect) {
  reader.Read("endpoint", config.endpoint);
  ReadTlsBlock(reader, diagnostics, config.tls);
  uint64_t message_mib = 0, streams = 0;
  reader.Read("max_recv_msg_size_mib", message_mib);
  reader.Read("max_concurrent_streams", streams);
  if (message_mib > 4096) reader.Report("max_recv_msg_size_mib", "must not be over 4096");
  if (message_mib > 0) config.max_recv_msg_size = message_mib << 20;
  if (streams > 0) config.max_concurrent_streams = std::min<uint64_t>(streams, 1 << 20);
  ReadKeepalive(reader, diagnostics, config);
  ReadTransport(reader);
  TakeWithoutEffect(reader, {"read_buffer_size", "write_buffer_size", "include_metadata"},
                    without_effect);
}

}  // namespace narthex::config
