#include "pipeline/export_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/testing/memory_file_system.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::pipeline {
namespace {

using base::Code;
using testing::HasSubstr;

// A server that answers as told and can be stopped in the middle of an answer. Thread-safe.
class FakeTransport final : public Transport {
 public:
  Encoded Encode(const otlp::Batch& batch) override {
    return {.payloads = {{.bytes = "x", .points = batch.point_count()}}};
  }
  Attempt Send(const Payload& payload, std::chrono::milliseconds) override {
    base::MutexLock lock(mutex_);
    ++attempts_;
    changed_.NotifyAll();
    while (is_held_) changed_.Wait(mutex_);
    if (failures_ > 0) {
      --failures_;
      return failure_;
    }
    points_ += payload.points;
    return {.rejected_points = rejected_};
  }

  void Fail(int times, Attempt failure) {
    base::MutexLock lock(mutex_);
    failures_ = times;
    failure_ = std::move(failure);
  }
  void Reject(size_t points) {
    base::MutexLock lock(mutex_);
    rejected_ = points;
  }
  void Hold(bool is_held) {
    base::MutexLock lock(mutex_);
    is_held_ = is_held;
    changed_.NotifyAll();
  }
  void WaitForAttempts(int attempts) {
    base::MutexLock lock(mutex_);
    while (attempts_ < attempts) changed_.Wait(mutex_);
  }
  int attempts() {
    base::MutexLock lock(mutex_);
    return attempts_;
  }
  size_t points() {
    base::MutexLock lock(mutex_);
    return points_;
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  int attempts_ GUARDED_BY(mutex_) = 0;
  int failures_ GUARDED_BY(mutex_) = 0;
  Attempt failure_ GUARDED_BY(mutex_);
  size_t rejected_ GUARDED_BY(mutex_) = 0;
  size_t points_ GUARDED_BY(mutex_) = 0;
  bool is_held_ GUARDED_BY(mutex_) = false;
};

Attempt Retryable() {
  return {.status = base::Fail(Code::kUnavailable, "down"), .is_retryable = true};
}
constexpr int kAlways = 1'000'000;

class ExportQueueTest : public testing::Test {
 protected:
  ExportQueue& Make(std::string_view yaml) {
    const config::Node node = *config::ParseYaml(yaml, "test.yaml");
    const ComponentId id{"exporter", ""};
    config::MapReader reader(node, diagnostics_);
    SendingConfig config;
    ReadSendingConfig(reader, {id, node, diagnostics_, host_.host()}, config);
    reader.Finish();
    queue_ = std::make_unique<ExportQueue>(config, "exporter", host_.host(), transport_);
    EXPECT_TRUE(queue_->Start().has_value());
    return *queue_;
  }
  std::string Errors(std::string_view yaml) {
    diagnostics_ = config::Diagnostics("test.yaml");
    Make(yaml);
    const base::Status status = diagnostics_.ToStatus();
    return status.has_value() ? "" : status.error().message;
  }
  base::Status Consume(size_t points) { return queue_->Consume(GaugeBatch(points)); }
  int64_t Sent() { return host_.Count("otelcol_exporter_sent_metric_points"); }
  int64_t Failed() { return host_.Count("otelcol_exporter_send_failed_metric_points"); }
  // Moves the clock until so many attempts have been made.
  void AdvanceUntilAttempts(int attempts) {
    while (transport_.attempts() < attempts) host_.clock().AdvanceMs(1);
  }

