#include "demo/settings.h"

#include <fmt/format.h>

#include <utility>

#include "model/duration.h"
#include "net/http_server.h"

namespace narthex::demo {
namespace {

constexpr char kCollectorFile[] = "otel-collector-config.yaml";
constexpr char kServerFile[] = "prometheus.yml";
constexpr std::string_view kIntervalKey = "scrape_interval:";

std::string EffectivePath(const Settings& settings, std::string_view file) {
  return base::JoinPath(base::JoinPath(settings.data_directory, "run"), file);
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

uint16_t Replacement(std::string_view digits, const Ports& ports) {
  const Ports defaults;
  const std::pair<uint16_t, uint16_t> changes[] = {{defaults.api, ports.api},
                                                   {defaults.otlp_grpc, ports.otlp_grpc},
                                                   {defaults.otlp_http, ports.otlp_http},
                                                   {defaults.exporter, ports.exporter},
                                                   {defaults.telemetry, ports.telemetry},
                                                   {defaults.health, ports.health},
                                                   {defaults.server, ports.server}};
  for (const auto& [from, to] : changes) {
    if (digits == std::to_string(from)) return to;
  }
  return 0;
}

// The number behind every colon ("localhost:8889", "port: 8888"), where it is a default port.
std::string ReplacePorts(std::string_view text, const Ports& ports) {
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    out += text[at++];
    if (out.back() != ':') continue;
    while (at < text.size() && text[at] == ' ') out += text[at++];
    size_t end = at;
    while (end < text.size() && IsDigit(text[end])) ++end;
    const std::string_view digits = text.substr(at, end - at);
    const uint16_t replacement = Replacement(digits, ports);
    out += replacement == 0 ? std::string(digits) : std::to_string(replacement);
    at = end;
  }
  return out;
}

std::string ReplaceIntervals(std::string_view text, int64_t interval_ms) {
  std::string out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const size_t key = line.find_first_not_of(" -");
    if (key != std::string_view::npos && line.substr(key).starts_with(kIntervalKey)) {
      out += fmt::format("{}{} {}", line.substr(0, key), kIntervalKey,
                         model::FormatDuration(interval_ms));
    } else {
      out += line;
    }
    if (end < text.size()) out += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

base::Status Rewrite(const Settings& settings, std::string_view file, int64_t scrape_interval_ms,
                     base::FileSystem& files) {
  ASSIGN_OR_RETURN(const std::string text,
                   base::ReadFile(files, base::JoinPath(settings.config_directory, file)));
  return base::WriteFileAtomically(files, EffectivePath(settings, file),
                                   RewriteConfig(text, settings.ports, scrape_interval_ms));
}

}  // namespace

std::string Settings::Url(uint16_t port) const { return fmt::format("http://127.0.0.1:{}", port); }

std::string Settings::LogPath(std::string_view child) const {
  return base::JoinPath(base::JoinPath(data_directory, "logs"), fmt::format("{}.log", child));
}

std::string Settings::LoadReportPath() const {
  return base::JoinPath(base::JoinPath(data_directory, "run"), "load.json");
}

std::string RewriteConfig(std::string_view text, const Ports& ports, int64_t scrape_interval_ms) {
  const std::string out = ReplacePorts(text, ports);
  return scrape_interval_ms > 0 ? ReplaceIntervals(out, scrape_interval_ms) : out;
}

base::Status PrepareFiles(const Settings& settings, base::FileSystem& files) {
  for (const char* directory : {"logs", "run", "prometheus"}) {
    RETURN_IF_ERROR(files.CreateDirectories(base::JoinPath(settings.data_directory, directory)));
  }
  for (const char* child : {"load", "api", "collector", "server"}) {
    RETURN_IF_ERROR(base::RemoveAll(files, settings.LogPath(child)));
  }
  RETURN_IF_ERROR(base::RemoveAll(files, settings.LoadReportPath()));
  RETURN_IF_ERROR(Rewrite(settings, kCollectorFile, 0, files));
  return Rewrite(settings, kServerFile, settings.scrape_interval.count(), files);
}

ChildProcess::Spec CollectorSpec(const Settings& settings) {
  return {.arguments = {settings.program, "collector", "--config",
                        EffectivePath(settings, kCollectorFile)},
          .variables = {},
          .log_path = settings.LogPath("collector")};
}

ChildProcess::Spec ServerSpec(const Settings& settings) {
  return {
      .arguments = {settings.program, "server",
                    "--config.file=" + EffectivePath(settings, kServerFile),
                    "--storage.tsdb.path=" + base::JoinPath(settings.data_directory, "prometheus"),
                    "--storage.tsdb.retention.time=15d", "--web.enable-remote-write-receiver",
                    fmt::format("--web.listen-address={}:{}", settings.host,
                                settings.ports.server)},
      .variables = {},
      .log_path = settings.LogPath("server")};
}

ChildProcess::Spec ApiSpec(const Settings& settings, int attempt) {
  return {.arguments = {settings.program, "api",
                        fmt::format("--listen-address={}:{}", settings.host, settings.ports.api),
                        "--otlp.endpoint=" + settings.Url(settings.ports.otlp_http),
                        fmt::format("--seed={}", settings.seed)},
          .variables = {{"OTEL_METRIC_EXPORT_INTERVAL", "500"},
                        {"OTEL_RESOURCE_ATTRIBUTES",
                         fmt::format("service.instance.id={}.{}", settings.run, attempt)}},
          .log_path = settings.LogPath("api")};
}

ChildProcess::Spec LoadSpec(const Settings& settings) {
  ChildProcess::Spec spec{
      .arguments = {settings.program, "load", "--target=" + settings.Url(settings.ports.api),
                    fmt::format("--rate={}", settings.rate),
                    fmt::format("--seed={}", settings.seed), "--quiet",
                    "--json=" + settings.LoadReportPath(), "--json.interval=1s"},
      .variables = {},
      .log_path = settings.LogPath("load")};
  if (settings.duration.has_value()) {
    spec.arguments.push_back(fmt::format("--duration={}ms", settings.duration->count()));
  }
  return spec;
}

base::Status CheckPortsFree(const Settings& settings) {
  const Ports& ports = settings.ports;
  for (const uint16_t port : {ports.api, ports.otlp_grpc, ports.otlp_http, ports.exporter,
                              ports.telemetry, ports.health, ports.server}) {
    const auto bound = net::HttpServer::Bind({.listen_address = fmt::format("127.0.0.1:{}", port)});
    if (!bound.has_value()) return std::unexpected(bound.error());
  }
  return {};
}

}  // namespace narthex::demo
