#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "exporters/loadbalancing/hash_ring.h"
#include "exporters/loadbalancing/split.h"
#include "net/dns_resolver.h"
#include "pipeline/factory.h"

namespace narthex::exporters {

// Shares metrics out among several servers, so that what belongs together goes to the same one: an
// OTLP exporter for each, with a queue of its own. Thread-safe.
// Source: opentelemetry-collector-contrib, exporter/loadbalancingexporter.
class LoadBalancingExporter final : public pipeline::Exporter {
 public:
  struct Dns {
    std::string hostname;
    std::string port = "4317";
    std::chrono::nanoseconds interval{std::chrono::seconds(5)};
    std::chrono::nanoseconds timeout{std::chrono::seconds(1)};
  };
  struct Config {
    RoutingKey routing_key = RoutingKey::kService;
    std::vector<std::string> routing_attributes;
    std::vector<std::string> hostnames;  // Of the static resolver.
    Dns dns;                             // With a hostname instead of those.
    config::Node otlp;                   // The keys of every exporter but `endpoint`.
    std::string dns_servers;             // Instead of the machine's; see DnsResolver.
  };
  // `otlp` makes the exporters for the servers.
  static std::unique_ptr<pipeline::Exporter> Create(const pipeline::CreateContext& context,
                                                    const pipeline::ExporterFactory& otlp);

  LoadBalancingExporter(Config config, const pipeline::CreateContext& context,
                        const pipeline::ExporterFactory& otlp);
  ~LoadBalancingExporter() override { Stop(); }

  // Of a resolver that finds nothing, the error is logged, and batches are refused until it does.
  base::Status Start() override;
  void Stop() override;
  // Errors: kUnavailable without servers; else that of the first server that refuses its part. The
  // other parts are taken even so, and come again with the next attempt.
  base::Status Consume(otlp::Batch batch) override;

  // Sorted; for tests and pages.
  std::vector<std::string> endpoints() const;

 private:
  // The servers at one time. Immutable but for what its exporters do.
  struct Backends {
    std::vector<std::string> endpoints;  // Sorted.
    HashRing ring;
    std::vector<std::shared_ptr<pipeline::Exporter>> exporters;
  };

  std::shared_ptr<const Backends> Current() const;
  base::Status Adopt(std::vector<std::string> endpoints);
  base::Result<std::shared_ptr<pipeline::Exporter>> MakeExporter(const std::string& endpoint);
  base::Result<std::vector<std::string>> Resolve(const std::stop_token& stop) const;
  void FollowNames(const std::stop_token& stop);
  // Looks once; what is wrong is logged.
  void LookOnce(const std::stop_token& stop);
  base::Status Send(const Backends& backends, size_t at, otlp::Batch batch);

  const Config config_;
  pipeline::Host host_;
  const pipeline::ComponentId id_;
  const std::map<pipeline::ComponentId, pipeline::Extension*> extensions_;
  const pipeline::ExporterFactory otlp_;
  const net::DnsResolver resolver_;
  pipeline::Flow flow_;
  std::unique_ptr<sdk::Gauge<int64_t>> backend_count_;
  std::unique_ptr<sdk::Counter<uint64_t>> backend_updates_, resolutions_, outcomes_;

  std::atomic<bool> warned_{false};
  mutable base::Mutex mutex_;
  base::CondVar wake_;
  std::shared_ptr<const Backends> backends_ GUARDED_BY(mutex_);
  std::string resolve_error_ GUARDED_BY(mutex_);
  std::jthread thread_;  // With a name to be followed.
};

}  // namespace narthex::exporters
