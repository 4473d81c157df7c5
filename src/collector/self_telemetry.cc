#include "collector/self_telemetry.h"

#include <fmt/format.h>

#include <charconv>

#include "base/random.h"
#include "exposition/writer.h"
#include "telemetry/otlp_grpc_exporter.h"
#include "telemetry/otlp_http_exporter.h"
#include "telemetry/prometheus_page.h"

namespace narthex::collector {
namespace {

using config::Diagnostics;
using config::MapReader;
using config::Node;

constexpr std::string_view kVersion = "0.1.0";

void WarnNoEffect(MapReader& reader, base::Logger& logger,
                  std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (reader.Take(key) == nullptr) continue;
    logger.Warn("collector", "configuration key has no effect",
                {{"key", fmt::format("service::telemetry::{}", key)}});
  }
}

void ReadLogs(const Node& node, Diagnostics& diagnostics, base::Logger& logger,
              SelfTelemetryConfig& config) {
  std::string level = "info", encoding = "console";
  MapReader reader(node, diagnostics);
  reader.Read("level", level);
  reader.Read("encoding", encoding);
  WarnNoEffect(reader, logger,
               {"development", "disable_caller", "disable_stacktrace", "sampling", "output_paths",
                "error_output_paths", "initial_fields", "processors"});
  reader.Finish();
  for (char& c : level) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (level == "debug") {
    config.log_level = base::LogLevel::kDebug;
  } else if (level == "warn") {
    config.log_level = base::LogLevel::kWarn;
  } else if (level == "error") {
    config.log_level = base::LogLevel::kError;
  } else if (level != "info") {
    reader.Report("level", "must be debug, info, warn or error");
  }
  if (encoding == "json") {
    config.log_format = base::LogFormat::kJson;
  } else if (encoding != "console") {
    reader.Report("encoding", "must be console or json");
  }
}

// One `pull: {exporter: {prometheus: …}}`.
void ReadPullReader(const Node& pull, Diagnostics& diagnostics, SelfTelemetryConfig& config) {
  MapReader pull_reader(pull, diagnostics);
  const Node* exporter = pull_reader.Take("exporter");
  pull_reader.Finish();
  if (exporter == nullptr) return pull_reader.Report("exporter", "must be given");
  MapReader exporter_reader(*exporter, diagnostics);
  const Node* prometheus = exporter_reader.TakeEvenNull("prometheus");
  exporter_reader.Finish();
  if (prometheus == nullptr) return;
  std::string host = "localhost";
  uint64_t port = 8888;
  bool without_type_suffix = false, without_units = false, without_scope_info = false;
  MapReader reader(*prometheus, diagnostics);
  reader.Read("host", host);
  reader.Read("port", port);
  reader.Read("without_type_suffix", without_type_suffix);
  reader.Read("without_units", without_units);
  reader.Read("without_scope_info", without_scope_info);
  reader.Take("with_resource_constant_labels");
  reader.Finish();
  if (port > UINT16_MAX) reader.Report("port", "must be at most 65535");
  config.metrics_address = fmt::format("{}:{}", host, port);
  config.with_suffixes = !without_type_suffix;
}

// One `periodic: {exporter: {otlp: …}}`, as OpenTelemetry's declarative configuration has it.
void ReadPeriodic(const Node& node, Diagnostics& diagnostics, SelfTelemetryConfig& config) {
  SelfTelemetryConfig::Periodic periodic;
  int64_t interval_ms = periodic.rhythm.interval.count();
  int64_t timeout_ms = periodic.rhythm.timeout.count();
  MapReader reader(node, diagnostics);
  reader.Read("interval", interval_ms);
  reader.Read("timeout", timeout_ms);
  const Node* exporter = reader.Take("exporter");
  reader.Finish();
  if (interval_ms <= 0) reader.Report("interval", "must be milliseconds above 0");
  if (timeout_ms <= 0) reader.Report("timeout", "must be milliseconds above 0");
  periodic.rhythm.interval = std::chrono::milliseconds(interval_ms);
  periodic.rhythm.timeout = std::chrono::milliseconds(timeout_ms);
  if (exporter == nullptr) return reader.Report("exporter", "must be given");
  MapReader exporter_reader(*exporter, diagnostics);
  const Node* otlp = exporter_reader.Take("otlp");
  exporter_reader.Finish();
  if (otlp == nullptr) return exporter_reader.Report("otlp", "must be given");
  std::string protocol = "http/protobuf", compression;
  bool is_insecure = false;
  MapReader otlp_reader(*otlp, diagnostics);
  otlp_reader.Read("protocol", protocol);
  otlp_reader.Read("endpoint", periodic.endpoint);
  otlp_reader.Read("compression", compression);
  otlp_reader.Read("insecure", is_insecure);
  otlp_reader.Read("certificate", periodic.tls.ca.file);
  otlp_reader.Read("client_certificate", periodic.tls.cert.file);
  otlp_reader.Read("client_key", periodic.tls.key.file);
  if (const Node* headers = otlp_reader.Take("headers")) {
    for (const Node& item : headers->items) {
      std::string name, value;
      MapReader header(item, diagnostics);
      header.Read("name", name);
      header.Read("value", value);
      header.Finish();
      if (name.empty()) header.Report("name", "must be given");
      periodic.headers.Set(name, value);
    }
  }
  otlp_reader.Finish();
  periodic.is_grpc = protocol.starts_with("grpc");
  if (!periodic.is_grpc && protocol != "http/protobuf") {
    otlp_reader.Report("protocol", "must be http/protobuf or grpc/protobuf");
  }
  if (!compression.empty() && compression != "none" && compression != "gzip") {
    otlp_reader.Report("compression", "must be gzip or none");
  }
  periodic.gzip = compression == "gzip";
  if (periodic.is_grpc && periodic.endpoint.find("://") == std::string::npos) {
    periodic.endpoint.insert(0, is_insecure ? "http://" : "https://");
  }
  if (!periodic.endpoint.starts_with("http://") && !periodic.endpoint.starts_with("https://")) {
    otlp_reader.Report("endpoint", "must be a URL of http or https");
  }
  config.periodic.push_back(std::move(periodic));
}

void ReadMetrics(const Node& node, Diagnostics& diagnostics, base::Logger& logger,
                 SelfTelemetryConfig& config) {
  std::string level = "normal", address;
  MapReader reader(node, diagnostics);
  reader.Read("level", level);
  if (reader.Read("address", address)) config.metrics_address = address;
  if (const Node* readers = reader.Take("readers")) {
    config.metrics_address.reset();
    for (const Node& item : readers->items) {
      MapReader item_reader(item, diagnostics);
      if (const Node* pull = item_reader.Take("pull")) {
        ReadPullReader(*pull, diagnostics, config);
      }
      if (const Node* periodic = item_reader.Take("periodic")) {
        ReadPeriodic(*periodic, diagnostics, config);
      }
      item_reader.Finish();
    }
  }
  WarnNoEffect(reader, logger, {"views"});
  reader.Finish();
  for (char& c : level) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (level == "none") {
    config.metrics_address.reset();
  } else if (level != "basic" && level != "normal" && level != "detailed") {
    reader.Report("level", "must be none, basic, normal or detailed");
  }
}

// A random UUID, version 4.
std::string NewInstanceId() {
  base::Random random(base::RandomSeed());
  const uint64_t high = (random.Next() & ~uint64_t{0xf000}) | 0x4000;
  const uint64_t low = (random.Next() & ~(uint64_t{3} << 62)) | uint64_t{1} << 63;
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xffff,
                     high & 0xffff, low >> 48, low & 0xffffffffffff);
}

