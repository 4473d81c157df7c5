#include "processors/batch/batch_processor.h"

#include <algorithm>

#include "otlp/response.h"

namespace narthex::processors {
namespace {

using base::Code;
using base::Fail;

// Batches' worth of points that may wait before senders are told to come again.
constexpr size_t kWaitingBatchesMax = 8;
constexpr size_t kWaitingPointsMin = 65'536;
// Between offers of a batch that the next stage does not take.
constexpr std::chrono::milliseconds kFirstPause{10};
constexpr std::chrono::milliseconds kLongestPause{500};

}  // namespace

// What the official processor reports about its batches.
struct BatchProcessor::Instruments {
  explicit Instruments(pipeline::Host& host, const std::string& name)
      : incoming(host.instruments.processor_incoming->Bind(
            {{"processor", name}, {"otel_signal", "metrics"}})),
        outgoing(host.instruments.processor_outgoing->Bind(
            {{"processor", name}, {"otel_signal", "metrics"}})),
        size_triggers(host.meter
                          .CreateUInt64Counter("otelcol_processor_batch_batch_size_trigger_send",
                                               "Number of times the batch was sent due to a size "
                                               "trigger.",
                                               "{times}")
                          ->Bind({{"processor", name}})),
        timeout_triggers(host.meter
                             .CreateUInt64Counter("otelcol_processor_batch_timeout_trigger_send",
                                                  "Number of times the batch was sent due to a "
                                                  "timeout trigger.",
                                                  "{times}")
                             ->Bind({{"processor", name}})),
        sizes(host.meter
                  .CreateUInt64Histogram(
                      "otelcol_processor_batch_batch_send_size", "Number of units in the batch.",
                      "{units}",
                      {std::vector<double>{10,   25,    50,    75,    100,   250,   500,  750,
                                           1000, 2000,  3000,  4000,  5000,  6000,  7000, 8000,
                                           9000, 10000, 20000, 30000, 50000, 100000}})
                  ->Bind({{"processor", name}})) {}

  sdk::BoundCounter<uint64_t> incoming;
  sdk::BoundCounter<uint64_t> outgoing;
  sdk::BoundCounter<uint64_t> size_triggers;
  sdk::BoundCounter<uint64_t> timeout_triggers;
  sdk::BoundHistogram<uint64_t> sizes;
};

std::unique_ptr<pipeline::Processor> BatchProcessor::Create(const pipeline::CreateContext& context,
                                                            pipeline::Consumer& next) {
  Config config;
  uint64_t size = config.send_batch_size, size_max = 0;
  int64_t timeout_ns = config.timeout.count();
  config::MapReader reader(context.config, context.diagnostics);
  reader.Read("send_batch_size", size, "Points that make a batch go");
  reader.Read("send_batch_max_size", size_max, "Larger batches are split; `0`: no limit");
  reader.ReadGoDuration("timeout", timeout_ns,
                        "A batch goes after this long, whatever its size; `0s`: at once");
  if (size_max > 0 && size_max < size) {
    reader.Report("send_batch_max_size", "must be greater or equal to send_batch_size");
  }
  if (timeout_ns < 0) reader.Report("timeout", "must be greater or equal to 0");
  context.WarnWithoutEffect(
      reader.TakeWithoutEffect({"metadata_keys", "metadata_cardinality_limit"}));
  reader.Finish();
  config.send_batch_size = size;
  config.send_batch_max_size = size_max;
  config.timeout = std::chrono::nanoseconds(timeout_ns);
  return std::make_unique<BatchProcessor>(config, context.id.ToString(), context.host, next);
}

BatchProcessor::BatchProcessor(Config config, std::string name, pipeline::Host& host,
                               pipeline::Consumer& next)
    : config_(config),
      waiting_points_max_(std::max(kWaitingPointsMin, kWaitingBatchesMax * config.send_batch_size)),
      name_(std::move(name)),
      clock_(host.env.clock),
      logger_(host.logger),
      next_(next),
      flow_(host.instruments, "processor/" + name_),
      instruments_(std::make_unique<Instruments>(host, name_)) {}

BatchProcessor::~BatchProcessor() { Stop(); }

base::Status BatchProcessor::Start() {
  thread_ = std::thread([this] { Run(); });
  return {};
}

void BatchProcessor::Stop() {
  {
    base::MutexLock lock(mutex_);
    stop_ = true;
    changed_.NotifyAll();
    paused_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

base::Status BatchProcessor::Consume(otlp::Batch batch) {
  const size_t points = batch.point_count();
  if (points == 0) return {};
  base::MutexLock lock(mutex_);
  if (stop_) return Fail(Code::kUnavailable, "the batch processor has stopped");
  const size_t before = waiting_.point_count();
  if (before >= waiting_points_max_) {
    return Fail(Code::kUnavailable, "the batch processor holds {} points, no more fit", before);
  }
  instruments_->incoming.Add(points);
  flow_.In(points);
  flow_.Waiting(static_cast<int64_t>(points));
  if (before == 0) oldest_ns_ = clock_.MonotonicNs();
  waiting_.Append(std::move(batch));
  // The thread sleeps until the first point or until there are enough.
  const bool is_enough =
      before < config_.send_batch_size && before + points >= config_.send_batch_size;
  if (before == 0 || is_enough) changed_.NotifyAll();
  return {};
}

void BatchProcessor::Run() {
  for (;;) {
    otlp::Batch batch;
    bool by_size = false;
    {
      base::MutexLock lock(mutex_);
      for (;;) {
        const size_t points = waiting_.point_count();
        by_size = points >= std::max<size_t>(config_.send_batch_size, 1);
        if (by_size || (stop_ && points > 0)) break;
        if (stop_) return;
        if (points == 0) {
          changed_.Wait(mutex_);
          continue;
        }
        const int64_t left_ns = oldest_ns_ + config_.timeout.count() - clock_.MonotonicNs();
        if (left_ns <= 0) break;
        changed_.WaitFor(mutex_, std::chrono::nanoseconds(left_ns));
      }
      batch = config_.send_batch_max_size > 0 ? waiting_.TakeFirst(config_.send_batch_max_size)
                                              : std::exchange(waiting_, otlp::Batch());
      oldest_ns_ = clock_.MonotonicNs();
    }
    Send(std::move(batch), by_size);
  }
}

void BatchProcessor::Send(otlp::Batch batch, bool by_size) {
  const size_t points = batch.point_count();
  instruments_->sizes.Record(points);
  (by_size ? instruments_->size_triggers : instruments_->timeout_triggers).Add(1);
  const base::Status status = PassOn(std::move(batch));
  flow_.Waiting(-static_cast<int64_t>(points));
  if (status.has_value()) {
    instruments_->outgoing.Add(points);
    flow_.Out(points);
  } else {
    flow_.Lost("refused_downstream", points);
    logger_.Warn("batch", "Sender failed",
                 {{"processor", name_}, {"points", points}, {"error", status.error().message}});
  }
}

base::Status BatchProcessor::PassOn(otlp::Batch batch) {
  auto pause = kFirstPause;
  for (bool is_last = false;;) {
    // Senders have their answer already: what the next stage refuses for now is offered again.
    base::Status status = is_last ? next_.Consume(std::move(batch)) : next_.Consume(batch.Clone());
    if (is_last || status.has_value() || !otlp::IsRetryable(status.error().code)) return status;
    base::MutexLock lock(mutex_);
    if (!stop_) paused_.WaitFor(mutex_, pause);
    pause = std::min(pause * 2, kLongestPause);
    is_last = stop_;
  }
}

}  // namespace narthex::processors
