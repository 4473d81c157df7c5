#include "scrape/target.h"

#include <set>
#include <utility>

#include "model/duration.h"
#include "net/http.h"

namespace narthex::scrape {
namespace {

using base::Code;
using base::Fail;
using model::LabelView;

constexpr std::string_view kAddress = "__address__";
constexpr std::string_view kScheme = "__scheme__";
constexpr std::string_view kMetricsPath = "__metrics_path__";
constexpr std::string_view kInterval = "__scrape_interval__";
constexpr std::string_view kTimeout = "__scrape_timeout__";
constexpr std::string_view kParamPrefix = "__param_";

uint64_t Fnv1a(std::string_view text, uint64_t hash = 14695981039346656037u) {
  for (const char c : text) {
    hash ^= static_cast<uint8_t>(c);
    hash *= 1099511628211u;
  }
  return hash;
}

std::string UrlOf(const model::LabelsBuilder& labels, const JobConfig& job) {
  std::string url = std::string(labels.Get(kScheme)) + "://" + std::string(labels.Get(kAddress)) +
                    std::string(labels.Get(kMetricsPath));
  char separator = '?';
  const auto add = [&](std::string_view name, std::string_view value) {
    url += separator + net::PercentEncode(name) + "=" + net::PercentEncode(value);
    separator = '&';
  };
  // The label stands for the first value of its parameter; relabelling may have changed it.
  std::string previous;
  for (const auto& [name, value] : job.params) {
    const bool first = name != previous;
    previous = name;
    const std::string label = std::string(kParamPrefix) + name;
    add(name, first ? labels.Get(label) : std::string_view(value));
  }
  for (const model::Label& label : labels.labels()) {
    if (!label.name.starts_with(kParamPrefix)) continue;
    const std::string name = label.name.substr(kParamPrefix.size());
    bool configured = false;
    for (const auto& param : job.params) configured |= param.first == name;
    if (!configured) add(name, label.value);
  }
  return url;
}

base::Result<Target> Finish(model::LabelsBuilder labels, model::Labels discovered,
                            const JobConfig& job) {
  Target target;
  target.discovered = std::move(discovered);
  const std::string address(labels.Get(kAddress));
  if (address.empty()) return Fail(Code::kInvalidArgument, "no address");
  if (address.find('/') != std::string::npos) {
    return Fail(Code::kInvalidArgument, "\"{}\" is not a valid hostname", address);
  }
  ASSIGN_OR_RETURN(target.interval_ms, model::ParseDuration(labels.Get(kInterval)));
  ASSIGN_OR_RETURN(target.timeout_ms, model::ParseDuration(labels.Get(kTimeout)));
  if (target.interval_ms <= 0 || target.timeout_ms <= 0 || target.timeout_ms > target.interval_ms) {
    return Fail(Code::kInvalidArgument,
                "scrape interval and timeout have to be above 0, and the timeout not the larger");
  }
  target.url = UrlOf(labels, job);
  if (labels.Get(model::kInstanceLabel).empty()) labels.Set(model::kInstanceLabel, address);
  const std::vector<model::Label> all = labels.labels();
  for (const model::Label& label : all) {
    if (label.name.starts_with("__")) labels.Delete(label.name);
  }
  target.labels = labels.Build();
  return target;
}

// Adds one target, made of the labels it was found with.
void Add(const JobConfig& job, model::LabelsBuilder labels, Targets& targets) {
  ++targets.found;
  const auto set_default = [&](std::string_view name, std::string_view value) {
    if (labels.Get(name).empty()) labels.Set(name, value);
  };
  set_default(model::kJobLabel, job.name);
  set_default(kScheme, job.scheme);
  set_default(kMetricsPath, job.metrics_path);
  set_default(kInterval, model::FormatDuration(job.interval_ms));
  set_default(kTimeout, model::FormatDuration(job.timeout_ms));
  for (const auto& [name, value] : job.params) {
    set_default(std::string(kParamPrefix) + name, value);
  }
  model::Labels discovered = labels.Build();
  const std::string address(labels.Get(kAddress));
  if (!relabel::Apply(job.target_rules, labels)) {
    targets.dropped.push_back(std::move(discovered));
    return;
  }
  base::Result<Target> target = Finish(std::move(labels), std::move(discovered), job);
  if (target) {
    targets.active.push_back(*std::move(target));
  } else {
    targets.failed.push_back(
        fmt::format("job {}, target {}: {}", job.name, address, target.error().message));
  }
}

}  // namespace

Targets TargetsOf(const JobConfig& job, std::span<const discovery::TargetGroup> groups) {
  Targets targets;
  for (const TargetGroup& group : job.static_targets) {
    for (const std::string& address : group.addresses) {
      model::LabelsBuilder labels;
      for (const model::Label& label : group.labels) labels.Set(label.name, label.value);
      labels.Set(kAddress, address);
      Add(job, std::move(labels), targets);
    }
  }
  for (const discovery::TargetGroup& group : groups) {
    for (const std::vector<model::Label>& own : group.targets) {
      model::LabelsBuilder labels;
      // What a target says of itself comes before what its group says.
      for (const model::Label& label : group.labels) labels.Set(label.name, label.value);
      for (const model::Label& label : own) labels.Set(label.name, label.value);
      Add(job, std::move(labels), targets);
    }
  }
  std::set<std::pair<std::string_view, std::string_view>> seen;
  std::vector<Target> unique;
  unique.reserve(targets.active.size());
  for (Target& target : targets.active) {
    if (!seen.insert({target.labels.bytes(), target.url}).second) continue;
    unique.push_back(target);
  }
  targets.active = std::move(unique);
  return targets;
}

base::Status CheckTargets(const JobConfig& job) {
  const Targets targets = TargetsOf(job, {});
  if (targets.failed.empty()) return {};
  return Fail(Code::kInvalidArgument, "{}", targets.failed.front());
}

int64_t OffsetOf(const Target& target, uint64_t seed) {
  const uint64_t hash = Fnv1a(target.url, Fnv1a(target.labels.bytes()));
  return static_cast<int64_t>((hash ^ seed) % static_cast<uint64_t>(target.interval_ms));
}

uint64_t OffsetSeed(std::string_view host, const model::Labels& external_labels) {
  return Fnv1a(external_labels.ToString(), Fnv1a(host));
}

}  // namespace narthex::scrape
