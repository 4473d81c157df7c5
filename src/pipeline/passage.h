#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "otlp/client_info.h"
#include "otlp/response.h"

namespace narthex::pipeline {

// Traces and logs, which are passed on as they came: from a receiver of OTLP to exporters of it,
// and the answer back to the sender.

enum class Signal : uint8_t { kMetrics, kTraces, kLogs };

// "metrics", "traces", "logs".
std::string_view NameOf(Signal signal);
// "metric_points", "spans", "log_records", as the names of counters end.
std::string_view ItemsOf(Signal signal);

// An Export…ServiceRequest. A value.
struct PassedRequest {
  Signal signal = Signal::kTraces;
  otlp::Encoding encoding = otlp::Encoding::kProtobuf;
  std::string bytes;
  size_t items = 0;  // Spans or log records.
  otlp::ClientPointer client;
  // Of who counts what is held; kept as long as the bytes are.
  std::vector<std::shared_ptr<const void>> leases;
};

struct PassedAnswer {
  base::Status status;                      // Errors as Consumer::Consume's.
  std::chrono::nanoseconds retry_after{0};  // Of an error: what the server asked for; 0: nothing.
  std::string response;  // Of a success: the server's Export…ServiceResponse, encoded likewise.
};

// Where such requests go on. Thread-safe.
class Passage {
 public:
  using Done = std::move_only_function<void(PassedAnswer)>;
  virtual ~Passage() = default;
  // Nothing is translated: who sends on over gRPC has no use for JSON.
  virtual bool TakesJson() const { return false; }
  // Calls `done` once, from any thread, perhaps before it returns. REQUIRES: TakesJson() for JSON.
  virtual void Pass(PassedRequest request, Done done) = 0;
};

// What calls `done` once it has been called for that many requests itself: with the first error and
// the longest wait of any, or the last response. Thread-safe. REQUIRES: requests > 0.
std::function<void(PassedAnswer)> GatherAnswers(size_t requests, Passage::Done done);

// Gives every request to several, whose answers are gathered.
class PassageFanOut final : public Passage {
 public:
  explicit PassageFanOut(std::vector<Passage*> next) : next_(std::move(next)) {}
  bool TakesJson() const override;
  void Pass(PassedRequest request, Done done) override;

 private:
  const std::vector<Passage*> next_;
};

}  // namespace narthex::pipeline
