#include "processors/resourcedetection/resourcedetection_processor.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <span>

#include "otlp/edit.h"
#include "sdk/resource.h"

namespace narthex::processors {
namespace {

constexpr char kVariable[] = "OTEL_RESOURCE_ATTRIBUTES";
constexpr std::string_view kDetectors[] = {"docker", "env", "system"};

std::string Environment(const char* name) {
  const char* text = std::getenv(name);
  return text != nullptr ? text : "";
}

base::Result<Detected> DetectFromEnvironment() {
  Detected detected;
  const std::string text = Environment(kVariable);
  const base::Result<sdk::AttributeSet> attributes = sdk::ParseResourceAttributes(text);
  if (!attributes.has_value()) {
    return std::unexpected(base::Error(attributes.error()).In(kVariable));
  }
  for (const sdk::Attribute& attribute : attributes->items()) {
    // They are texts, all of them.
    detected.emplace_back(attribute.key, otlp::EncodeValue(attribute.value.AsString()));
  }
  return detected;
}

// Which attributes a detector gives. `wanted` holds those that it gives unless told otherwise.
void ReadAttributes(config::MapReader& reader, config::Diagnostics& diagnostics,
                    std::span<const SystemAttribute> known, std::vector<std::string>& wanted) {
  const config::Node* list = reader.Take("resource_attributes", "Which attributes it gives");
  if (list == nullptr) return;
  config::MapReader attributes(*list, diagnostics);
  wanted.clear();
  for (const SystemAttribute& attribute : known) {
    bool is_enabled = attribute.is_enabled;
    if (const config::Node* one = attributes.Take(attribute.name)) {
      config::MapReader inner(*one, diagnostics);
      inner.Read("enabled", is_enabled, "Whether it is given");
      inner.Finish();
    }
    if (is_enabled) wanted.emplace_back(attribute.name);
  }
  attributes.Finish();
}

std::vector<std::string> UsualOf(std::span<const SystemAttribute> known) {
  std::vector<std::string> wanted;
  for (const SystemAttribute& attribute : known) {
    if (attribute.is_enabled) wanted.emplace_back(attribute.name);
  }
  return wanted;
}

void ReadSystem(const config::Node& node, config::Diagnostics& diagnostics,
                SystemDetector::Config& config) {
  config::MapReader reader(node, diagnostics);
  reader.Read(
      "hostname_sources", config.hostname_sources,
      "Who is asked for `host.name`, until one knows: `dns` (the full name), `os`, `cname`, "
      "`lookup` (by the address)");
  for (const std::string& source : config.hostname_sources) {
    if (source != "dns" && source != "os" && source != "cname" && source != "lookup") {
      reader.Report("hostname_sources", fmt::format("\"{}\" is no hostname source", source));
    }
  }
  ReadAttributes(reader, diagnostics, kSystemAttributes, config.attributes);
  reader.Finish();
}

}  // namespace

std::unique_ptr<pipeline::Processor> ResourceDetectionProcessor::Create(
    const pipeline::CreateContext& context, pipeline::Consumer& next) {
  Config config;
  config.system.attributes = UsualOf(kSystemAttributes);
  config.docker.attributes = UsualOf(kDockerAttributes);
  int64_t refresh_ns = 0;
  int64_t timeout_ns = std::chrono::nanoseconds(config.docker.timeout).count();
  config::MapReader reader(context.config, context.diagnostics);
  reader.Read(
      "detectors", config.detectors,
      "`env` (`OTEL_RESOURCE_ATTRIBUTES`), `system`, `docker` (the daemon that `DOCKER_HOST` "
      "names, or the usual socket); the first that knows a key has it");
  reader.Read("override", config.overrides, "Also what a resource says already");
  reader.Read("attributes", config.attributes, "Those that are kept; without it, all");
  reader.ReadGoDuration("refresh_interval", refresh_ns,
                        "Detects again with data that comes after this long; `0s`: never");
  if (const config::Node* node = reader.Take("system", "Of the detector `system`")) {
    ReadSystem(*node, context.diagnostics, config.system);
  }
  if (const config::Node* node = reader.Take("docker", "Of the detector `docker`")) {
    config::MapReader docker(*node, context.diagnostics);
    ReadAttributes(docker, context.diagnostics, kDockerAttributes, config.docker.attributes);
    docker.Finish();
  }
  reader.ReadGoDuration("timeout", timeout_ns, "How long the daemon is waited for");
  reader.Finish();
  if (timeout_ns <= 0) reader.Report("timeout", "must be a positive duration");
  config.docker.timeout =
      std::chrono::ceil<std::chrono::milliseconds>(std::chrono::nanoseconds(timeout_ns));
  if (refresh_ns < 0) reader.Report("refresh_interval", "must be non-negative");
  for (const std::string& detector : config.detectors) {
    if (std::ranges::find(kDetectors, detector) == std::end(kDetectors)) {
      reader.Report(
          "detectors",
          fmt::format("invalid detector key: \"{}\"; there are docker, env and system", detector));
    }
  }
  config.refresh_interval = std::chrono::nanoseconds(refresh_ns);
  return std::make_unique<ResourceDetectionProcessor>(std::move(config), context.id.ToString(),
                                                      context.host, next);
}

ResourceDetectionProcessor::ResourceDetectionProcessor(Config config, const std::string& name,
                                                       pipeline::Host& host,
                                                       pipeline::Consumer& next)
    : config_(std::move(config)),
      name_(name),
      files_(host.env.files),
      clock_(host.env.clock),
      logger_(host.logger),
      handover_(host, name, next) {}

base::Status ResourceDetectionProcessor::Start() {
  Shared detected = Detect();
  base::MutexLock lock(mutex_);
  detected_ = std::move(detected);
  detected_ns_ = clock_.MonotonicNs();
  return {};
}

base::Result<Detected> ResourceDetectionProcessor::Ask(const std::string& detector) const {
  if (detector == "env") return DetectFromEnvironment();
  if (detector == "docker") {
    return DockerDetector(config_.docker,
                          {.host = Environment("DOCKER_HOST"),
                           .cert_path = Environment("DOCKER_CERT_PATH"),
                           .tls_verify = Environment("DOCKER_TLS_VERIFY")},
                          {files_, clock_}, logger_)
        .Detect();
  }
  return SystemDetector(config_.system, files_).Detect();
}

void ResourceDetectionProcessor::Tell(const std::string& detector, const base::Error* error) {
  bool is_news;
  {
    base::MutexLock lock(mutex_);
    is_news = error != nullptr ? failing_.insert(detector).second : failing_.erase(detector) > 0;
  }
  if (!is_news) return;
  if (error == nullptr) {
    return logger_.Info("resourcedetection", "a detector works again",
                        {{"processor", name_}, {"detector", detector}});
  }
  logger_.Warn("resourcedetection", "failed to detect resource",
               {{"processor", name_}, {"detector", detector}, {"error", error->message}});
}

ResourceDetectionProcessor::Shared ResourceDetectionProcessor::Detect() {
  Detected all;
  for (const std::string& detector : config_.detectors) {
    const base::Result<Detected> found = Ask(detector);
    Tell(detector, found.has_value() ? nullptr : &found.error());
    if (!found.has_value()) continue;
    for (const auto& attribute : *found) {
      const auto& [key, value] = attribute;
      const bool is_wanted = config_.attributes.empty() ||
                             std::ranges::find(config_.attributes, key) != config_.attributes.end();
      const bool is_known = std::ranges::find(all, key, &Detected::value_type::first) != all.end();
      if (is_wanted && !is_known) all.push_back(attribute);
    }
  }
  return std::make_shared<const Detected>(std::move(all));
}

ResourceDetectionProcessor::Shared ResourceDetectionProcessor::Current() {
  {
    base::MutexLock lock(mutex_);
    const int64_t age_ns = clock_.MonotonicNs() - detected_ns_;
    if (config_.refresh_interval.count() == 0 || age_ns < config_.refresh_interval.count()) {
      return detected_;
    }
    detected_ns_ = clock_.MonotonicNs();  // One call does it.
  }
  Shared detected = Detect();
  base::MutexLock lock(mutex_);
  detected_ = detected;
  return detected;
}

base::Status ResourceDetectionProcessor::Consume(otlp::Batch batch) {
  const Shared detected = Current();
  otlp::Arena arena;
  for (otlp::ResourceMetrics& resource : batch.resources) {
    otlp::AttributeEditor editor(resource.attributes);
    for (const auto& [key, value] : *detected) {
      if (config_.overrides || !editor.Get(key).has_value()) editor.Set(key, value);
    }
    if (editor.is_changed()) otlp::SetAttributes(resource, editor, arena);
  }
  arena.GiveTo(batch);
  const size_t points = batch.point_count();
  return handover_.Pass(std::move(batch), points);
}

}  // namespace narthex::processors
