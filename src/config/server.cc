#include "config/server.h"

#include <algorithm>

namespace narthex::config {
namespace {

using std::chrono::nanoseconds;

void ReadTime(MapReader& reader, std::string_view key, nanoseconds& out, std::string_view meaning) {
  int64_t ns = out.count();
  if (!reader.ReadGoDuration(key, ns, meaning)) return;
  if (ns < 0) return reader.Report(key, "must not be negative");
  out = nanoseconds(ns);
}

void ReadTlsBlock(MapReader& reader, Diagnostics& diagnostics,
                  std::optional<TlsServerConfig>& config) {
  if (const Node* node = reader.Take("tls", "Without it, in the clear"))
    config = ReadTlsServer(*node, diagnostics);
}

// A Unix socket becomes "unix:/path" or "unix:@name". Wrappers around requests are not there.
void ReadTransport(MapReader& reader, std::string& endpoint) {
  constexpr std::string_view kUrl = "unix://", kAddress = "unix:";
  std::string transport = endpoint.starts_with(kAddress) ? "unix" : "tcp";
  reader.Read("transport", transport,
              "`tcp`, `tcp4`, `tcp6`, or `unix`, where `endpoint` is a path: `/run/otlp.sock` or "
              "`unix:///run/otlp.sock`; `@otlp`: an abstract socket");
  reader.Refuse({"middlewares"}, "is not supported");
  if (transport != "unix") {
    if (transport != "tcp" && transport != "tcp4" && transport != "tcp6") {
      reader.Report("transport", "only tcp and unix are supported");
    }
    return;
  }
  for (const std::string_view prefix : {kUrl, kAddress}) {
    if (!endpoint.starts_with(prefix)) continue;
    endpoint.erase(0, prefix.size());
    break;
  }
  if (endpoint.find('/') == std::string::npos && !endpoint.starts_with('@')) {
    reader.Report("endpoint", "must be a path, or @ and a name, with transport unix");
  }
  endpoint.insert(0, kAddress);
}

bool IsHeaderText(std::string_view text) {
  return std::ranges::none_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; });
}

void ReadResponseHeaders(MapReader& reader, HttpServerConfig& config) {
  const Node* headers = reader.Take("response_headers", "On every answer", "map");
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
  const Node* node = outer.Take("cors", "Pages of other origins");
  if (node == nullptr) return;
  MapReader reader(*node, diagnostics);
  reader.Read("allowed_origins", config.allowed_origins,
              "Pages that may send from a browser; one `*` in each");
  reader.Read("allowed_headers", config.allowed_headers,
              "`*` for all; without it `Accept`, `Content-Type` and `X-Requested-With`");
  reader.Read("exposed_headers", config.exposed_headers, "What pages may read of an answer");
  reader.Read("max_age", config.max_age_s,
              "For how many seconds browsers remember; `0`: as they like");
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
  static constexpr std::string_view kKnown[] = {
      "",     "none",   "identity",        "gzip", "deflate", "zlib",
      "zstd", "snappy", "x-snappy-framed", "lz4"};
  std::vector<std::string> names;
  if (!reader.Read("compression_algorithms", names,
                   "Of requests: `\"\"`, `gzip`, `zstd`, `zlib`, `deflate`, `snappy`, "
                   "`x-snappy-framed`, `lz4`; others get 400; "
                   "without it, all"))
    return;
  for (const std::string& name : names) {
    if (std::ranges::find(kKnown, name) == std::end(kKnown)) {
      reader.Report("compression_algorithms", fmt::format("\"{}\" is not supported", name));
    }
  }
  config.compression_algorithms = std::move(names);
}

