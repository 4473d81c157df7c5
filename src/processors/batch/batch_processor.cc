#include "processors/batch/batch_processor.h"

#include <algorithm>

#include "otlp/response.h"
#include "pipeline/metadata_keys.h"

namespace narthex::processors {
namespace {

using base::Code;
using base::Fail;

// Batches' worth of points that may wait before senders are told to come again.
constexpr size_t kWaitingBatchesMax = 8;
constexpr size_t kWaitingPointsMin = 65'536;
// So often and so long a sender is made to wait first: the next stage may only be a little behind.
constexpr int kRoomWaits = 10;
constexpr std::chrono::milliseconds kRoomWait{100};
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
                  ->Bind({{"processor", name}})),
        cardinality(host.meter
                        .CreateInt64UpDownCounter("otelcol_processor_batch_metadata_cardinality",
                                                  "Number of distinct metadata value combinations "
                                                  "being processed",
                                                  "{combinations}")
                        ->Bind({{"processor", name}})) {}

  sdk::BoundCounter<uint64_t> incoming;
  sdk::BoundCounter<uint64_t> outgoing;
  sdk::BoundCounter<uint64_t> size_triggers;
  sdk::BoundCounter<uint64_t> timeout_triggers;
  sdk::BoundHistogram<uint64_t> sizes;
  sdk::BoundUpDownCounter<int64_t> cardinality;
};

