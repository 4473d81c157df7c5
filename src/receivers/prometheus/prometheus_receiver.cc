#include "receivers/prometheus/prometheus_receiver.h"

#include <functional>
#include <set>
#include <utility>

#include "receivers/prometheus/to_otlp.h"

namespace narthex::receivers {
namespace {

// The part of a Prometheus configuration that a scraper has a use for.
void ReadScrapeConfig(const config::Node& node, const pipeline::CreateContext& context,
                      PrometheusReceiver::Config& config) {
  config::Diagnostics& diagnostics = context.diagnostics;
  const config::Node nothing;
  std::vector<std::string> warnings;
  config::MapReader reader(node, diagnostics);
  const config::Node* global_node = reader.Take("global", "Defaults of the jobs");
  const scrape::GlobalConfig global = scrape::ReadGlobalConfig(
      global_node != nullptr ? *global_node : nothing, diagnostics, warnings);
  const config::Node* jobs = reader.Take("scrape_configs", "The jobs; at least one", "list");
  reader.Refuse({"remote_write", "remote_read", "rule_files", "alerting", "storage", "tracing",
                 "otlp", "scrape_config_files"},
                "unsupported feature of this receiver");
  reader.Finish();
  if (jobs == nullptr || !jobs->is_list() || jobs->items.empty()) {
    reader.Report("scrape_configs", "no Prometheus scrape_configs are set");
    return;
  }
  std::set<std::string> names;
  for (const config::Node& item : jobs->items) {
    scrape::JobConfig job = scrape::ReadJobConfig(item, global, diagnostics, warnings);
    if (!names.insert(job.name).second) {
      diagnostics.Add(item.at,
                      fmt::format("found multiple scrape configs with job name \"{}\"", job.name));
    }
    config.jobs.push_back(std::move(job));
  }
  for (const std::string& warning : warnings) {
    context.host.logger.Warn("prometheus", "in the scrape configuration", {{"what", warning}});
  }
}

}  // namespace

std::unique_ptr<pipeline::Receiver> PrometheusReceiver::Create(
    const pipeline::CreateContext& context, pipeline::Consumer& next) {
  Config config;
  bool trims_suffixes = false;
  config::MapReader reader(context.config, context.diagnostics);
  if (const config::Node* node =
          reader.Take("config", "A Prometheus configuration; a `$` is written `$$`")) {
    ReadScrapeConfig(*node, context, config);
  } else {
    reader.Report("config", "no Prometheus scrape_configs are set");
  }
  reader.Read("trim_metric_suffixes", trims_suffixes, "`true` is refused");
  if (trims_suffixes) reader.Report("trim_metric_suffixes", "is not supported");
  reader.Refuse({"target_allocator", "api_server"}, "is not supported");
  context.WarnWithoutEffect(
      reader.TakeWithoutEffect({"scrape_on_shutdown", "initial_scrape_offset",
                                "discovery_reload_on_startup", "report_extra_scrape_metrics"}));
  reader.Finish();
  return std::make_unique<PrometheusReceiver>(std::move(config), context.id.ToString(),
                                              context.host, next);
}

PrometheusReceiver::PrometheusReceiver(Config config, const std::string& name, pipeline::Host& host,
                                       pipeline::Consumer& next)
    : config_(std::move(config)),
      env_(host.env),
      logger_(host.logger),
      intake_(host, name, "http", next),
      store_(env_.clock,
             [this](const std::vector<ScrapedSample>& samples) { return Take(samples); }) {
  for (const scrape::JobConfig& job : config_.jobs) schemes_[job.name] = job.scheme;
}

base::Status PrometheusReceiver::Start() {
  ASSIGN_OR_RETURN(
      manager_, scrape::Manager::Start(env_, logger_, store_,
                                       {.jobs = config_.jobs,
                                        .offset_seed = static_cast<uint64_t>(env_.clock.WallNs()),
                                        .first_scrape_at_once = true}));
  return {};
}

// Of what is refused, the next scrape brings newer values.
base::Status PrometheusReceiver::Take(const std::vector<ScrapedSample>& samples) {
  return intake_.Pass(ToOtlp(samples, schemes_).ToBatch());
}

}  // namespace narthex::receivers
