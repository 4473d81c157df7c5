#include "pipeline/export_queue.h"

#include <algorithm>

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

void ExportQueue::Start() {
  if (!config_.queue.is_enabled) return;
  queue_size_.Add(0);
  queue_capacity_.Add(static_cast<int64_t>(config_.queue.size_max));
  for (size_t i = 0; i < config_.queue.consumers; ++i) threads_.emplace_back([this] { Run(); });
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
}

size_t ExportQueue::SizeOf(const otlp::Batch& batch) const {
  switch (config_.queue.sizer) {
    case QueueConfig::Sizer::kRequests:
      return 1;
    case QueueConfig::Sizer::kItems:
      return batch.point_count();
    case QueueConfig::Sizer::kBytes:
      return batch.byte_size();
  }
  return 1;
}

base::Status ExportQueue::Consume(otlp::Batch batch) {
  const size_t points = batch.point_count();
  if (points == 0) return {};
  if (!config_.queue.is_enabled) {
    flow_.In(points);
    return Export(batch);
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

base::Status ExportQueue::Enqueue(otlp::Batch batch, Waiter* waiter) {
  const size_t size = SizeOf(batch);
  const size_t points = batch.point_count();
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
  flow_.In(points);
  flow_.Waiting(static_cast<int64_t>(points));
  queue_size_.Add(static_cast<int64_t>(size));
  queued_ += size;
  queue_.push_back({std::move(batch), size, waiter});
  not_empty_.NotifyOne();
  return {};
}

void ExportQueue::Run() {
  for (;;) {
    Item item;
    {
      base::MutexLock lock(mutex_);
      while (queue_.empty() && !is_stopped_) not_empty_.Wait(mutex_);
      if (queue_.empty()) return;
      item = std::move(queue_.front());
      queue_.pop_front();
      queued_ -= item.size;
      changed_.NotifyAll();
    }
    queue_size_.Add(-static_cast<int64_t>(item.size));
    base::Status status = Export(item.batch);
    flow_.Waiting(-static_cast<int64_t>(item.batch.point_count()));
    if (item.waiter == nullptr) continue;
    base::MutexLock lock(mutex_);
    item.waiter->status = std::move(status);
    item.waiter->is_done = true;
    changed_.NotifyAll();
  }
}

base::Status ExportQueue::Export(const otlp::Batch& batch) {
  const Encoded encoded = transport_.Encode(batch);
  for (const Encoded::Loss& loss : encoded.losses) {
    flow_.Lost(loss.reason, loss.points);
    send_failed_.Add(loss.points);
  }
  base::Status result;
  for (const Payload& payload : encoded.payloads) {
    base::Status status = SendWithRetries(payload);
    if (result.has_value()) result = std::move(status);
  }
  return result;
}

base::Status ExportQueue::SendWithRetries(const Payload& payload) {
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
    if (is_last || !attempt.is_retryable) return GiveUp(payload, error);
    const auto delay =
        backoff.Next(nanoseconds(clock_.MonotonicNs() - began_ns), attempt.retry_after);
    if (!delay.has_value()) return GiveUp(payload, error);
    // After Stop there is one more attempt for what was waiting, and none for what just failed.
    {
      base::MutexLock lock(mutex_);
      if (is_stopped_) is_last = true;
    }
    if (is_last) return GiveUp(payload, error);
    is_last = !Pause(*delay);
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
