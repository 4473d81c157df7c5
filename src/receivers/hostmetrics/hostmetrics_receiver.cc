#include "receivers/hostmetrics/hostmetrics_receiver.h"

#include <algorithm>

#include "receivers/hostmetrics/proc_text.h"

namespace narthex::receivers {
namespace {

// `metrics: {name: {enabled: …}}`.
void ReadMetrics(config::MapReader& outer, config::Diagnostics& diagnostics,
                 HostMetricsReceiver::Scrape& scrape) {
  for (const HostMetric& metric : scrape.scraper->metrics) {
    if (metric.is_on) scrape.on.emplace(metric.name);
  }
  const config::Node* node = outer.Take("metrics", "Which metrics, by name");
  if (node == nullptr) return;
  config::MapReader reader(*node, diagnostics);
  for (const HostMetric& metric : scrape.scraper->metrics) {
    const config::Node* settings = reader.Take(metric.name);
    if (settings == nullptr) continue;
    bool is_on = metric.is_on;
    config::MapReader inner(*settings, diagnostics);
    inner.Read("enabled", is_on, metric.description);
    inner.Finish();
    if (is_on) {
      scrape.on.emplace(metric.name);
    } else {
      scrape.on.erase(std::string(metric.name));
    }
  }
  reader.Finish();
}

void ReadFilters(config::MapReader& reader, config::Diagnostics& diagnostics,
                 std::string_view scraper, ScraperOptions& options) {
  const auto both = [&](NameFilter& filter, std::string_view include, std::string_view exclude,
                        std::string_view list) {
    filter.Include(reader.Take(include, "Only these"), list, diagnostics);
    filter.Exclude(reader.Take(exclude, "Not these"), list, diagnostics);
  };
  if (scraper == "disk") both(options.devices, "include", "exclude", "devices");
  if (scraper == "process") both(options.processes, "include", "exclude", "names");
  if (scraper == "network") both(options.interfaces, "include", "exclude", "interfaces");
  if (scraper == "load") reader.Read("cpu_average", options.load_per_cpu, "Load per processor");
  if (scraper != "filesystem") return;
  both(options.devices, "include_devices", "exclude_devices", "devices");
  both(options.fs_types, "include_fs_types", "exclude_fs_types", "fs_types");
  both(options.mount_points, "include_mount_points", "exclude_mount_points", "mount_points");
  reader.Read("include_virtual_filesystems", options.virtual_filesystems,
              "Those without a device, too");
}

void ReadScrapers(config::MapReader& outer, const pipeline::CreateContext& context,
                  HostMetricsReceiver::Config& config) {
  constexpr std::string_view kMissing =
      "must specify at least one scraper when using hostmetrics receiver";
  const config::Node* node = outer.Take("scrapers", "One or more of those below; required");
  if (node == nullptr) return outer.Report("scrapers", kMissing);
  config::MapReader scrapers(*node, context.diagnostics);
  for (const HostScraper& scraper : HostScrapers()) {
    const config::Node* body =
        scrapers.TakeEvenNull(scraper.name, "Present, even empty: it is run");
    if (body == nullptr) continue;
    HostMetricsReceiver::Scrape& scrape = config.scrapes.emplace_back();
    scrape.scraper = &scraper;
    config::MapReader reader(*body, context.diagnostics);
    ReadMetrics(reader, context.diagnostics, scrape);
    ReadFilters(reader, context.diagnostics, scraper.name, scrape.options);
    reader.Finish();
  }
  scrapers.Finish();
  if (node->members.empty()) outer.Report("scrapers", kMissing);
}

}  // namespace

std::unique_ptr<pipeline::Receiver> HostMetricsReceiver::Create(
    const pipeline::CreateContext& context, pipeline::Consumer& next) {
  Config config;
  int64_t interval_ns = config.interval.count(), delay_ns = config.initial_delay.count();
  config::MapReader reader(context.config, context.diagnostics);
  reader.ReadGoDuration("collection_interval", interval_ns, "How often");
  reader.ReadGoDuration("initial_delay", delay_ns, "Before the first time");
  reader.Read("root_path", config.root_path,
              "In front of `/proc` and of mount points, for a collector in a container");
  ReadScrapers(reader, context, config);
  context.WarnWithoutEffect(reader.TakeWithoutEffect({"timeout", "metadata_collection_interval"}));
  reader.Finish();
  if (interval_ns <= 0) reader.Report("collection_interval", "requires positive value");
  if (delay_ns < 0) reader.Report("initial_delay", "requires non-negative value");
  while (config.root_path.ends_with('/')) config.root_path.pop_back();
  config.interval = std::chrono::nanoseconds(interval_ns);
  config.initial_delay = std::chrono::nanoseconds(delay_ns);
  return std::make_unique<HostMetricsReceiver>(std::move(config), context.id.ToString(),
                                               context.host, next);
}

HostMetricsReceiver::HostMetricsReceiver(Config config, const std::string& name,
                                         pipeline::Host& host, pipeline::Consumer& next)
    : config_(std::move(config)),
      name_(name),
      env_(host.env),
      logger_(host.logger),
      intake_(host, name, "", next),
      beat_(env_.clock, config_.interval, [this] { Collect(); }) {
  const auto scraped = host.meter.CreateUInt64Counter(
      "otelcol_scraper_scraped_metric_points", "Number of metric points successfully scraped.",
      "{datapoints}");
  const auto errored =
      host.meter.CreateUInt64Counter("otelcol_scraper_errored_metric_points",
                                     "Number of scrapes that came to nothing.", "{datapoints}");
  for (const Scrape& scrape : config_.scrapes) {
    parts_.push_back(
        {.scrape = scrape,
         .view = {.files = env_.files,
                  .root = config_.root_path,
                  .options = scrape.options,
                  .last_cpu_ticks = {}},
         .scraped = scraped->Bind({{"receiver", name}, {"scraper", scrape.scraper->name}}),
         .errored = errored->Bind({{"receiver", name}, {"scraper", scrape.scraper->name}})});
  }
}

base::Status HostMetricsReceiver::Start() {
  beat_.Start(config_.initial_delay);
  return {};
}

void HostMetricsReceiver::Collect() {
  const auto now_ns = static_cast<uint64_t>(env_.clock.WallNs());
  const uint64_t boot_ns = BootTime();
  otlp::Tree tree;
  for (Part& part : parts_) {
    HostPage page(now_ns, boot_ns, part.scrape.on);
    part.view.now_ns = static_cast<int64_t>(now_ns);
    part.view.boot_ns = boot_ns;
    ScrapePart(part, page);
    otlp::Tree scraped = page.Take();
    for (otlp::TreeResource& resource : scraped.resources) {
      // What is said of the machine as a whole is said of one resource, which is the first.
      if (!resource.attributes.empty()) {
        tree.resources.push_back(std::move(resource));
        continue;
      }
      if (tree.resources.empty() || !tree.resources.front().attributes.empty()) {
        tree.resources.emplace_front();
      }
      for (otlp::TreeScope& scope : resource.scopes) {
        tree.resources.front().scopes.push_back(std::move(scope));
      }
    }
  }
  Pass(tree.ToBatch());
}

void HostMetricsReceiver::ScrapePart(Part& part, HostPage& page) {
  page.BeginScope(part.scrape.scraper->name);
  const base::Status status = part.scrape.scraper->scrape(part.view, page);
  part.scraped.Add(page.point_count());
  if (!status.has_value()) part.errored.Add(1);
  if (part.is_failing == !status.has_value()) return;
  part.is_failing = !status.has_value();
  if (part.is_failing) {
    logger_.Error("hostmetrics", "Error scraping metrics",
                  {{"scraper", part.scrape.scraper->name}, {"error", status.error().message}});
  } else {
    logger_.Info("hostmetrics", "scraping works again", {{"scraper", part.scrape.scraper->name}});
  }
}

uint64_t HostMetricsReceiver::BootTime() const {
  const auto stat = base::ReadFile(env_.files, config_.root_path + "/proc/stat");
  if (!stat.has_value()) return 0;
  return ValueOf(*stat, "btime").value_or(0) * 1'000'000'000;
}

void HostMetricsReceiver::Pass(otlp::Batch batch) {
  const size_t points = batch.point_count();
  const base::Status status = intake_.Pass(std::move(batch));
  if (status.has_value()) return;
  // The next scrape tells the same again, so nothing is kept.
  logger_.Warn("hostmetrics", "metrics were refused",
               {{"receiver", name_}, {"points", points}, {"error", status.error().message}});
}

}  // namespace narthex::receivers
