#pragma once

#include <map>
#include <memory>
#include <string>

#include "pipeline/export_queue.h"

namespace narthex::pipeline {

// The queues of an exporter for what it passes on, one for each signal that it is asked for. One
// thread at a time.
class PassedQueues {
 public:
  // `transport` must outlive this, and `config` too.
  PassedQueues(const SendingConfig& config, std::string name, const Host& host,
               Transport& transport, bool takes_json)
      : config_(config),
        name_(std::move(name)),
        host_(host),
        transport_(transport),
        takes_json_(takes_json) {}

  // Before Start.
  Passage* Of(Signal signal) {
    std::unique_ptr<ExportQueue>& queue = queues_[signal];
    if (queue == nullptr) {
      queue = std::make_unique<ExportQueue>(config_, name_, host_, transport_, signal, takes_json_);
    }
    return queue.get();
  }
  base::Status Start() {
    for (const auto& [signal, queue] : queues_) RETURN_IF_ERROR(queue->Start());
    return {};
  }
  void Stop() {
    for (const auto& [signal, queue] : queues_) queue->Stop();
  }

 private:
  const SendingConfig& config_;
  const std::string name_;
  Host host_;
  Transport& transport_;
  const bool takes_json_;
  std::map<Signal, std::unique_ptr<ExportQueue>> queues_;
};

}  // namespace narthex::pipeline