void ReadKeepalive(MapReader& outer, Diagnostics& diagnostics, GrpcServerConfig& config) {
  const Node* node = outer.Take("keepalive", "Connections that stay open");
  if (node == nullptr) return;
  MapReader reader(*node, diagnostics);
  if (const Node* parameters = reader.Take("server_parameters", "What we do")) {
    MapReader inner(*parameters, diagnostics);
    ReadTime(inner, "max_connection_idle", config.max_connection_idle,
             "Then a connection without calls gets no more of them; `0s`: after 30 minutes");
    ReadTime(inner, "max_connection_age", config.max_connection_age,
             "Then any connection gets no more calls; `0s`: never");
    ReadTime(inner, "max_connection_age_grace", config.max_connection_age_grace,
             "How long calls in flight have then; `0s`: as long as they take");
    ReadTime(inner, "time", config.ping_interval,
             "A peer that is silent for so long is asked whether it is there");
    ReadTime(inner, "timeout", config.ping_timeout, "Then it is given up");
    inner.Finish();
  }
  if (const Node* policy = reader.Take("enforcement_policy",
                                       "With the block: a peer that asks us more often three times "
                                       "is sent away; without it, none is")) {
    MapReader inner(*policy, diagnostics);
    config.min_ping_interval = std::chrono::minutes(5);
    ReadTime(inner, "min_time", config.min_ping_interval, "How often a peer may ask us");
    inner.Read("permit_without_stream", config.pings_without_streams,
               "Also on a connection without calls");
    inner.Finish();
  }
  reader.Finish();
}

}  // namespace

std::vector<std::string_view> ReadHttpServer(MapReader& reader, Diagnostics& diagnostics,
                                             HttpServerConfig& config) {
  reader.Read("endpoint", config.endpoint, "`host:port` to listen on, or `unix:///path`");
  const KeyGroup group(reader, "HTTP servers");
  ReadTlsBlock(reader, diagnostics, config.tls);
  ReadCors(reader, diagnostics, config.cors);
  ReadResponseHeaders(reader, config);
  uint64_t bytes_max = config.max_request_body_size;
  reader.Read("max_request_body_size", bytes_max,
              "Bytes, before and after decompression; over it the answer is 413");
  if (bytes_max > 0) config.max_request_body_size = bytes_max;
  ReadCompressions(reader, config);
  ReadTime(reader, "read_timeout", config.read_timeout,
           "Of a whole request; `0s`: as long as 1 KiB/s come through");
  ReadTime(reader, "read_header_timeout", config.read_header_timeout, "`0s`: ten seconds");
  ReadTime(reader, "write_timeout", config.write_timeout,
           "Of a whole answer; `0s`: as long as 1 KiB/s go through");
  ReadTime(reader, "idle_timeout", config.idle_timeout, "`0s`: five minutes");
  reader.Read("keep_alives_enabled", config.keep_alives, "More than one request on a connection");
  reader.Read("include_metadata", config.include_metadata,
              "A request's headers go with its data, for those who ask for them");
  ReadTransport(reader, config.endpoint);
  return {};
}

std::vector<std::string_view> ReadGrpcServer(MapReader& reader, Diagnostics& diagnostics,
                                             GrpcServerConfig& config) {
  reader.Read("endpoint", config.endpoint, "`host:port` to listen on, or `unix:///path`");
  ReadTlsBlock(reader, diagnostics, config.tls);
  uint64_t message_mib = config.max_recv_msg_size >> 20, streams = config.max_concurrent_streams;
  reader.Read("max_recv_msg_size_mib", message_mib, "The largest message");
  reader.Read("max_concurrent_streams", streams, "Requests at once on a connection");
  if (message_mib > 4096) reader.Report("max_recv_msg_size_mib", "must not be over 4096");
  if (message_mib > 0) config.max_recv_msg_size = message_mib << 20;
  if (streams > 0) config.max_concurrent_streams = std::min<uint64_t>(streams, 1 << 20);
  ReadKeepalive(reader, diagnostics, config);
  ReadTransport(reader, config.endpoint);
  reader.Read("include_metadata", config.include_metadata,
              "A call's metadata goes with its data, for those who ask for it");
  return reader.TakeWithoutEffect({"read_buffer_size", "write_buffer_size"});
}

}  // namespace narthex::config
