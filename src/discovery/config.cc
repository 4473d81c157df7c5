#include "discovery/config.h"

#include <algorithm>
#include <utility>

namespace narthex::discovery {
namespace {

using config::Diagnostics;
using config::MapReader;
using config::Node;

constexpr std::pair<std::string_view, net::DnsType> kDnsTypes[] = {{"SRV", net::DnsType::kSrv},
                                                                   {"A", net::DnsType::kA},
                                                                   {"AAAA", net::DnsType::kAaaa},
                                                                   {"MX", net::DnsType::kMx},
                                                                   {"NS", net::DnsType::kNs}};

void ReadInterval(MapReader& reader, int64_t& interval_ms, std::string_view meaning) {
  reader.ReadDuration("refresh_interval", interval_ms, meaning);
  if (interval_ms <= 0) reader.Report("refresh_interval", "has to be above 0");
}

// Source: Prometheus, discovery/file: one pattern, in the last element, of a known extension.
bool IsFilePattern(std::string_view path) {
  const size_t star = path.find('*');
  if (star != path.npos && path.find_first_of("*/", star + 1) != path.npos) return false;
  const size_t dot = path.rfind('.');
  if (dot == path.npos || dot == 0) return false;
  const std::string_view extension = path.substr(dot);
  constexpr std::string_view kExtensions[] = {".json", ".yml", ".yaml", ".JSON", ".YML", ".YAML"};
  return std::ranges::find(kExtensions, extension) != std::end(kExtensions);
}

FileConfig ReadFile(const Node& node, Diagnostics& diagnostics) {
  FileConfig config;
  MapReader reader(node, diagnostics);
  reader.Read("files", config.files,
              "JSON and YAML files with `[{targets: […], labels: {…}}]`; the last element of a "
              "path may have a `*`. A change is noticed at once");
  ReadInterval(reader, config.refresh_interval_ms, "They are read again at the latest then");
  reader.Finish();
  if (node.kind == Node::Kind::kSample) return config;
  if (config.files.empty()) {
    reader.Report("files", "file service discovery config must contain at least one path name");
  }
  for (const std::string& path : config.files) {
    if (!IsFilePattern(path)) {
      reader.Report("files", fmt::format("path name \"{}\" is not valid for file discovery", path));
    }
  }
  return config;
}

HttpConfig ReadHttp(const Node& node, Diagnostics& diagnostics) {
  HttpConfig config;
  MapReader reader(node, diagnostics);
  reader.Read("url", config.url, "Answers with the same as a file, in JSON; required");
  ReadInterval(reader, config.refresh_interval_ms, "How often");
  config::ReadHttpClient(reader, diagnostics, config.client);
  (void)reader.TakeWithoutEffect({"enable_http2"});
  reader.Finish();
  if (node.kind == Node::Kind::kSample) return config;
  if (config.url.empty()) {
    reader.Report("url", "URL is missing");
  } else if (!config.url.starts_with("http://") && !config.url.starts_with("https://")) {
    reader.Report("url", "URL scheme must be 'http' or 'https'");
  } else if (config.url.find_first_of("/?#", config.url.find("://") + 3) ==
             config.url.find("://") + 3) {
    reader.Report("url", "host is missing in URL");
  }
  return config;
}

DnsConfig ReadDns(const Node& node, Diagnostics& diagnostics) {
  DnsConfig config;
  MapReader reader(node, diagnostics);
  reader.Read("names", config.names, "Names to ask for");
  std::string type = "SRV";
  reader.Read("type", type, "`SRV`, `A`, `AAAA`, `MX` or `NS`");
  std::ranges::transform(type, type.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  uint64_t port = 0;
  reader.Read("port", port, "Of the targets; required but for `SRV`, whose records have it");
  ReadInterval(reader, config.refresh_interval_ms, "How often");
  reader.Finish();
  if (node.kind == Node::Kind::kSample) return config;
  if (config.names.empty()) {
    reader.Report("names", "DNS-SD config must contain at least one SRV record name");
  }
  const auto* const known =
      std::ranges::find(kDnsTypes, type, &std::pair<std::string_view, net::DnsType>::first);
  if (known == std::end(kDnsTypes)) {
    reader.Report("type", fmt::format("invalid DNS-SD records type {}", type));
  } else {
    config.type = known->second;
  }
  if (port > 65'535) reader.Report("port", "is not a port");
  if (port == 0 && config.type != net::DnsType::kSrv) {
    reader.Report("port", "a port is required in DNS-SD configs for all record types except SRV");
  }
  config.port = static_cast<uint16_t>(port);
  return config;
}

template <class Read>
void ReadList(MapReader& job, std::string_view key, std::string_view meaning,
              Diagnostics& diagnostics, std::vector<Config>& configs, const Read& read) {
  const Node* const list = job.Take(key, meaning, "list");
  if (list == nullptr) return;
  if (!list->is_list()) return job.Report(key, "expected a list");
  for (const Node& item : list->items) {
    if (item.is_null()) {
      diagnostics.Add(item.at, fmt::format("empty or null section in {}", key));
      continue;
    }
    configs.emplace_back(read(item, diagnostics));
  }
}

}  // namespace

std::vector<Config> ReadDiscovery(MapReader& job, Diagnostics& diagnostics) {
  std::vector<Config> configs;
  ReadList(job, "file_sd_configs", "Targets from files", diagnostics, configs, &ReadFile);
  ReadList(job, "http_sd_configs", "Targets from HTTP answers", diagnostics, configs, &ReadHttp);
  ReadList(job, "dns_sd_configs", "Targets from name servers", diagnostics, configs, &ReadDns);
  for (const auto& [key, value] : job.node().members) {
    const std::string_view name = key.scalar;
    if (!name.ends_with("_sd_configs") || name == "file_sd_configs" || name == "http_sd_configs" ||
        name == "dns_sd_configs")
      continue;
    if (job.Take(name) != nullptr) job.Report(name, "not supported in this version");
  }
  return configs;
}

void ResolvePaths(std::string_view directory, Config& config) {
  if (auto* const file = std::get_if<FileConfig>(&config)) {
    for (std::string& path : file->files) config::ResolvePath(directory, path);
  } else if (auto* const http = std::get_if<HttpConfig>(&config)) {
    config::ResolvePaths(directory, http->client);
  }
}

std::string_view MechanismOf(const Config& config) {
  constexpr std::string_view kNames[] = {"file", "http", "dns"};
  return kNames[config.index()];
}

}  // namespace narthex::discovery