std::unique_ptr<pipeline::Processor> BatchProcessor::Create(const pipeline::CreateContext& context,
                                                            pipeline::Consumer& next) {
  Config config;
  uint64_t size = config.send_batch_size, size_max = 0;
  int64_t timeout_ns = config.timeout.count();
  config::MapReader reader(context.config, context.diagnostics);
  reader.Read("send_batch_size", size, "Points that make a batch go; of metrics only");
  reader.Read(
      "send_batch_max_size", size_max,
      "Larger batches are split, and requests with more spans or log records; `0`: no limit");
  reader.ReadGoDuration("timeout", timeout_ns,
                        "A batch goes after this long, whatever its size; `0s`: at once");
  reader.Read("wait_for_result", config.wait_for_result,
              "Ours: senders of metrics wait until their batch has been passed on, and learn what "
              "became of it");
  if (size_max > 0 && size_max < size) {
    reader.Report("send_batch_max_size", "must be greater or equal to send_batch_size");
  }
  if (timeout_ns < 0) reader.Report("timeout", "must be greater or equal to 0");
  uint64_t shards_max = config.shards_max;
  config.metadata_keys = pipeline::ReadMetadataKeys(
      reader, "metadata_keys",
      "Data of clients that differ in these goes into batches of its own, which keep them");
  reader.Read("metadata_cardinality_limit", shards_max,
              "Combinations of their values; what has further ones is refused; `0`: no limit");
  reader.Finish();
  config.shards_max = shards_max;
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
      instruments_(std::make_unique<Instruments>(host, name_)) {
  base::MutexLock lock(mutex_);
  if (config_.metadata_keys.empty()) (void)ShardOf(nullptr);
}

BatchProcessor::~BatchProcessor() { Stop(); }

pipeline::Passage* BatchProcessor::PassageTo(pipeline::Signal, pipeline::Passage& next) {
  if (config_.send_batch_max_size == 0) return &next;
  passage_ = std::make_unique<CuttingPassage>(config_.send_batch_max_size, next);
  return passage_.get();
}

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
    room_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

BatchProcessor::Shard* BatchProcessor::ShardOf(const otlp::ClientInfo* client) {
  const std::string key = config_.metadata_keys.PartitionOf(client);
  if (const auto found = shards_.find(key); found != shards_.end()) return &found->second;
  if (config_.shards_max > 0 && shards_.size() >= config_.shards_max) return nullptr;
  Shard& shard = shards_[key];
  shard.client = config_.metadata_keys.Keep(client);
  instruments_->cardinality.Add(1);
  return &shard;
}

bool BatchProcessor::WaitForRoom() {
  for (int waits = 0; waiting_points_ >= waiting_points_max_ && !stop_; ++waits) {
    if (waits == kRoomWaits) return false;
    room_.WaitFor(mutex_, kRoomWait);
  }
  return !stop_;
}

base::Status BatchProcessor::Consume(otlp::Batch batch) {
  const size_t points = batch.point_count();
  if (points == 0) return {};
  base::MutexLock lock(mutex_);
  if (!WaitForRoom()) {
    if (stop_) return Fail(Code::kUnavailable, "the batch processor has stopped");
    return Fail(Code::kUnavailable, "the batch processor holds {} points, no more fit",
                waiting_points_);
  }
  Shard* shard = ShardOf(batch.client.get());
  if (shard == nullptr) {
    return Fail(Code::kInvalidArgument, "too many batcher metadata-value combinations");
  }
  instruments_->incoming.Add(points);
  flow_.In(points);
  flow_.Waiting(static_cast<int64_t>(points));
  const size_t before = shard->waiting.point_count();
  if (before == 0) shard->oldest_ns = clock_.MonotonicNs();
  batch.client = shard->client;
  Sender sender{
      .points_left = points, .throttle = std::exchange(batch.throttle, nullptr), .status = {}};
  if (config_.wait_for_result) shard->shares.push_back({&sender, points});
  shard->waiting.Append(std::move(batch));
  waiting_points_ += points;
  // The thread sleeps until the first point or until there are enough.
  const bool is_enough =
      before < config_.send_batch_size && before + points >= config_.send_batch_size;
  if (before == 0 || is_enough) changed_.NotifyAll();
  if (!config_.wait_for_result) return {};
  while (sender.points_left > 0) answered_.Wait(mutex_);
  return std::move(sender.status);
}

BatchProcessor::Ready BatchProcessor::FindReady() {
  Ready ready;
  if (waiting_points_ == 0) return ready;
  const int64_t now_ns = clock_.MonotonicNs();
  for (auto& [key, shard] : shards_) {
    const size_t points = shard.waiting.point_count();
    if (points == 0) continue;
    const bool by_size = points >= std::max<size_t>(config_.send_batch_size, 1);
    const int64_t left_ns = shard.oldest_ns + config_.timeout.count() - now_ns;
    // The one that has waited longest past its time goes first.
    const int64_t due_in_ns = by_size ? std::min<int64_t>(left_ns, -1) : left_ns;
    if (ready.shard != nullptr && due_in_ns >= ready.due_in_ns) continue;
    ready = {.shard = &shard, .by_size = by_size, .due_in_ns = due_in_ns};
  }
  if (ready.due_in_ns > 0 && !stop_) ready.shard = nullptr;
  return ready;
}

void BatchProcessor::Run() {
  for (;;) {
    otlp::Batch batch;
    std::vector<Share> shares;
    Ready ready;
    {
      base::MutexLock lock(mutex_);
      for (;;) {
        ready = FindReady();
        if (ready.shard != nullptr) break;
        if (stop_) return;
        if (ready.due_in_ns == 0) {
          changed_.Wait(mutex_);
        } else {
          changed_.WaitFor(mutex_, std::chrono::nanoseconds(ready.due_in_ns));
        }
      }
      otlp::Batch& waiting = ready.shard->waiting;
      batch = config_.send_batch_max_size > 0 ? waiting.TakeFirst(config_.send_batch_max_size)
                                              : std::exchange(waiting, otlp::Batch());
      shares = TakeShares(*ready.shard, batch.point_count());
      waiting_points_ -= batch.point_count();
      room_.NotifyAll();
      ready.shard->oldest_ns = clock_.MonotonicNs();
    }
    Send(std::move(batch), ready.by_size, shares);
  }
}

std::vector<BatchProcessor::Share> BatchProcessor::TakeShares(Shard& shard, size_t points) {
  std::vector<Share> taken;
  while (points > 0 && !shard.shares.empty()) {
    Share& first = shard.shares.front();
    const size_t part = std::min(first.points, points);
    taken.push_back({first.sender, part});
    points -= part;
    first.points -= part;
    if (first.points == 0) shard.shares.pop_front();
  }
  return taken;
}

void BatchProcessor::Answer(const std::vector<Share>& shares, const base::Status& status,
                            std::chrono::nanoseconds delay) {
  base::MutexLock lock(mutex_);
  for (const Share& share : shares) {
    share.sender->points_left -= share.points;
    if (!status.has_value() && share.sender->status.has_value()) share.sender->status = status;
    if (share.sender->throttle != nullptr) share.sender->throttle->Ask(delay);
  }
  answered_.NotifyAll();
}

void BatchProcessor::Send(otlp::Batch batch, bool by_size, const std::vector<Share>& shares) {
  const size_t points = batch.point_count();
  instruments_->sizes.Record(points);
  (by_size ? instruments_->size_triggers : instruments_->timeout_triggers).Add(1);
  const auto throttle = std::make_shared<otlp::Throttle>();
  if (config_.wait_for_result) batch.throttle = throttle;
  const base::Status status = PassOn(std::move(batch));
  flow_.Waiting(-static_cast<int64_t>(points));
  if (status.has_value()) {
    instruments_->outgoing.Add(points);
    flow_.Out(points);
  } else {
    flow_.Lost(config_.wait_for_result ? "refused_to_sender" : "refused_downstream", points);
    logger_.Warn("batch", "Sender failed",
                 {{"processor", name_}, {"points", points}, {"error", status.error().message}});
  }
  if (!shares.empty()) Answer(shares, status, throttle->delay());
}

base::Status BatchProcessor::PassOn(otlp::Batch batch) {
  if (config_.wait_for_result) return next_.Consume(std::move(batch));
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
