#include <fmt/core.h>

#include "discovery/internal/finder.h"

namespace narthex::discovery::internal {
namespace {

// Keeps what is known of a name while its servers fail. Source: Prometheus, dns_sd_config.
class DnsFinder final : public Finder {
 public:
  DnsFinder(const DnsConfig& config, const World& world) : config_(config), world_(world) {}

  int64_t interval_ms() const override { return config_.refresh_interval_ms; }

  base::Result<std::vector<TargetGroup>> Look(const std::stop_token& stop) override {
    std::vector<TargetGroup> all;
    for (const std::string& name : config_.names) {
      Ask(name, stop);
      if (stop.stop_requested()) break;
      all.push_back(known_[name].group);
    }
    return all;
  }

 private:
  struct Known {
    TargetGroup group;
    std::string error;  // Of the last look.
  };

  void Ask(const std::string& name, const std::stop_token& stop) {
    Known& known = known_[name];
    const auto records = world_.resolver.Lookup(name, config_.type, stop);
    if (stop.stop_requested()) return;
    ++world_.counters.dns_lookups;
    if (!records) {
      ++world_.counters.dns_lookup_failures;
      if (known.error == records.error().message) return;
      known.error = records.error().message;
      world_.log.Error("discovery", "a name was not resolved; its targets stay as they were",
                       {{"name", name}, {"err", known.error}});
      return;
    }
    known.error.clear();
    known.group.targets.clear();
    for (const net::DnsRecord& record : *records) {
      known.group.targets.push_back(TargetOf(name, record));
    }
  }

  std::vector<model::Label> TargetOf(const std::string& name, const net::DnsRecord& record) const {
    const bool is_service = config_.type == net::DnsType::kSrv;
    const std::string host =
        record.target.find(':') == std::string::npos ? record.target : "[" + record.target + "]";
    std::vector<model::Label> labels = {
        {"__address__", fmt::format("{}:{}", host, is_service ? record.port : config_.port)},
        {"__meta_dns_name", name}};
    const std::string rooted = record.target + ".";
    switch (config_.type) {
      case net::DnsType::kSrv:
        labels.push_back({"__meta_dns_srv_record_target", rooted});
        labels.push_back({"__meta_dns_srv_record_port", fmt::format("{}", record.port)});
        break;
      case net::DnsType::kMx:
        labels.push_back({"__meta_dns_mx_record_target", rooted});
        break;
      case net::DnsType::kNs:
        labels.push_back({"__meta_dns_ns_record_target", rooted});
        break;
      case net::DnsType::kA:
      case net::DnsType::kAaaa:
        break;
    }
    return labels;
  }

  const DnsConfig config_;
  const World& world_;
  std::map<std::string, Known> known_;  // By name.
};

}  // namespace

base::Result<std::unique_ptr<Finder>> MakeDnsFinder(const DnsConfig& config, const World& world) {
  return std::make_unique<DnsFinder>(config, world);
}

}  // namespace narthex::discovery::internal
