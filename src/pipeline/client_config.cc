#include "pipeline/client_config.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace narthex::pipeline {
namespace {

void AddHeader(config::MapReader& reader, std::string_view name, const config::Node& value,
               ClientConfig& config) {
  const bool has_control = std::ranges::any_of(
      value.scalar, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; });
  if (name.empty() || name.find_first_of(" \t\r\n:") != std::string_view::npos || has_control ||
      value.is_list() || value.is_map()) {
    return reader.Report("headers", fmt::format("\"{}\" is not a header", name));
  }
  config.headers.emplace_back(name, value.scalar);
}

// A map, or the newer list of `name` and `value`.
void ReadHeaders(config::MapReader& reader, const CreateContext& context, ClientConfig& config) {
  const config::Node* headers =
      reader.Take("headers", "On every request: a map, or a list of `name` and `value`", "map");
  if (headers == nullptr) return;
  if (headers->is_list()) {
    for (const config::Node& item : headers->items) {
      std::string name;
      config::MapReader item_reader(item, context.diagnostics);
      item_reader.Read("name", name, "A header's name");
      const config::Node* value = item_reader.Take("value", "Its value", "text");
      item_reader.Finish();
      AddHeader(reader, name, value != nullptr ? *value : config::Node(), config);
    }
    return;
  }
  if (!headers->is_map()) return reader.Report("headers", "must be a map");
  for (const auto& [key, value] : headers->members) AddHeader(reader, key.scalar, value, config);
}

void ReadCompression(config::MapReader& reader, const std::vector<std::string_view>& compressions,
                     ClientConfig& config) {
  std::string compression = config.compression;
  if (!reader.Read("compression", compression,
                   fmt::format("`{}` or `none`", fmt::join(compressions, "`, `"))))
    return;
  if (compression.empty() || compression == "none") {
    config.compression.clear();
  } else if (std::ranges::find(compressions, compression) != compressions.end()) {
    config.compression = compression;
  } else {
    reader.Report("compression", fmt::format("unsupported compression type \"{}\"", compression));
  }
}

// A level that the codec has; upstream names the same.
void ReadCompressionLevel(config::MapReader& outer, const CreateContext& context,
                          ClientConfig& config) {
  const config::Node* node = outer.Take("compression_params", "Of `compression`");
  if (node == nullptr) return;
  int64_t level = 0;
  config::MapReader reader(*node, context.diagnostics);
  reader.Read("level", level,
              "`gzip`, `zlib`, `deflate`: 1 to 9, or -1 for their default; `zstd`: 1 to 11; `0`: "
              "the fastest");
  reader.Finish();
  if (level == 0) return;
  const std::string& codec = config.compression;
  const bool is_deflate = codec == "gzip" || codec == "zlib" || codec == "deflate";
  const bool is_good = is_deflate        ? level >= -1 && level <= 9
                       : codec == "zstd" ? level >= 1 && level <= 11
                                         : false;
  if (!is_good) {
    reader.Report("level", fmt::format("unsupported parameters {{Level:{}}} for compression type "
                                       "\"{}\"",
                                       level, codec));
    return;
  }
  constexpr int kDeflateDefault = 6;
  config.compression_level = level == -1 ? kDeflateDefault : static_cast<int>(level);
}

}  // namespace

void ReadClientConfig(config::MapReader& reader, const CreateContext& context,
                      const std::vector<std::string_view>& compressions, ClientConfig& config) {
  reader.Read("endpoint", config.endpoint, "Required");
  ReadHeaders(reader, context, config);
  ReadCompression(reader, compressions, config);
  ReadCompressionLevel(reader, context, config);
  if (const config::Node* node = reader.Take("tls", "How the server is spoken to")) {
    config.tls = config::ReadTlsClient(*node, context.diagnostics);
  }
  config.auth = ReadAuth(reader, context);
  reader.Refuse({"proxy_url"}, "is not supported by this exporter");
  context.WarnWithoutEffect(reader.TakeWithoutEffect(
      {"max_idle_conns", "max_idle_conns_per_host", "max_conns_per_host", "idle_conn_timeout",
       "disable_keep_alives", "force_attempt_http2", "http2_read_idle_timeout",
       "http2_ping_timeout", "cookies", "middlewares", "read_buffer_size", "write_buffer_size",
       "keepalive", "balancer_name", "wait_for_ready", "authority", "user_agent"}));
}

}  // namespace narthex::pipeline
