#include "pipeline/export_queue.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "otlp/decode.h"
#include "otlp/encode.h"
#include "pipeline/cut_request.h"

namespace narthex::pipeline {

using base::Code;
using base::Fail;
using std::chrono::nanoseconds;

ExportQueue::ExportQueue(const SendingConfig& config, std::string name, Host& host,
                         Transport& transport, Signal signal, bool takes_json)
    : config_(config),
      name_(std::move(name)),
      clock_(host.env.clock),
      logger_(host.logger),
      transport_(transport),
      signal_(signal),
      takes_json_(takes_json),
      books_(host, name_, signal) {}

ExportQueue::~ExportQueue() { Stop(); }

base::Status ExportQueue::Start() {
  if (!config_.queue.is_enabled) return {};
  books_.QueueSize(0);
  books_.QueueCapacity(config_.queue.size_max);
  if (config_.queue.storage != nullptr) {
    // Metrics have had the name alone since there were no others.
    const std::string client = signal_ == Signal::kMetrics
                                   ? "exporter_" + name_
                                   : fmt::format("exporter_{}_{}", name_, NameOf(signal_));
    ASSIGN_OR_RETURN(log_, config_.queue.storage->OpenQueue(client));
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
    Item item{.log_id = entry.id, .points = entry.points, .bytes = entry.bytes, .size = size};
    if (const auto& batching = config_.queue.batching;
        batching.has_value() && !batching->partition.empty()) {
      const base::Result<Cargo> cargo = Load(item);
      const otlp::ClientInfo* client = cargo.has_value() ? cargo->client.get() : nullptr;
      item.partition = batching->partition.PartitionOf(client);
    }
    queue_.push_back(std::move(item));
    queued_ += size;
    points += entry.points;
  }
  books_.Came(points);
  books_.Waiting(static_cast<int64_t>(points));
  books_.QueueSize(static_cast<int64_t>(queued_));
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
    item.waiter->outcome.status = Fail(Code::kUnavailable, "the exporter has stopped");
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

void ExportQueue::Outcome::Add(Outcome other) {
  is_interrupted |= other.is_interrupted;
  retry_after = std::max(retry_after, other.retry_after);
  if (status.has_value()) status = std::move(other.status);
}

base::Status ExportQueue::Tell(otlp::Throttle* throttle, Outcome outcome) {
  if (throttle != nullptr) throttle->Ask(outcome.retry_after);
  return std::move(outcome.status);
}

base::Status ExportQueue::Consume(otlp::Batch batch) {
  const size_t points = batch.point_count();
  if (points == 0) return {};
  if (!config_.queue.is_enabled) {
    books_.Came(points);
    return Tell(batch.throttle.get(), Export(batch));
  }
  const size_t bytes = batch.byte_size();
  const otlp::ClientPointer client = batch.client;
  const otlp::ThrottlePointer throttle = batch.throttle;
  return Tell(throttle.get(),
              Take({.cargo = {.batch = std::move(batch), .points = points, .client = client},
                    .points = points,
                    .bytes = bytes}));
}

void ExportQueue::Pass(PassedRequest request, Done done) {
  CHECK(request.signal == signal_);
  PassedAnswer answer;
  if (request.encoding == otlp::Encoding::kJson) answer.response = "{}";
  if (request.items == 0) return done(std::move(answer));
  Item item{.points = request.items, .bytes = request.bytes.size()};
  item.cargo = {.points = request.items,
                .bytes = std::move(request.bytes),
                .encoding = request.encoding,
                .client = std::move(request.client),
                .leases = std::move(request.leases)};
  Outcome outcome;
  if (config_.queue.is_enabled) {
    outcome = Take(std::move(item));
  } else {
    std::vector<Cargo> cargoes;
    cargoes.push_back(std::move(item.cargo));
    outcome = ExportAll(std::move(cargoes));
  }
  answer.status = std::move(outcome.status);
  answer.retry_after = outcome.retry_after;
  done(std::move(answer));
}

ExportQueue::Outcome ExportQueue::Take(Item item) {
  Waiter waiter;
  const size_t points = item.points;
  if (config_.queue.wait_for_result) item.waiter = &waiter;
  base::MutexLock lock(mutex_);
  base::Status status = Enqueue(std::move(item));
  if (!status.has_value()) {
    books_.NotQueued(points);
    return {.status = std::move(status)};
  }
  if (!config_.queue.wait_for_result) return {};
  while (!waiter.is_done) changed_.Wait(mutex_);
  return std::move(waiter.outcome);
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

base::Status ExportQueue::Enqueue(Item item) {
  item.size = SizeOf(item.points, item.bytes);
  if (config_.queue.batching.has_value()) {
    item.partition = config_.queue.batching->partition.PartitionOf(item.cargo.client.get());
  }
  RETURN_IF_ERROR(WaitForRoom(item.size));
  // Room is taken before the disk is written to without the lock.
  queued_ += item.size;
  if (log_ != nullptr) {
    mutex_.Unlock();
    const base::Result<uint64_t> id = Store(item);
    mutex_.Lock();
    if (!id.has_value()) {
      queued_ -= item.size;
      changed_.NotifyAll();
      return std::unexpected(id.error());
    }
    item.log_id = *id;
    item.cargo = {};
  }
  books_.Came(item.points);
  books_.Waiting(static_cast<int64_t>(item.points));
  books_.QueueSize(static_cast<int64_t>(item.size));
  queue_.push_back(std::move(item));
  not_empty_.NotifyAll();
  return {};
}

base::Result<uint64_t> ExportQueue::Store(const Item& item) {
  QueueEntry entry{.encoding = item.cargo.encoding, .client = item.cargo.client};
  entry.bytes =
      signal_ == Signal::kMetrics ? otlp::EncodeMetrics(item.cargo.batch) : item.cargo.bytes;
  return log_->Append(EncodeQueueEntry(entry), item.points);
}

void ExportQueue::Run() {
  for (;;) {
    std::vector<Item> items;
    {
      base::MutexLock lock(mutex_);
      items = TakeItems();
    }
    if (items.empty()) return;
    std::vector<Cargo> cargoes = Join(items);
    if (!items.empty()) Settle(items, ExportAll(std::move(cargoes)));
  }
}

std::deque<ExportQueue::Item>::iterator ExportQueue::NextItem() {
  auto next = queue_.begin();
  // One thread at a time waits for a batch to fill; the others wait for it.
  while (next != queue_.end() && gathered_.contains(next->partition)) ++next;
  return next;
}

std::vector<ExportQueue::Item> ExportQueue::TakeItems() {
  std::vector<Item> items;
  while (NextItem() == queue_.end() && !is_stopped_) not_empty_.Wait(mutex_);
  // What lies on disk waits there for the next start.
  if (queue_.empty() || (is_stopped_ && log_ != nullptr)) return items;
  if (NextItem() == queue_.end()) return items;  // Who gathers takes the rest.
  Pop(NextItem(), items);
  if (config_.queue.batching.has_value()) {
    const std::string partition = items[0].partition;
    gathered_.insert(partition);
    Gather(items);
    gathered_.erase(partition);
    not_empty_.NotifyAll();
  }
  return items;
}

void ExportQueue::Pop(std::deque<Item>::iterator from, std::vector<Item>& items) {
  items.push_back(std::move(*from));
  queue_.erase(from);
  queued_ -= items.back().size;
  books_.QueueSize(-static_cast<int64_t>(items.back().size));
  changed_.NotifyAll();
}

void ExportQueue::Gather(std::vector<Item>& items) {
  const QueueConfig::Batching& batching = *config_.queue.batching;
  const bool by_bytes = batching.sizer == QueueConfig::Batching::Sizer::kBytes;
  const auto weight = [&](const Item& item) { return by_bytes ? item.bytes : item.points; };
  const int64_t until_ns = clock_.MonotonicNs() + batching.flush_timeout.count();
  size_t total = weight(items[0]);
  while (total < batching.min_size) {
    const auto next = std::ranges::find(queue_, items[0].partition, &Item::partition);
    if (next != queue_.end()) {
      Pop(next, items);
      total += weight(items.back());
      continue;
    }
    const int64_t left_ns = until_ns - clock_.MonotonicNs();
    if (left_ns <= 0 || is_stopped_) return;
    not_empty_.WaitFor(mutex_, nanoseconds(left_ns));
  }
}

base::Result<ExportQueue::Cargo> ExportQueue::Load(const Item& item) const {
  ASSIGN_OR_RETURN(std::string bytes, log_->Read(item.log_id));
  ASSIGN_OR_RETURN(QueueEntry entry, DecodeQueueEntry(std::move(bytes)));
  Cargo cargo{.points = item.points, .encoding = entry.encoding, .client = entry.client};
  if (signal_ != Signal::kMetrics) {
    cargo.bytes = std::move(entry.bytes);
    return cargo;
  }
  ASSIGN_OR_RETURN(cargo.batch, otlp::DecodeMetrics(std::move(entry.bytes)));
  cargo.batch.client = cargo.client;
  return cargo;
}

// Metrics become one batch, requests of protobuf one request: its fields repeat, so that one behind
// the other is both. JSON goes one by one.
void ExportQueue::Join(Cargo cargo, std::vector<Cargo>& joined) const {
  const auto is_alike = [&](const Cargo& other) {
    return signal_ == Signal::kMetrics || (cargo.encoding == otlp::Encoding::kProtobuf &&
                                           other.encoding == otlp::Encoding::kProtobuf);
  };
  const auto into = std::ranges::find_if(joined, is_alike);
  if (into == joined.end()) return joined.push_back(std::move(cargo));
  into->batch.Append(std::move(cargo.batch));
  into->bytes += cargo.bytes;
  into->points += cargo.points;
  std::ranges::move(cargo.leases, std::back_inserter(into->leases));
  if (into->client == cargo.client) return;
  // Of several clients, only what is the same for the partition.
  into->client = config_.queue.batching->partition.Keep(into->client.get());
  into->batch.client = into->client;
}

std::vector<ExportQueue::Cargo> ExportQueue::Join(std::vector<Item>& items) {
  std::vector<Cargo> joined;
  std::vector<Item> unreadable;
  std::erase_if(items, [&](Item& item) {
    if (item.log_id == 0) {
      Join(std::move(item.cargo), joined);
      return false;
    }
    base::Result<Cargo> cargo = Load(item);
    if (!cargo.has_value()) {
      logger_.Error(
          "exporter", "A request on disk cannot be read. Dropping data.",
          {{"exporter", name_}, {"points", item.points}, {"error", cargo.error().message}});
      books_.Lost("unreadable", item.points);
      unreadable.push_back(std::move(item));
      return true;
    }
    Join(*std::move(cargo), joined);
    return false;
  });
  if (!unreadable.empty()) Settle(unreadable, {.status = Fail(Code::kDataLoss, "unreadable")});
  return joined;
}

void ExportQueue::Settle(std::vector<Item>& items, const Outcome& outcome) {
  for (Item& item : items) {
    const bool stays = outcome.is_interrupted && item.log_id != 0;
    if (!stays) books_.Waiting(-static_cast<int64_t>(item.points));
    if (!stays && item.log_id != 0) log_->Done(item.log_id);
    if (item.waiter == nullptr) continue;
    base::MutexLock lock(mutex_);
    item.waiter->outcome = outcome;
    item.waiter->is_done = true;
    changed_.NotifyAll();
  }
}

ExportQueue::Outcome ExportQueue::ExportAll(std::vector<Cargo> cargoes) {
  const size_t items_max =
      config_.queue.batching.has_value() ? config_.queue.batching->max_size : 0;
  Outcome result;
  for (Cargo& cargo : cargoes) {
    if (signal_ == Signal::kMetrics) {
      result.Add(ExportInParts(std::move(cargo.batch)));
      continue;
    }
    for (otlp::ItemsPart& part :
         CutRequest(std::move(cargo.bytes), cargo.encoding, cargo.points, items_max)) {
      result.Add(SendWithRetries({.bytes = transport_.Pack(std::move(part.bytes)),
                                  .points = part.items,
                                  .signal = signal_,
                                  .encoding = cargo.encoding,
                                  .client = cargo.client}));
    }
  }
  return result;
}

ExportQueue::Outcome ExportQueue::ExportInParts(otlp::Batch batch) {
  const auto& batching = config_.queue.batching;
  if (!batching.has_value() || batching->max_size == 0) return Export(batch);
  Outcome result;
  while (batch.point_count() > 0) {
    result.Add(Export(batch.TakeFirst(batching->max_size)));
  }
  return result;
}

ExportQueue::Outcome ExportQueue::Export(const otlp::Batch& batch) {
  Encoded encoded = transport_.Encode(batch);
  for (const Encoded::Loss& loss : encoded.losses) {
    books_.Lost(loss.reason, loss.points);
  }
  Outcome result;
  for (Payload& payload : encoded.payloads) {
    payload.client = batch.client;
    result.Add(SendWithRetries(payload));
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
    const base::Error error = otlp::MarkRetryable(attempt.status.error(), attempt.is_retryable);
    NoteHealth(/*is_failing=*/true, error.message);
    if (!attempt.is_retryable) return GiveUp(payload, error, attempt);
    // After Stop there is one more attempt for what was waiting, and none for what just failed.
    // What lies on disk can wait for the next start.
    const auto interrupted = [&]() -> Outcome {
      if (log_ == nullptr) return GiveUp(payload, error, attempt);
      return {.status = std::unexpected(error), .is_interrupted = true};
    };
    if (is_last) return interrupted();
    const auto delay =
        backoff.Next(nanoseconds(clock_.MonotonicNs() - began_ns), attempt.retry_after);
    if (!delay.has_value()) return GiveUp(payload, error, attempt);
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
  books_.Sent(payload.points - rejected);
  if (rejected > 0) books_.Lost("rejected_by_server", rejected);
  NoteHealth(/*is_failing=*/false, "");
}

ExportQueue::Outcome ExportQueue::GiveUp(const Payload& payload, const base::Error& error,
                                         const Attempt& attempt) {
  const size_t taken = attempt.is_retryable ? 0 : std::min(attempt.taken_points, payload.points);
  const size_t lost = payload.points - taken;
  if (taken > 0) books_.Sent(taken);
  if (lost > 0) books_.Lost("send_failed", lost);
  logger_.Error("exporter", "Exporting failed. Dropping data.",
                {{"exporter", name_}, {"points", lost}, {"error", error.message}});
  return {.status = std::unexpected(error), .retry_after = attempt.retry_after};
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
