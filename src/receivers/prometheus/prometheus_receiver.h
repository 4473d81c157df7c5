#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/intake.h"
#include "receivers/prometheus/scrape_store.h"
#include "scrape/manager.h"

namespace narthex::receivers {

// Scrapes targets as Prometheus does, relabelling included, and sends on every scrape as OTLP.
// Thread-safe. Source: opentelemetry-collector-contrib, receiver/prometheusreceiver.
class PrometheusReceiver final : public pipeline::Receiver {
 public:
  struct Config {
    std::vector<scrape::JobConfig> jobs;
  };
  static std::unique_ptr<pipeline::Receiver> Create(const pipeline::CreateContext& context,
                                                    pipeline::Consumer& next);

  PrometheusReceiver(Config config, const std::string& name, pipeline::Host& host,
                     pipeline::Consumer& next);
  ~PrometheusReceiver() override { Stop(); }

  base::Status Start() override;
  void Stop() override { manager_.reset(); }

 private:
  base::Status Take(const std::vector<ScrapedSample>& samples);

  const Config config_;
  const base::Env env_;
  base::Logger& logger_;
  pipeline::Intake intake_;
  std::map<std::string, std::string, std::less<>> schemes_;  // By job.
  ScrapeStore store_;
  std::unique_ptr<scrape::Manager> manager_;
};

inline constexpr pipeline::ReceiverFactory kPrometheusReceiver = {"prometheus", "",
                                                                  &PrometheusReceiver::Create};

}  // namespace narthex::receivers
