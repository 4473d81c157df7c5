#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "pipeline/handover.h"
#include "processors/resourcedetection/docker_detector.h"
#include "processors/resourcedetection/system_detector.h"

namespace narthex::processors {

// Puts what is known about the machine, or said by the environment, on every resource. A detector
// that begins to fail is logged, and its attributes are missing. Thread-safe.
// Source: opentelemetry-collector-contrib, processor/resourcedetectionprocessor.
class ResourceDetectionProcessor final : public pipeline::Processor {
 public:
  struct Config {
    std::vector<std::string> detectors{"env"};     // The first to know a key wins.
    bool overrides = true;                         // What a resource has already.
    std::vector<std::string> attributes;           // Those that are kept; empty: all.
    std::chrono::nanoseconds refresh_interval{0};  // 0: never.
    SystemDetector::Config system;
    DockerDetector::Config docker;
  };
  static std::unique_ptr<pipeline::Processor> Create(const pipeline::CreateContext& context,
                                                     pipeline::Consumer& next);

  ResourceDetectionProcessor(Config config, const std::string& name, pipeline::Host& host,
                             pipeline::Consumer& next);
  base::Status Start() override;
  void Stop() override {}
  base::Status Consume(otlp::Batch batch) override;

 private:
  using Shared = std::shared_ptr<const Detected>;

  Shared Detect();
  // Logs that a detector begins to fail, or no longer does. `error`: null where it works.
  void Tell(const std::string& detector, const base::Error* error);
  base::Result<Detected> Ask(const std::string& detector) const;
  // Detects again where it is time to.
  Shared Current();

  const Config config_;
  const std::string name_;
  base::FileSystem& files_;
  base::Clock& clock_;
  base::Logger& logger_;
  pipeline::Handover handover_;

  base::Mutex mutex_;
  Shared detected_ GUARDED_BY(mutex_) = std::make_shared<const Detected>();
  int64_t detected_ns_ GUARDED_BY(mutex_) = 0;  // Monotonic.
  std::set<std::string> failing_ GUARDED_BY(mutex_);
};

inline constexpr pipeline::ProcessorFactory kResourceDetectionProcessor = {
    "resourcedetection", "resource_detection", &ResourceDetectionProcessor::Create};

}  // namespace narthex::processors
