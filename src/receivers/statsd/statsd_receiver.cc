#include "receivers/statsd/statsd_receiver.h"

#include <re2/re2.h>

#include <algorithm>

namespace narthex::receivers {
namespace {

constexpr size_t kSeriesMax = 100'000;  // Of an interval.

void ReadExplicit(const config::Node& list, config::MapReader& outer,
                  config::Diagnostics& diagnostics, StatsdObserver& observer) {
  if (!list.is_list()) return outer.Report("explicit_buckets", "must be a list");
  for (const config::Node& item : list.items) {
    std::string pattern;
    config::MapReader reader(item, diagnostics);
    reader.Read("matcher_pattern", pattern, "Of names");
    StatsdObserver::Explicit entry;
    if (const config::Node* bounds = reader.Take("buckets", "Their bounds, rising", "list")) {
      for (const config::Node& bound : bounds->items) {
        try {
          entry.bounds.push_back(std::stod(bound.scalar));
        } catch (const std::exception&) {
          diagnostics.Add(bound.at, fmt::format("\"{}\" is not a number", bound.scalar));
        }
      }
    }
    reader.Finish();
    entry.pattern = std::make_shared<const re2::RE2>(pattern, RE2::Quiet);
    if (!entry.pattern->ok()) reader.Report("matcher_pattern", entry.pattern->error());
    if (pattern.empty()) reader.Report("matcher_pattern", "must be given");
    if (entry.bounds.empty()) reader.Report("buckets", "must not be empty");
    if (!std::ranges::is_sorted(entry.bounds, std::less_equal<>()) && entry.bounds.size() > 1) {
      reader.Report("buckets", "must rise");
    }
    observer.explicit_bounds.push_back(std::move(entry));
  }
}

void ReadHistogram(const config::Node& node, config::Diagnostics& diagnostics,
                   StatsdObserver& observer) {
  uint64_t buckets_max = observer.buckets_max;
  config::MapReader reader(node, diagnostics);
  reader.Read("max_size", buckets_max, "Buckets of an exponential histogram, on each side of zero");
  if (const config::Node* list = reader.Take(
          "explicit_buckets", "Fixed buckets; the first pattern that matches decides", "list")) {
    ReadExplicit(*list, reader, diagnostics, observer);
  }
  reader.Finish();
  if (buckets_max < 2 || buckets_max > 16'384) {
    reader.Report("max_size", "must be within 2 and 16384");
  }
  observer.buckets_max = buckets_max;
}

void ReadSummary(const config::Node& node, config::Diagnostics& diagnostics,
                 StatsdObserver& observer) {
  config::MapReader reader(node, diagnostics);
  if (const config::Node* list =
          reader.Take("percentiles", "0, 10, 50, 90, 95 and 100 without it", "list")) {
    observer.percentiles.clear();
    for (const config::Node& item : list->items) {
      const double percent = [&] {
        try {
          return std::stod(item.scalar);
        } catch (const std::exception&) {
          return -1.0;
        }
      }();
      if (!(percent >= 0 && percent <= 100)) {
        diagnostics.Add(item.at, "percentiles: must be within 0 and 100");
      }
      observer.percentiles.push_back(percent);
    }
  }
  reader.Finish();
}

// One entry of `timer_histogram_mapping`.
void ReadMapping(const config::Node& node, config::Diagnostics& diagnostics, StatsdRules& rules) {
  constexpr std::pair<std::string_view, StatsdObserver::Kind> kKinds[] = {
      {"gauge", StatsdObserver::Kind::kGauge},
      {"summary", StatsdObserver::Kind::kSummary},
      {"histogram", StatsdObserver::Kind::kHistogram},
      {"disabled", StatsdObserver::Kind::kDisabled},
  };
  std::string type, kind;
  config::MapReader reader(node, diagnostics);
  reader.Read("statsd_type", type, "`timer`, `timing`, `histogram` or `distribution`");
  reader.Read("observer_type", kind,
              "`gauge` (a point for every value; what holds without an entry), `summary`, "
              "`histogram` or `disabled`");
  StatsdObserver observer;
  if (const config::Node* histogram = reader.Take("histogram", "Of the observer `histogram`")) {
    ReadHistogram(*histogram, diagnostics, observer);
  }
  if (const config::Node* summary = reader.Take("summary", "Of the observer `summary`")) {
    ReadSummary(*summary, diagnostics, observer);
  }
  reader.Finish();
  const auto* known =
      std::ranges::find(kKinds, kind, &std::pair<std::string_view, StatsdObserver::Kind>::first);
  if (known == std::end(kKinds)) {
    return reader.Report("observer_type", "must be gauge, summary, histogram or disabled");
  }
  observer.kind = known->second;
  if (type == "timer" || type == "timing") {
    rules.timing = std::move(observer);
  } else if (type == "histogram") {
    rules.histogram = std::move(observer);
  } else if (type == "distribution") {
    rules.distribution = std::move(observer);
  } else {
    reader.Report("statsd_type", "must be timer, timing, histogram or distribution");
  }
}

}  // namespace

std::unique_ptr<pipeline::Receiver> StatsdReceiver::Create(const pipeline::CreateContext& context,
                                                           pipeline::Consumer& next) {
  Config config;
  int64_t interval_ns = config.interval.count();
  std::string transport = "udp";
  config::MapReader reader(context.config, context.diagnostics);
  reader.Read("endpoint", config.endpoint, "Where");
  reader.Read("transport", transport, "`udp` or `tcp`, one line each");
  reader.ReadGoDuration("aggregation_interval", interval_ns, "How often what came is sent on");
  reader.Read("enable_metric_type", config.rules.metric_type, "An attribute `metric_type`");
  reader.Read("enable_simple_tags", config.rules.simple_tags, "Tags without a value");
  reader.Read("is_monotonic_counter", config.rules.monotonic_counters,
              "Counters' sums are monotonic; the exporter `prometheus` shows no others");
  if (const config::Node* list =
          reader.Take("timer_histogram_mapping", "What becomes of timings", "list")) {
    for (const config::Node& item : list->items) {
      ReadMapping(item, context.diagnostics, config.rules);
    }
  }
  context.WarnWithoutEffect(reader.TakeWithoutEffect({"enable_ip_only_aggregation"}));
  reader.Finish();
  if (interval_ns <= 0) reader.Report("aggregation_interval", "must be a positive duration");
  config.is_tcp = transport.starts_with("tcp");
  if (!config.is_tcp && transport != "udp" && transport != "udp4" && transport != "udp6") {
    reader.Report("transport", "only udp and tcp are supported");
  }
  config.interval = std::chrono::nanoseconds(interval_ns);
  return std::make_unique<StatsdReceiver>(std::move(config), context.id.ToString(), context.host,
                                          next);
}

StatsdReceiver::StatsdReceiver(Config config, const std::string& name, pipeline::Host& host,
                               pipeline::Consumer& next)
    : config_(std::move(config)),
      name_(name),
      clock_(host.env.clock),
      logger_(host.logger),
      intake_(host, name, config_.is_tcp ? "tcp" : "udp", next),
      lines_(
          host.meter
              .CreateUInt64Counter("narthex_statsd_lines", "Lines of statsd that came.", "{lines}")
              ->Bind({{"receiver", name}})),
      bad_lines_(host.meter
                     .CreateUInt64Counter("narthex_statsd_bad_lines",
                                          "Lines of statsd that could not be used.", "{lines}")
                     ->Bind({{"receiver", name}})),
      aggregator_(config_.rules, kSeriesMax),
      beat_(clock_, config_.interval, [this] { Flush(); }) {}

base::Status StatsdReceiver::Start() {
  {
    base::MutexLock lock(mutex_);
    since_ns_ = static_cast<uint64_t>(clock_.WallNs());
  }
  if (config_.is_tcp) {
    ASSIGN_OR_RETURN(connections_, net::LineServer::Bind({.listen_address = config_.endpoint}));
    connections_->Serve([this](std::string_view line) { Take(line); });
  } else {
    ASSIGN_OR_RETURN(datagrams_, net::DatagramServer::Bind(config_.endpoint));
    datagrams_->Serve([this](std::string_view bytes) { Take(bytes); });
  }
  is_running_ = true;
  beat_.Start();
  return {};
}

uint16_t StatsdReceiver::port() const {
  return config_.is_tcp ? connections_->port() : datagrams_->port();
}

void StatsdReceiver::Stop() {
  if (datagrams_ != nullptr) datagrams_->Stop();
  if (connections_ != nullptr) connections_->Stop();
  beat_.Stop();
  if (std::exchange(is_running_, false)) Flush();
}

// One or more lines.
void StatsdReceiver::Take(std::string_view bytes) {
  base::MutexLock lock(mutex_);
  while (!bytes.empty()) {
    const size_t end = std::min(bytes.find('\n'), bytes.size());
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    if (line.empty()) continue;
    lines_.Add(1);
    const base::Status status = aggregator_.Add(line);
    if (status.has_value()) continue;
    bad_lines_.Add(1);
    // Whoever sends nonsense does so often: one line in an interval is enough.
    if (std::exchange(said_bad_, true)) continue;
    logger_.Warn(
        "statsd", "a line cannot be used",
        {{"receiver", name_}, {"line", line.substr(0, 200)}, {"error", status.error().message}});
  }
}

void StatsdReceiver::Flush() {
  otlp::Tree tree;
  {
    base::MutexLock lock(mutex_);
    const auto now_ns = static_cast<uint64_t>(clock_.WallNs());
    tree = aggregator_.Take(since_ns_, now_ns);
    since_ns_ = now_ns;
    said_bad_ = false;
  }
  otlp::Batch batch = tree.ToBatch();
  const size_t points = batch.point_count();
  const base::Status status = intake_.Pass(std::move(batch));
  if (status.has_value()) return;
  logger_.Error("statsd", "metrics were refused and are lost",
                {{"receiver", name_}, {"points", points}, {"error", status.error().message}});
}

}  // namespace narthex::receivers
