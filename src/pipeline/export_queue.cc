#include "pipeline/export_queue.h"

#include <algorithm>

#include "otlp/decode.h"
#include "otlp/encode.h"

namespace narthex::pipeline {

using base::Code;
using base::Fail;
using std::chrono::nanoseconds;

ExportQueue::ExportQueue(const SendingConfig& config, std::string name, Host& host,
                         Transport& transport)
    : config_(config),
      name_(std::move(name)),
      clock_(host.env.clock),
      logger_(host.logger),
      transport_(transport),
      flow_(host.instruments, "exporter/" + name_),
      sent_(host.instruments.exporter_sent->Bind({{"exporter", name_}})),
      send_failed_(host.instruments.exporter_send_failed->Bind({{"exporter", name_}})),
      enqueue_failed_(host.instruments.exporter_enqueue_failed->Bind({{"exporter", name_}})),
      queue_size_(host.instruments.exporter_queue_size->Bind(
          {{"exporter", name_}, {"data_type", "metrics"}})),
      queue_capacity_(host.instruments.exporter_queue_capacity->Bind(
          {{"exporter", name_}, {"data_type", "metrics"}})) {}

ExportQueue::~ExportQueue() { Stop(); }

base::Status ExportQueue::Start() {
  if (!config_.queue.is_enabled) return {};
  queue_size_.Add(0);
  queue_capacity_.Add(static_cast<int64_t>(config_.queue.size_max));
  if (config_.queue.storage != nullptr) {
    ASSIGN_OR_RETURN(log_, config_.queue.storage->OpenQueue("exporter_" + name_));
    Recover();
  }
  for (size_t i = 0; i < config_.queue.consumers; ++i) threads_.emplace_back([this] { Run(); });
  return {};
}

void ExportQueue::Recover() {
  base::MutexLock lock(mutex_);
  size_t points = 0;
  for (const QueueLog::Entry& entry : log_->pending()) {
    const size_t size = SizeOf(entry.points, entry.bytes);
    queue_.push_back(
        {.log_id = entry.id, .points = entry.points, .bytes = entry.bytes, .size = size});
    queued_ += size;
    points += entry.points;
  }
  flow_.In(points);
  flow_.Waiting(static_cast<int64_t>(points));
  queue_size_.Add(static_cast<int64_t>(queued_));
  if (!queue_.empty()) {
    logger_.Info("exporter", "Took up a queue from disk",
                 {{"exporter", name_}, {"requests", queue_.size()}, {"points", points}});
  }
}

void ExportQueue::Stop() {
  {
    base::MutexLock lock(mutex_);
    is_stopped_ = true;
    not_empty_.NotifyAll();
    changed_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  Run();  // What came in before any thread was there.
  // Who waits for what stays on disk is told that nothing is known yet.
  base::MutexLock lock(mutex_);
  for (Item& item : queue_) {
    if (item.waiter == nullptr) continue;
    item.waiter->status = Fail(Code::kUnavailable, "the exporter has stopped");
    item.waiter->is_done = true;
    item.waiter = nullptr;
  }
  changed_.NotifyAll();
}

size_t ExportQueue::SizeOf(size_t points, size_t bytes) const {
  switch (config_.queue.sizer) {
    case QueueConfig::Sizer::kRequests:
      return 1;
    case QueueConfig::Sizer::kItems:
      return points;
    case QueueConfig::Sizer::kBytes:
      return bytes;
  }
  return 1;
}

base::Status ExportQueue::Consume(otlp::Batch batch) {
  const size_t points = batch.point_count();
  if (points == 0) return {};
  if (!config_.queue.is_enabled) {
    flow_.In(points);
    return Export(batch).status;
  }
  Waiter waiter;
  base::MutexLock lock(mutex_);
  base::Status status =
      Enqueue(std::move(batch), config_.queue.wait_for_result ? &waiter : nullptr);
  if (!status.has_value()) {
    enqueue_failed_.Add(points);
    return status;
  }
  if (!config_.queue.wait_for_result) return {};
  while (!waiter.is_done) changed_.Wait(mutex_);
  return std::move(waiter.status);
}

base::Status ExportQueue::WaitForRoom(size_t size) {
  if (size > config_.queue.size_max) {
    return Fail(Code::kInvalidArgument, "a batch of size {} is over the sending queue's {}", size,
                config_.queue.size_max);
  }
  while (!is_stopped_ && queued_ + size > config_.queue.size_max) {
    if (!config_.queue.block_on_overflow) {
      return Fail(Code::kResourceExhausted, "sending queue is full");
    }
    changed_.Wait(mutex_);
  }
  if (is_stopped_) return Fail(Code::kUnavailable, "the exporter has stopped");
  return {};
}

base::Status ExportQueue::Enqueue(otlp::Batch batch, Waiter* waiter) {
  Item item{.points = batch.point_count(), .bytes = batch.byte_size(), .waiter = waiter};
  item.size = SizeOf(item.points, item.bytes);
  RETURN_IF_ERROR(WaitForRoom(item.size));
  // Room is taken before the disk is written to without the lock.
  queued_ += item.size;
  if (log_ != nullptr) {
    mutex_.Unlock();
    const base::Result<uint64_t> id = log_->Append(otlp::EncodeMetrics(batch), item.points);
    mutex_.Lock();
    if (!id.has_value()) {
      queued_ -= item.size;
      changed_.NotifyAll();
      return std::unexpected(id.error());
    }
    item.log_id = *id;
  } else {
    item.batch = std::move(batch);
  }
  flow_.In(item.points);
  flow_.Waiting(static_cast<int64_t>(item.points));
  queue_size_.Add(static_cast<int64_t>(item.size));
  queue_.push_back(std::move(item));
  not_empty_.NotifyAll();
  return {};
}

void ExportQueue::Run() {
  for (;;) {
    std::vector<Item> items;
    {
      base::MutexLock lock(mutex_);
      items = TakeItems();
    }
    if (items.empty()) return;
    otlp::Batch batch = Join(items);
    if (!items.empty()) Settle(items, ExportInParts(std::move(batch)));
  }
}

std::vector<ExportQueue::Item> ExportQueue::TakeItems() {
  std::vector<Item> items;
  // One thread at a time waits for a batch to fill; the others wait for it.
  while ((queue_.empty() || is_gathering_) && !is_stopped_) not_empty_.Wait(mutex_);
  // What lies on disk waits there for the next start.
  if (queue_.empty() || (is_stopped_ && log_ != nullptr)) return items;
  Pop(items);
  if (config_.queue.batching.has_value()) {
    is_gathering_ = true;
    Gather(items);
    is_gathering_ = false;
    not_empty_.NotifyAll();
  }
  return items;
}

void ExportQueue::Pop(std::vector<Item>& items) {
  items.push_back(std::move(queue_.front()));
  queue_.pop_front();
  queued_ -= items.back().size;
  queue_size_.Add(-static_cast<int64_t>(items.back().size));
  changed_.NotifyAll();
}

void ExportQueue::Gather(std::vector<Item>& items) {
  const QueueConfig::Batching& batching = *config_.queue.batching;
  const bool by_bytes = batching.sizer == QueueConfig::Batching::Sizer::kBytes;
  const auto weight = [&](const Item& item) { return by_bytes ? item.bytes : item.points; };
  const int64_t until_ns = clock_.MonotonicNs() + batching.flush_timeout.count();
  size_t total = weight(items[0]);
  while (total < batching.min_size) {
    if (!queue_.empty()) {
      Pop(items);
      total += weight(items.back());
      continue;
    }
    const int64_t left_ns = until_ns - clock_.MonotonicNs();
    if (left_ns <= 0 || is_stopped_) return;
    not_empty_.WaitFor(mutex_, nanoseconds(left_ns));
  }
}

otlp::Batch ExportQueue::Join(std::vector<Item>& items) {
  otlp::Batch joined;
  std::vector<Item> unreadable;
  std::erase_if(items, [&](Item& item) {
    if (item.log_id == 0) {
      joined.Append(std::move(item.batch));
      return false;
    }
    base::Result<std::string> bytes = log_->Read(item.log_id);
    base::Result<otlp::Batch> batch =
        bytes.has_value() ? otlp::DecodeMetrics(*std::move(bytes))
                          : base::Result<otlp::Batch>(std::unexpected(bytes.error()));
    if (!batch.has_value()) {
      logger_.Error(
          "exporter", "A request on disk cannot be read. Dropping data.",
          {{"exporter", name_}, {"points", item.points}, {"error", batch.error().message}});
      send_failed_.Add(item.points);
      flow_.Lost("unreadable", item.points);
      unreadable.push_back(std::move(item));
      return true;
    }
    joined.Append(*std::move(batch));
    return false;
  });
  if (!unreadable.empty()) Settle(unreadable, {.status = Fail(Code::kDataLoss, "unreadable")});
  return joined;
}

void ExportQueue::Settle(std::vector<Item>& items, const Outcome& outcome) {
  for (Item& item : items) {
    const bool stays = outcome.is_interrupted && item.log_id != 0;
    if (!stays) flow_.Waiting(-static_cast<int64_t>(item.points));
    if (!stays && item.log_id != 0) log_->Done(item.log_id);
    if (item.waiter == nullptr) continue;
    base::MutexLock lock(mutex_);
    item.waiter->status = outcome.status;
    item.waiter->is_done = true;
    changed_.NotifyAll();
  }
}

ExportQueue::Outcome ExportQueue::ExportInParts(otlp::Batch batch) {
  const auto& batching = config_.queue.batching;
  if (!batching.has_value() || batching->max_size == 0) return Export(batch);
  Outcome result;
  while (batch.point_count() > 0) {
    Outcome outcome = Export(batch.TakeFirst(batching->max_size));
    result.is_interrupted |= outcome.is_interrupted;
    if (result.status.has_value()) result.status = std::move(outcome.status);
  }
  return result;
}

ExportQueue::Outcome ExportQueue::Export(const otlp::Batch& batch) {
  const Encoded encoded = transport_.Encode(batch);
  for (const Encoded::Loss& loss : encoded.losses) {
    flow_.Lost(loss.reason, loss.points);
    send_failed_.Add(loss.points);
  }
  Outcome result;
  for (const Payload& payload : encoded.payloads) {
    Outcome outcome = SendWithRetries(payload);
    result.is_interrupted |= outcome.is_interrupted;
    if (result.status.has_value()) result.status = std::move(outcome.status);
  }
  return result;
}

ExportQueue::Outcome ExportQueue::SendWithRetries(const Payload& payload) {
  const int64_t began_ns = clock_.MonotonicNs();
  const auto timeout = std::max(std::chrono::ceil<std::chrono::milliseconds>(config_.timeout),
                                std::chrono::milliseconds(1));
  Backoff backoff(config_.retry, base::Random(base::RandomSeed()));
  for (bool is_last = false;;) {
    const Attempt attempt = transport_.Send(payload, timeout);
    if (attempt.status.has_value()) {
      Succeed(payload, attempt);
      return {};
    }
    const base::Error& error = attempt.status.error();
    NoteHealth(/*is_failing=*/true, error.message);
    if (!attempt.is_retryable) return {GiveUp(payload, error)};
    // After Stop there is one more attempt for what was waiting, and none for what just failed.
    // What lies on disk can wait for the next start.
    const auto interrupted = [&]() -> Outcome {
      if (log_ == nullptr) return {GiveUp(payload, error)};
      return {.status = std::unexpected(error), .is_interrupted = true};
    };
    if (is_last) return interrupted();
    const auto delay =
        backoff.Next(nanoseconds(clock_.MonotonicNs() - began_ns), attempt.retry_after);
    if (!delay.has_value()) return {GiveUp(payload, error)};
    {
      base::MutexLock lock(mutex_);
      if (is_stopped_) is_last = true;
    }
    if (is_last || (!Pause(*delay) && log_ != nullptr)) return interrupted();
    base::MutexLock lock(mutex_);
    is_last = is_stopped_;
  }
}

void ExportQueue::Succeed(const Payload& payload, const Attempt& attempt) {
  const size_t rejected = std::min(attempt.rejected_points, payload.points);
  sent_.Add(payload.points - rejected);
  flow_.Out(payload.points - rejected);
  if (rejected > 0) {
    send_failed_.Add(rejected);
    flow_.Lost("rejected_by_server", rejected);
  }
  NoteHealth(/*is_failing=*/false, "");
}

base::Status ExportQueue::GiveUp(const Payload& payload, const base::Error& error) {
  send_failed_.Add(payload.points);
  flow_.Lost("send_failed", payload.points);
  logger_.Error("exporter", "Exporting failed. Dropping data.",
                {{"exporter", name_}, {"points", payload.points}, {"error", error.message}});
  return std::unexpected(error);
}

bool ExportQueue::Pause(nanoseconds delay) {
  const int64_t until_ns = clock_.MonotonicNs() + delay.count();
  base::MutexLock lock(mutex_);
  while (!is_stopped_) {
    const int64_t left_ns = until_ns - clock_.MonotonicNs();
    if (left_ns <= 0) return true;
    changed_.WaitFor(mutex_, nanoseconds(left_ns));
  }
  return false;
}

void ExportQueue::NoteHealth(bool is_failing, std::string_view reason) {
  {
    base::MutexLock lock(mutex_);
    if (is_failing_ == is_failing) return;
    is_failing_ = is_failing;
  }
  if (is_failing) {
    logger_.Warn("exporter", "Exporting failed", {{"exporter", name_}, {"error", reason}});
  } else {
    logger_.Info("exporter", "Exporting works again", {{"exporter", name_}});
  }
}

}  // namespace narthex::pipeline