// What /proc/self/stat says. Zeros where it cannot be read.
struct ProcessFigures {
  double cpu_seconds = 0;
  int64_t resident_bytes = 0;
};

ProcessFigures ReadProcess(base::FileSystem& files) {
  constexpr double kTicksPerSecond = 100;
  constexpr int64_t kPageBytes = 4096;
  const auto file = files.Open("/proc/self/stat", base::FileSystem::Mode::kRead);
  if (!file.has_value()) return {};
  const auto text = (*file)->ReadAt(0, 4096);
  if (!text.has_value()) return {};
  // The program's name may hold blanks; fields are counted behind its parenthesis, from 3.
  size_t at = text->rfind(')');
  if (at == std::string::npos) return {};
  ProcessFigures figures;
  for (int field = 3; at < text->size(); ++field) {
    at = text->find_first_not_of(' ', at + 1);
    if (at == std::string::npos) break;
    const size_t end = std::min(text->find(' ', at), text->size());
    int64_t value = 0;
    std::from_chars(text->data() + at, text->data() + end, value);
    if (field == 14 || field == 15) figures.cpu_seconds += static_cast<double>(value);
    if (field == 24) figures.resident_bytes = value * kPageBytes;
    at = end;
  }
  figures.cpu_seconds /= kTicksPerSecond;
  return figures;
}

}  // namespace

SelfTelemetryConfig ReadSelfTelemetry(const Node* node, Diagnostics& diagnostics,
                                      base::Logger& logger) {
  SelfTelemetryConfig config;
  if (node == nullptr || node->is_null()) return config;
  MapReader reader(*node, diagnostics);
  if (const Node* logs = reader.Take("logs")) ReadLogs(*logs, diagnostics, logger, config);
  if (const Node* metrics = reader.Take("metrics")) {
    ReadMetrics(*metrics, diagnostics, logger, config);
  }
  WarnNoEffect(reader, logger, {"traces", "resource"});
  reader.Finish();
  return config;
}

