#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "net/datagram_server.h"
#include "pipeline/beat.h"
#include "pipeline/intake.h"
#include "receivers/statsd/aggregator.h"

namespace narthex::receivers {

// Takes statsd over UDP or TCP, adds up for an interval, and sends on what that came to.
// Thread-safe. Source: opentelemetry-collector-contrib, receiver/statsdreceiver.
class StatsdReceiver final : public pipeline::Receiver {
 public:
  struct Config {
    std::string endpoint = "localhost:8125";
    bool is_tcp = false;
    std::chrono::nanoseconds interval{std::chrono::seconds(60)};
    StatsdRules rules;
  };
  static std::unique_ptr<pipeline::Receiver> Create(const pipeline::CreateContext& context,
                                                    pipeline::Consumer& next);

  StatsdReceiver(Config config, const std::string& name, pipeline::Host& host,
                 pipeline::Consumer& next);
  ~StatsdReceiver() override { Stop(); }

  base::Status Start() override;
  // Sends on what has come since the last interval.
  void Stop() override;
  uint16_t port() const;  // REQUIRES: started.

 private:
  void Take(std::string_view bytes);
  void Flush();

  const Config config_;
  const std::string name_;
  const base::Clock& clock_;
  base::Logger& logger_;
  pipeline::Intake intake_;
  sdk::BoundCounter<uint64_t> lines_, bad_lines_;
  std::unique_ptr<net::DatagramServer> datagrams_;
  std::unique_ptr<net::LineServer> connections_;

  base::Mutex mutex_;
  StatsdAggregator aggregator_ GUARDED_BY(mutex_);
  uint64_t since_ns_ GUARDED_BY(mutex_) = 0;  // When the interval began, since the epoch.
  bool said_bad_ GUARDED_BY(mutex_) = false;  // About a bad line, in this interval.
  bool is_running_ = false;
  pipeline::Beat beat_;
};

inline constexpr pipeline::ReceiverFactory kStatsdReceiver = {"statsd", "",
                                                              &StatsdReceiver::Create};

}  // namespace narthex::receivers