  TestHost host_;
  FakeTransport transport_;
  config::Diagnostics diagnostics_{"test.yaml"};
  std::unique_ptr<ExportQueue> queue_;
};

TEST_F(ExportQueueTest, SendsWhatItTakes) {
  Make("");
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Consume(3).has_value());
  queue_->Stop();
  EXPECT_EQ(transport_.points(), 60u);
  EXPECT_EQ(Sent(), 60);
  EXPECT_EQ(host_.Imbalance(), 0);
  EXPECT_EQ(host_.Count("otelcol_exporter_queue_size"), 0);
  EXPECT_EQ(host_.Count("otelcol_exporter_queue_capacity"), 1000);
}

TEST_F(ExportQueueTest, TriesAgain) {
  Make("retry_on_failure: {initial_interval: 1ms, max_elapsed_time: 0s}");
  transport_.Fail(3, Retryable());
  ASSERT_TRUE(Consume(3).has_value());
  AdvanceUntilAttempts(4);
  queue_->Stop();
  EXPECT_EQ(Sent(), 3);
  EXPECT_EQ(Failed(), 0);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(ExportQueueTest, GivesUpOnWhatIsFinal) {
  Make("");
  transport_.Fail(1, {.status = base::Fail(Code::kInvalidArgument, "bad data")});
  ASSERT_TRUE(Consume(3).has_value());
  queue_->Stop();
  EXPECT_EQ(transport_.attempts(), 1);
  EXPECT_EQ(Failed(), 3);
  EXPECT_EQ(host_.Count("narthex_points_lost", "send_failed"), 3);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(ExportQueueTest, GivesUpWhenTheTimeIsOver) {
  Make(
      "retry_on_failure: {initial_interval: 1s, max_elapsed_time: 1s, randomization_factor: 0}\n"
      "sending_queue: {enabled: false}");
  Attempt failure = Retryable();
  failure.retry_after = std::chrono::seconds(2);
  transport_.Fail(kAlways, failure);
  EXPECT_EQ(Consume(3).error().code, Code::kUnavailable);
  EXPECT_EQ(transport_.attempts(), 1);
}

TEST_F(ExportQueueTest, RefusesWhenItIsFull) {
  Make("sending_queue: {num_consumers: 1, queue_size: 2}");
  transport_.Hold(true);
  ASSERT_TRUE(Consume(1).has_value());
  transport_.WaitForAttempts(1);  // The only consumer is busy now.
  ASSERT_TRUE(Consume(1).has_value());
  ASSERT_TRUE(Consume(1).has_value());
  EXPECT_EQ(host_.Count("otelcol_exporter_queue_size"), 2);
  const base::Status status = Consume(5);
  EXPECT_EQ(status.error().code, Code::kResourceExhausted);
  EXPECT_EQ(status.error().message, "sending queue is full");
  EXPECT_EQ(host_.Count("otelcol_exporter_enqueue_failed_metric_points"), 5);
  transport_.Hold(false);
  queue_->Stop();
  EXPECT_EQ(Sent(), 3);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(ExportQueueTest, BlocksOnOverflowWhereItIsToldTo) {
  Make("sending_queue: {num_consumers: 1, queue_size: 1, block_on_overflow: true}");
  transport_.Hold(true);
  ASSERT_TRUE(Consume(1).has_value());
  transport_.WaitForAttempts(1);
  ASSERT_TRUE(Consume(1).has_value());
  std::thread blocked([&] { EXPECT_TRUE(Consume(1).has_value()); });
  transport_.Hold(false);
  blocked.join();
  queue_->Stop();
  EXPECT_EQ(Sent(), 3);
}

TEST_F(ExportQueueTest, CountsItsSizeInItems) {
  Make("sending_queue: {num_consumers: 1, queue_size: 10, sizer: items}");
  transport_.Hold(true);
  ASSERT_TRUE(Consume(1).has_value());
  transport_.WaitForAttempts(1);
  EXPECT_TRUE(Consume(8).has_value());
  EXPECT_EQ(Consume(3).error().code, Code::kResourceExhausted);
  EXPECT_EQ(Consume(11).error().code, Code::kInvalidArgument);
  transport_.Hold(false);
}

TEST_F(ExportQueueTest, TellsTheResultWhereAsked) {
  Make("sending_queue: {wait_for_result: true}\nretry_on_failure: {enabled: false}");
  EXPECT_TRUE(Consume(3).has_value());
  transport_.Fail(1, Retryable());
  EXPECT_EQ(Consume(3).error().message, "down");
}

TEST_F(ExportQueueTest, ADelayThatTheServerAsksForReachesWhoWaitsForTheResult) {
  Attempt busy = Retryable();
  busy.retry_after = std::chrono::seconds(9);
  for (const char* const queue : {"{enabled: false}", "{wait_for_result: true}",
                                  "{wait_for_result: true, batch: {min_size: 1}}"}) {
    SCOPED_TRACE(queue);
    Make(fmt::format("sending_queue: {}\nretry_on_failure: {{enabled: false}}", queue));
    transport_.Fail(1, busy);
    const auto ask = [&] {
      otlp::Batch batch = GaugeBatch(3);
      const auto throttle = batch.throttle = std::make_shared<otlp::Throttle>();
      (void)queue_->Consume(std::move(batch));
      return throttle->delay();
    };
    EXPECT_EQ(ask(), std::chrono::seconds(9));
    EXPECT_EQ(ask(), std::chrono::seconds(0)) << "it succeeds";
  }
}

TEST_F(ExportQueueTest, StopDrainsWithOneAttemptEach) {
  Make("sending_queue: {num_consumers: 1}");
  transport_.Hold(true);
  transport_.Fail(kAlways, Retryable());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Consume(1).has_value());
  std::thread stopping([&] { queue_->Stop(); });
  for (base::Status status; status.has_value() || status.error().code != Code::kUnavailable;) {
    status = Consume(1);
  }
  const int64_t taken = host_.Count("narthex_points_in");
  transport_.Hold(false);
  stopping.join();
  EXPECT_EQ(transport_.attempts(), taken);
  EXPECT_EQ(Failed(), taken);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(ExportQueueTest, StopEndsAPauseWithALastAttempt) {
  Make("");
  transport_.Fail(1, Retryable());
  ASSERT_TRUE(Consume(3).has_value());
  transport_.WaitForAttempts(1);
  queue_->Stop();
  EXPECT_EQ(Sent() + Failed(), 3);
  EXPECT_EQ(host_.Imbalance(), 0);
  EXPECT_EQ(Consume(1).error().code, Code::kUnavailable);
}

TEST_F(ExportQueueTest, CountsWhatTheServerRejects) {
  Make("");
  transport_.Reject(2);
  ASSERT_TRUE(Consume(3).has_value());
  queue_->Stop();
  EXPECT_EQ(Sent(), 1);
  EXPECT_EQ(Failed(), 2);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(ExportQueueTest, JoinsRequestsUntilThereAreEnough) {
  Make("sending_queue: {batch: {min_size: 10, flush_timeout: 1h}, num_consumers: 3}");
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(Consume(3).has_value());
  transport_.WaitForAttempts(1);
  ASSERT_TRUE(Consume(3).has_value());
  queue_->Stop();
  EXPECT_EQ(transport_.attempts(), 2);
  EXPECT_EQ(Sent(), 15);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(ExportQueueTest, JoinedRequestsWaitNoLongerThanTheTimeout) {
  Make("sending_queue: {batch: {flush_timeout: 1ms}}");
  ASSERT_TRUE(Consume(3).has_value());
  AdvanceUntilAttempts(1);
  queue_->Stop();
  EXPECT_EQ(Sent(), 3);
}

TEST_F(ExportQueueTest, JoinedRequestsAreCut) {
  Make("sending_queue: {batch: {min_size: 4, max_size: 4, flush_timeout: 1h}}");
  ASSERT_TRUE(Consume(11).has_value());
  queue_->Stop();
  EXPECT_EQ(transport_.attempts(), 3);
  EXPECT_EQ(Sent(), 11);
}

// Keeps a queue in a file system of the test's.
class FakeStorage final : public StorageExtension {
 public:
  base::Status Start() override { return {}; }
  void Stop() override {}
  base::Result<std::unique_ptr<QueueLog>> OpenQueue(const std::string& client) override {
    return QueueLog::Open(files, {.directory = client}, base::NullLogger());
  }
  base::MemoryFileSystem files;
};

class StoredQueueTest : public ExportQueueTest {
 protected:
  void MakeStored(SendingConfig config = {}) {
    config.queue.storage = &storage_;
    config.retry.initial_interval = std::chrono::milliseconds(1);
    config.retry.max_elapsed_time = std::chrono::nanoseconds(0);
    queue_ = std::make_unique<ExportQueue>(config, "exporter", host_.host(), transport_);
    ASSERT_TRUE(queue_->Start().has_value());
  }
  FakeStorage storage_;
};

TEST_F(StoredQueueTest, WhatStopsInTheMiddleGoesOnAfterwards) {
  transport_.Fail(kAlways, Retryable());
  MakeStored();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Consume(3).has_value());
  transport_.WaitForAttempts(5);
  queue_->Stop();
  EXPECT_EQ(Sent() + Failed(), 0);
  EXPECT_EQ(host_.Count("narthex_points_waiting"), 60);
  EXPECT_EQ(host_.Imbalance(), 0);
  transport_.Fail(0, {});
  const int before = transport_.attempts();
  MakeStored();
  transport_.WaitForAttempts(before + 20);
  queue_->Stop();
  EXPECT_EQ(Sent(), 60);
  MakeStored();
  queue_->Stop();
  EXPECT_EQ(transport_.points(), 60u);
}

TEST_F(StoredQueueTest, WhatIsRefusedForGoodDoesNotComeAgain) {
  transport_.Fail(kAlways, {.status = base::Fail(Code::kInvalidArgument, "bad")});
  MakeStored();
  ASSERT_TRUE(Consume(3).has_value());
  transport_.WaitForAttempts(1);
  queue_->Stop();
  EXPECT_EQ(Failed(), 3);
  MakeStored();
  queue_->Stop();
  EXPECT_EQ(transport_.attempts(), 1);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(StoredQueueTest, AFullDiskRefusesForNow) {
  MakeStored();
  transport_.Hold(true);
  storage_.files.SetPlan([](const base::MemoryFileSystem::Call& call) {
    return call.operation == "append" ? base::MemoryFileSystem::Fate::kFail
                                      : base::MemoryFileSystem::Fate::kSucceed;
  });
  EXPECT_EQ(Consume(3).error().code, Code::kResourceExhausted);
  storage_.files.SetPlan(nullptr);
  EXPECT_TRUE(Consume(3).has_value());
  transport_.Hold(false);
  transport_.WaitForAttempts(1);
  queue_->Stop();
  EXPECT_EQ(transport_.points(), 3u);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(ExportQueueTest, MistakesInItsConfiguration) {
  EXPECT_THAT(Errors("sending_queue: {num_consumers: 0}"),
              HasSubstr("test.yaml:1:32: num_consumers: must be positive"));
  EXPECT_THAT(Errors("sending_queue: {sizer: metrics}"), HasSubstr("requests, items or bytes"));
  EXPECT_THAT(Errors("sending_queue: {storage: file_storage}"),
              HasSubstr("test.yaml:1:26: storage: references extension \"file_storage\""));
  EXPECT_THAT(Errors("sending_queue: {batch: {min_size: 5, max_size: 4}}"),
              HasSubstr("must be greater or equal to min_size"));
  EXPECT_THAT(Errors("sending_queue: {batch: {sizer: requests}}"), HasSubstr("items or bytes"));
  EXPECT_THAT(Errors("sending_queue: {queue_sise: 1}"), HasSubstr("did you mean"));
  EXPECT_THAT(Errors("retry_on_failure: {randomization_factor: 2}"), HasSubstr("within [0, 1]"));
  EXPECT_THAT(Errors("retry_on_failure: {max_elapsed_time: 1s}"), HasSubstr("initial_interval"));
  EXPECT_THAT(Errors("timeout: -1s"), HasSubstr("must be non-negative"));
  EXPECT_EQ(Errors("timeout: 7s\nretry_on_failure: {max_elapsed_time: 0s}"), "");
}

}  // namespace
}  // namespace narthex::pipeline
