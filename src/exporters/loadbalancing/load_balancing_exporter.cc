#include "exporters/loadbalancing/load_balancing_exporter.h"

#include <algorithm>
#include <utility>

#include "otlp/rebuilt.h"

namespace narthex::exporters {
namespace {

using base::Code;
using base::Fail;
using config::MapReader;
using config::Node;

constexpr std::pair<std::string_view, RoutingKey> kRoutingKeys[] = {
    {"service", RoutingKey::kService},
    {"resource", RoutingKey::kResource},
    {"metric", RoutingKey::kMetric},
    {"streamID", RoutingKey::kStream},
    {"attributes", RoutingKey::kAttributes}};
constexpr std::string_view kDefaultPort = "4317";

std::string WithPort(const std::string& endpoint) {
  const bool has_port = endpoint.find(':') != std::string::npos;
  return has_port ? endpoint : fmt::format("{}:{}", endpoint, kDefaultPort);
}

// The keys of an exporter, with the endpoint that it shall have.
Node WithEndpoint(Node keys, const std::string& endpoint) {
  const Node value{.kind = Node::Kind::kScalar,
                   .at = keys.at,
                   .scalar = WithPort(endpoint),
                   .quoted = true,
                   .items = {},
                   .members = {}};
  if (Node* const present = keys.Find("endpoint")) {
    *present = value;
    return keys;
  }
  Node key = value;
  key.scalar = "endpoint";
  keys.kind = Node::Kind::kMap;
  keys.members.push_back({.key = key, .value = value});
  return keys;
}

// Has the keys of an exporter read, so that what is wrong with them is found whatever the servers
// will be.
void Check(const pipeline::CreateContext& context, const pipeline::ExporterFactory& otlp,
           const Node& keys) {
  (void)otlp.create({.id = context.id,
                     .config = keys,
                     .diagnostics = context.diagnostics,
                     .host = context.host,
                     .extensions = context.extensions});
}

void ReadRouting(MapReader& reader, LoadBalancingExporter::Config& config) {
  std::string key = "service";
  reader.Read("routing_key", key,
              "What stays together: `service`, `resource`, `metric` (its name), `streamID` or "
              "`attributes`");
  const auto* const known =
      std::ranges::find(kRoutingKeys, key, &std::pair<std::string_view, RoutingKey>::first);
  if (known == std::end(kRoutingKeys)) {
    reader.Report("routing_key", fmt::format("unsupported routing_key: \"{}\"", key));
  } else {
    config.routing_key = known->second;
  }
  reader.Read("routing_attributes", config.routing_attributes,
              "With `attributes`: their names, of the resource or else of the point");
  if (config.routing_key == RoutingKey::kAttributes && config.routing_attributes.empty()) {
    reader.Report("routing_attributes", "routing_key \"attributes\" needs some");
  }
}

void ReadResolver(MapReader& reader, config::Diagnostics& diagnostics,
                  LoadBalancingExporter::Config& config) {
  const Node* const node = reader.Take("resolver", "One of `static` and `dns`");
  if (node == nullptr) return reader.Report("resolver", "no resolver is configured");
  MapReader resolver(*node, diagnostics);
  const Node* const fixed = resolver.Take("static", "Servers by name");
  const Node* const dns = resolver.Take("dns", "Servers by the addresses of a name");
  if (fixed != nullptr) {
    MapReader keys(*fixed, diagnostics);
    keys.Read("hostnames", config.hostnames, "`host:port` each; without a port, 4317");
    keys.Finish();
    if (config.hostnames.empty() && node->kind != Node::Kind::kSample) {
      keys.Report("hostnames", "no hostnames are set");
    }
  }
  if (dns != nullptr) {
    MapReader keys(*dns, diagnostics);
    keys.Read("hostname", config.dns.hostname, "Whose A and AAAA records are the servers");
    keys.Read("port", config.dns.port, "Of all of them");
    int64_t interval = config.dns.interval.count(), timeout = config.dns.timeout.count();
    keys.ReadGoDuration("interval", interval, "How often the name is looked up");
    keys.ReadGoDuration("timeout", timeout, "Of one question");
    keys.Finish();
    if (interval <= 0) keys.Report("interval", "has to be above 0");
    if (timeout <= 0) keys.Report("timeout", "has to be above 0");
    config.dns.interval = std::chrono::nanoseconds(std::max<int64_t>(interval, 1));
    config.dns.timeout = std::chrono::nanoseconds(std::max<int64_t>(timeout, 1));
    if (config.dns.hostname.empty() && node->kind != Node::Kind::kSample) {
      keys.Report("hostname", "no hostname is set");
    }
  }
  resolver.Refuse({"k8s", "aws_cloud_map"}, "is not supported");
  resolver.Finish();
  if ((fixed != nullptr) == (dns != nullptr) && node->kind != Node::Kind::kSample) {
    reader.Report("resolver", "exactly one of static and dns has to be set");
  }
}

}  // namespace

std::unique_ptr<pipeline::Exporter> LoadBalancingExporter::Create(
    const pipeline::CreateContext& context, const pipeline::ExporterFactory& otlp) {
  Config config;
  MapReader reader(context.config, context.diagnostics);
  ReadRouting(reader, config);
  ReadResolver(reader, context.diagnostics, config);
  if (const Node* const node = reader.Take("protocol", "How the servers are spoken to")) {
    MapReader protocol(*node, context.diagnostics);
    if (const Node* const keys =
            protocol.Take("otlp", "The keys of `otlp_grpc`; `endpoint` is put in for each")) {
      config.otlp = *keys;
      // The documentation of these keys comes from those who read them.
      if (keys->kind == Node::Kind::kSample) Check(context, otlp, *keys);
    }
    protocol.Finish();
  }
  reader.Refuse({"timeout", "retry_on_failure", "sending_queue"},
                "has its place under protocol.otlp");
  reader.Finish();
  if (context.config.kind != Node::Kind::kSample) {
    Check(context, otlp, WithEndpoint(config.otlp, "127.0.0.1"));
  }
  return std::make_unique<LoadBalancingExporter>(std::move(config), context, otlp);
}

LoadBalancingExporter::LoadBalancingExporter(Config config, const pipeline::CreateContext& context,
                                             const pipeline::ExporterFactory& otlp)
    : config_(std::move(config)),
      host_(context.host),
      id_(context.id),
      extensions_(context.extensions == nullptr
                      ? std::map<pipeline::ComponentId, pipeline::Extension*>()
                      : *context.extensions),
      otlp_(otlp),
      resolver_({.servers = config_.dns_servers,
                 .timeout = std::chrono::ceil<std::chrono::milliseconds>(config_.dns.timeout),
                 .tries = 1}),
      flow_(host_.instruments, "exporter/" + id_.ToString()),
      backend_count_(host_.meter.CreateInt64Gauge("otelcol_loadbalancer_num_backends",
                                                  "Servers in use.", "{backends}")),
      backend_updates_(host_.meter.CreateUInt64Counter("otelcol_loadbalancer_num_backend_updates",
                                                       "Changes of the servers.", "{updates}")),
      resolutions_(host_.meter.CreateUInt64Counter("otelcol_loadbalancer_num_resolutions",
                                                   "Lookups of the servers.", "{resolutions}")),
      outcomes_(host_.meter.CreateUInt64Counter("otelcol_loadbalancer_backend_outcome",
                                                "Batches given to the exporters of servers.",
                                                "{outcomes}")),
      backends_(std::make_shared<const Backends>()) {}

base::Status LoadBalancingExporter::Start() {
  if (!config_.hostnames.empty()) return Adopt(config_.hostnames);
  thread_ = std::jthread([this](const std::stop_token& stop) { FollowNames(stop); });
  return {};
}

void LoadBalancingExporter::Stop() {
  if (thread_.joinable()) {
    thread_.request_stop();
    {
      base::MutexLock lock(mutex_);
      wake_.NotifyAll();
    }
    thread_.join();
  }
  std::shared_ptr<const Backends> last = std::make_shared<const Backends>();
  {
    base::MutexLock lock(mutex_);
    std::swap(last, backends_);
  }
  for (const auto& exporter : last->exporters) exporter->Stop();
}

base::Status LoadBalancingExporter::Consume(otlp::Batch batch) {
  const std::shared_ptr<const Backends> backends = Current();
  if (backends->endpoints.empty()) {
    return Fail(Code::kUnavailable, "{}: no server is known", id_.ToString());
  }
  // Services without a name are told apart even where there is one server.
  Split split = SplitBy(config_.routing_key, config_.routing_attributes, otlp::Tree::From(batch),
                        [&](std::string_view key) { return backends->ring.EndpointFor(key); });
  if (split.points_without_key > 0) {
    flow_.In(split.points_without_key);
    flow_.Lost("no_service_name", split.points_without_key);
    // Said once; from then on the counter tells.
    if (!warned_.exchange(true)) {
      host_.logger.Warn("load_balancing", "metrics without service.name are dropped",
                        {{"exporter", id_.ToString()}, {"points", split.points_without_key}});
    }
    if (split.parts.empty()) {
      return Fail(Code::kInvalidArgument, "{}: unable to get service name", id_.ToString());
    }
  }
  base::Status status;
  for (const auto& [at, tree] : split.parts) {
    base::Status sent = Send(*backends, at, otlp::Rebuilt(tree, batch));
    if (!sent && status) status = std::move(sent);
  }
  return status;
}

base::Status LoadBalancingExporter::Send(const Backends& backends, size_t at, otlp::Batch batch) {
  base::Status status = backends.exporters[at]->Consume(std::move(batch));
  outcomes_->Add(
      1, {{"endpoint", std::string_view(backends.endpoints[at])}, {"success", status.has_value()}});
  return status;
}

std::vector<std::string> LoadBalancingExporter::endpoints() const { return Current()->endpoints; }

std::shared_ptr<const LoadBalancingExporter::Backends> LoadBalancingExporter::Current() const {
  base::MutexLock lock(mutex_);
  return backends_;
}

base::Result<std::shared_ptr<pipeline::Exporter>> LoadBalancingExporter::MakeExporter(
    const std::string& endpoint) {
  const Node keys = WithEndpoint(config_.otlp, endpoint);
  const pipeline::ComponentId id{.type = id_.type,
                                 .name = id_.name.empty() ? endpoint : id_.name + "/" + endpoint};
  config::Diagnostics diagnostics(id.ToString());
  std::shared_ptr<pipeline::Exporter> exporter = otlp_.create({.id = id,
                                                               .config = keys,
                                                               .diagnostics = diagnostics,
                                                               .host = host_,
                                                               .extensions = &extensions_});
  RETURN_IF_ERROR(diagnostics.ToStatus());
  RETURN_IF_ERROR(exporter->Start());
  return exporter;
}

// Only Start and the thread that follows a name come here, one at a time.
base::Status LoadBalancingExporter::Adopt(std::vector<std::string> endpoints) {
  std::ranges::sort(endpoints);
  const auto repeated = std::ranges::unique(endpoints);
  endpoints.erase(repeated.begin(), repeated.end());
  const std::shared_ptr<const Backends> before = Current();
  if (before->endpoints == endpoints) return {};
  auto now = std::make_shared<Backends>();
  for (const std::string& endpoint : endpoints) {
    const auto known = std::ranges::find(before->endpoints, endpoint);
    if (known != before->endpoints.end()) {
      now->exporters.push_back(
          before->exporters[static_cast<size_t>(known - before->endpoints.begin())]);
      continue;
    }
    ASSIGN_OR_RETURN(std::shared_ptr<pipeline::Exporter> exporter, MakeExporter(endpoint));
    now->exporters.push_back(std::move(exporter));
  }
  now->ring = HashRing(endpoints);
  now->endpoints = std::move(endpoints);
  backend_updates_->Add(1);
  backend_count_->Record(static_cast<int64_t>(now->endpoints.size()));
  const std::vector<std::string> kept = now->endpoints;
  {
    base::MutexLock lock(mutex_);
    backends_ = std::move(now);
  }
  // What waits in the queue of one that is gone gets its last attempt.
  for (size_t i = 0; i < before->endpoints.size(); ++i) {
    if (!std::ranges::binary_search(kept, before->endpoints[i])) before->exporters[i]->Stop();
  }
  return {};
}

base::Result<std::vector<std::string>> LoadBalancingExporter::Resolve(
    const std::stop_token& stop) const {
  ASSIGN_OR_RETURN(const std::vector<net::DnsRecord> v4,
                   resolver_.Lookup(config_.dns.hostname, net::DnsType::kA, stop));
  ASSIGN_OR_RETURN(const std::vector<net::DnsRecord> v6,
                   resolver_.Lookup(config_.dns.hostname, net::DnsType::kAaaa, stop));
  std::vector<std::string> endpoints;
  for (const net::DnsRecord& record : v4) {
    endpoints.push_back(fmt::format("{}:{}", record.target, config_.dns.port));
  }
  for (const net::DnsRecord& record : v6) {
    endpoints.push_back(fmt::format("[{}]:{}", record.target, config_.dns.port));
  }
  if (endpoints.empty()) {
    return Fail(Code::kUnavailable, "\"{}\" has no addresses", config_.dns.hostname);
  }
  return endpoints;
}

void LoadBalancingExporter::LookOnce(const std::stop_token& stop) {
  base::Result<std::vector<std::string>> found = Resolve(stop);
  if (stop.stop_requested()) return;
  base::Status status;
  if (found) {
    status = Adopt(*std::move(found));
  } else {
    status = std::unexpected(std::move(found).error());
  }
  resolutions_->Add(1, {{"resolver", "dns"}, {"success", status.has_value()}});
  const std::string error = status ? "" : status.error().message;
  base::MutexLock lock(mutex_);
  if (!error.empty() && error != resolve_error_) {
    host_.logger.Error("load_balancing", "the servers stay as they were",
                       {{"exporter", id_.ToString()}, {"err", error}});
  }
  resolve_error_ = error;
}

void LoadBalancingExporter::FollowNames(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    LookOnce(stop);
    base::MutexLock lock(mutex_);
    if (!stop.stop_requested()) wake_.WaitFor(mutex_, config_.dns.interval);
  }
}

}  // namespace narthex::exporters