SelfTelemetry::SelfTelemetry(SelfTelemetryConfig config, base::Env env, base::Logger& logger)
    : config_(std::move(config)),
      env_(env),
      logger_(logger),
      started_ns_(env.clock.MonotonicNs()),
      provider_(
          {.resource = sdk::Resource::Create({{"service.name", "otelcol"}}), .clock = env.clock}),
      meter_(provider_.GetMeter("narthex/collector", kVersion)),
      instance_id_(NewInstanceId()) {
  exposition::AppendLabel(labels_, "service_instance_id", instance_id_);
  exposition::AppendLabel(labels_, "service_name", "otelcol");
  exposition::AppendLabel(labels_, "service_version", kVersion);
  ObserveProcess();
}

void SelfTelemetry::ObserveProcess() {
  auto uptime =
      meter_->CreateDoubleObservableCounter("otelcol_process_uptime", "Uptime of the process", "s");
  uptime->AddCallback([this](sdk::ObserverResult<double>& result) {
    result.Observe(static_cast<double>(env_.clock.MonotonicNs() - started_ns_) / 1e9);
  });
  auto cpu = meter_->CreateDoubleObservableCounter(
      "otelcol_process_cpu_seconds", "Total CPU user and system time in seconds", "s");
  cpu->AddCallback([this](sdk::ObserverResult<double>& result) {
    result.Observe(ReadProcess(env_.files).cpu_seconds);
  });
  auto resident = meter_->CreateInt64ObservableGauge(
      "otelcol_process_memory_rss", "Total physical memory (resident set size)", "By");
  resident->AddCallback([this](sdk::ObserverResult<int64_t>& result) {
    result.Observe(ReadProcess(env_.files).resident_bytes);
  });
  double_observables_.push_back(std::move(uptime));
  double_observables_.push_back(std::move(cpu));
  int_observables_.push_back(std::move(resident));
}

base::Status SelfTelemetry::StartPeriodic(const SelfTelemetryConfig::Periodic& periodic) {
  ASSIGN_OR_RETURN(std::shared_ptr<net::TlsClient> tls,
                   net::TlsClient::Create(periodic.tls, env_, logger_));
  std::unique_ptr<telemetry::MetricExporter> exporter;
  if (periodic.is_grpc) {
    exporter = std::make_unique<telemetry::OtlpGrpcExporter>(
        telemetry::OtlpGrpcExporter::Config{.target = periodic.endpoint,
                                            .headers = periodic.headers,
                                            .gzip = periodic.gzip,
                                            .tls = std::move(tls),
                                            .retry_delays = {}},
        env_.clock, logger_);
  } else {
    exporter = std::make_unique<telemetry::OtlpHttpExporter>(
        telemetry::OtlpHttpExporter::Config{.url = periodic.endpoint,
                                            .headers = periodic.headers,
                                            .gzip = periodic.gzip,
                                            .tls = std::move(tls),
                                            .retry_delays = {}},
        env_.clock, logger_);
  }
  periodic_.push_back(std::make_unique<telemetry::PeriodicReader>(
      provider_, std::move(exporter), periodic.rhythm, env_.clock, logger_));
  return {};
}

base::Status SelfTelemetry::Start() {
  for (const SelfTelemetryConfig::Periodic& periodic : config_.periodic) {
    if (base::Status status = StartPeriodic(periodic); !status.has_value()) {
      return std::unexpected(std::move(status).error().In("telemetry"));
    }
  }
  if (!config_.metrics_address.has_value()) return {};
  auto server = net::HttpServer::Bind({.listen_address = *config_.metrics_address, .workers = 1});
  if (!server.has_value()) return std::unexpected(std::move(server).error().In("telemetry"));
  server_ = *std::move(server);
  server_->Serve([this](net::HttpRequest request, net::Responder responder) {
    if (request.path != "/metrics") {
      return responder.Send(net::HttpResponse::Text(404, "404 page not found\n"));
    }
    server_->RunBlocking([this, responder = std::move(responder)]() mutable {
      net::HttpResponse response{.status = 200};
      response.headers.Set("Content-Type", exposition::ContentTypeOf(exposition::Format::kText));
      response.body = Page();
      responder.Send(std::move(response));
    });
  });
  return {};
}

void SelfTelemetry::Stop() {
  // Each sends once more, what the others' end has changed included.
  for (const auto& reader : periodic_) {
    if (const base::Status status = reader->Shutdown(); !status.has_value()) {
      logger_.Warn("telemetry", "metrics were not sent", {{"error", status.error().message}});
    }
  }
  periodic_.clear();
  if (server_ != nullptr) server_->Stop(std::chrono::milliseconds(1'000));
}

std::string SelfTelemetry::Page() {
  base::MutexLock lock(mutex_);
  provider_.Collect(batch_);
  return telemetry::RenderPrometheus(
      batch_, {.const_labels = labels_, .with_suffixes = config_.with_suffixes});
}

}  // namespace narthex::collector
