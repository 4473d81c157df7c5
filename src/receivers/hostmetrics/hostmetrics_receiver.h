#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "pipeline/beat.h"
#include "pipeline/intake.h"
#include "receivers/hostmetrics/scrapers.h"

namespace narthex::receivers {

// Tells how the machine is doing, at intervals: processors, memory, disks, networks and the like,
// as Linux shows them under /proc. Thread-safe.
// Source: opentelemetry-collector-contrib, receiver/hostmetricsreceiver.
class HostMetricsReceiver final : public pipeline::Receiver {
 public:
  struct Scrape {
    const HostScraper* scraper;
    ScraperOptions options;
    std::set<std::string, std::less<>> on;  // Names of metrics.
  };
  struct Config {
    std::chrono::nanoseconds interval{std::chrono::minutes(1)};
    std::chrono::nanoseconds initial_delay{std::chrono::seconds(1)};
    std::string root_path;
    std::vector<Scrape> scrapes;
  };
  static std::unique_ptr<pipeline::Receiver> Create(const pipeline::CreateContext& context,
                                                    pipeline::Consumer& next);

  HostMetricsReceiver(Config config, const std::string& name, pipeline::Host& host,
                      pipeline::Consumer& next);
  base::Status Start() override;
  void Stop() override { beat_.Stop(); }

 private:
  // Of one scraper.
  struct Part {
    Scrape scrape;
    HostView view;
    sdk::BoundCounter<uint64_t> scraped, errored;
    bool is_failing = false;
  };

  void Collect();
  void ScrapePart(Part& part, HostPage& page);
  // In nanoseconds since the epoch, 0 where the system does not say.
  uint64_t BootTime() const;
  void Pass(otlp::Batch batch);

  const Config config_;
  const std::string name_;
  const base::Env env_;
  base::Logger& logger_;
  pipeline::Intake intake_;
  std::vector<Part> parts_;  // The beat's own.
  pipeline::Beat beat_;
};

inline constexpr pipeline::ReceiverFactory kHostMetricsReceiver = {"hostmetrics", "host_metrics",
                                                                   &HostMetricsReceiver::Create};

}  // namespace narthex::receivers
