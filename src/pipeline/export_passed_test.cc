#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "base/testing/memory_file_system.h"
#include "pipeline/export_queue.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

// Queues of what is passed on as it came, and whose data it is.

namespace narthex::pipeline {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

// Keeps what it is given, or fails for now. Thread-safe.
class RecordingTransport final : public Transport {
 public:
  Encoded Encode(const otlp::Batch& batch) override {
    return {.payloads = {{.bytes = "metrics", .points = batch.point_count()}}};
  }
  std::string Pack(std::string bytes) override { return "<" + bytes + ">"; }
  Attempt Send(const Payload& payload, std::chrono::milliseconds) override {
    base::MutexLock lock(mutex_);
    if (is_down_) {
      return {.status = base::Fail(base::Code::kUnavailable, "down"),
              .is_retryable = true,
              .retry_after = std::chrono::seconds(9)};
    }
    sent_.push_back(payload);
    return {};
  }
  void Down(bool is_down) {
    base::MutexLock lock(mutex_);
    is_down_ = is_down;
  }
  // "tenant:bytes" of each, in the order of arrival.
  std::vector<std::string> sent() {
    base::MutexLock lock(mutex_);
    std::vector<std::string> out;
    for (const Payload& payload : sent_) {
      const auto tenant = payload.client != nullptr ? payload.client->Metadata("x-tenant")
                                                    : std::span<const std::string>();
      out.push_back((tenant.empty() ? "" : tenant[0]) + ":" + payload.bytes);
    }
    return out;
  }
  Payload Last() {
    base::MutexLock lock(mutex_);
    return sent_.at(sent_.size() - 1);
  }

 private:
  base::Mutex mutex_;
  std::vector<Payload> sent_ GUARDED_BY(mutex_);
  bool is_down_ GUARDED_BY(mutex_) = false;
};

class MemoryStorage final : public StorageExtension {
 public:
  base::Status Start() override { return {}; }
  void Stop() override {}
  base::Result<std::unique_ptr<QueueLog>> OpenQueue(const std::string& client) override {
    return QueueLog::Open(files, {.directory = client}, base::NullLogger());
  }
  base::MemoryFileSystem files;
};

otlp::ClientPointer Tenant(std::string_view name) {
  otlp::ClientInfo client;
  client.AddMetadata("X-Tenant", name);
  client.AddMetadata("other", name);
  return std::make_shared<const otlp::ClientInfo>(std::move(client));
}

class PassedQueueTest : public testing::Test {
 protected:
  void Make(std::string_view yaml, Signal signal, StorageExtension* storage = nullptr) {
    const config::Node node = *config::ParseYaml(yaml, "test.yaml");
    const ComponentId id{"exporter", ""};
    config::MapReader reader(node, diagnostics_);
    SendingConfig config;
    ReadSendingConfig(reader, {id, node, diagnostics_, host_.host()}, config);
    reader.Finish();
    EXPECT_TRUE(diagnostics_.ok()) << diagnostics_.ToStatus().error().message;
    config.queue.storage = storage;
    queue_ = std::make_unique<ExportQueue>(config, "exporter", host_.host(), transport_, signal,
                                           /*takes_json=*/true);
    ASSERT_TRUE(queue_->Start().has_value());
  }
  PassedAnswer Pass(std::string bytes, size_t items, otlp::ClientPointer client = nullptr,
                    otlp::Encoding encoding = otlp::Encoding::kProtobuf) {
    PassedAnswer answer;
    queue_->Pass({.signal = Signal::kTraces,
                  .encoding = encoding,
                  .bytes = std::move(bytes),
                  .items = items,
                  .client = std::move(client)},
                 [&](PassedAnswer given) { answer = std::move(given); });
    return answer;
  }

  TestHost host_;
  RecordingTransport transport_;
  MemoryStorage storage_;
  config::Diagnostics diagnostics_{"test.yaml"};
  std::unique_ptr<ExportQueue> queue_;
};

TEST_F(PassedQueueTest, RequestsLeaveAsTheyCame) {
  Make("sending_queue: {num_consumers: 1}", Signal::kTraces);
  EXPECT_TRUE(Pass("a", 2, Tenant("shop")).status.has_value());
  EXPECT_EQ(Pass("b", 3, nullptr, otlp::Encoding::kJson).response, "{}");
  queue_->Stop();
  EXPECT_THAT(transport_.sent(), ElementsAre("shop:<a>", ":<b>"));
  EXPECT_EQ(transport_.Last().encoding, otlp::Encoding::kJson);
  EXPECT_EQ(transport_.Last().signal, Signal::kTraces);
  EXPECT_EQ(host_.Count("otelcol_exporter_sent_spans"), 5);
  EXPECT_EQ(host_.Count("otelcol_exporter_sent_metric_points"), 0);
  EXPECT_EQ(host_.Count("otelcol_exporter_queue_size", "traces"), 0);
  EXPECT_EQ(host_.Count("otelcol_exporter_queue_capacity", "traces"), 1000);
}

TEST_F(PassedQueueTest, AFullQueueRefusesForNow) {
  transport_.Down(true);
  Make("sending_queue: {num_consumers: 1, queue_size: 10, sizer: items}", Signal::kTraces);
  size_t taken = 0;
  while (Pass("a", 4).status.has_value()) ++taken;
  EXPECT_GE(taken, 2u);
  EXPECT_EQ(Pass("a", 4).status.error().code, base::Code::kResourceExhausted);
  EXPECT_GE(host_.Count("otelcol_exporter_enqueue_failed_spans"), 8);
}

TEST_F(PassedQueueTest, ADelayThatTheServerAsksForIsInTheAnswer) {
  for (const char* const queue : {"{enabled: false}", "{wait_for_result: true}"}) {
    Make(fmt::format("{{sending_queue: {}, retry_on_failure: {{enabled: false}}}}", queue),
         Signal::kTraces);
    transport_.Down(true);
    EXPECT_EQ(Pass("a", 1).retry_after, std::chrono::seconds(9)) << queue;
    transport_.Down(false);
    EXPECT_EQ(Pass("a", 1).retry_after, std::chrono::seconds(0)) << queue;
  }
}

TEST_F(PassedQueueTest, SizesInBytesAreThoseOfTheRequests) {
  Make("sending_queue: {queue_size: 10, sizer: bytes}", Signal::kTraces);
  EXPECT_TRUE(Pass("0123456789", 1).status.has_value());
  EXPECT_EQ(Pass("01234567890", 1).status.error().code, base::Code::kInvalidArgument);
}

TEST_F(PassedQueueTest, RequestsOfProtobufAreJoinedAndJsonIsNot) {
  Make("sending_queue: {num_consumers: 1, batch: {min_size: 4, flush_timeout: 1h}}",
       Signal::kTraces);
  EXPECT_TRUE(Pass("a", 1).status.has_value());
  EXPECT_TRUE(Pass("{}", 1, nullptr, otlp::Encoding::kJson).status.has_value());
  EXPECT_TRUE(Pass("b", 1).status.has_value());
  EXPECT_TRUE(Pass("c", 1).status.has_value());
  queue_->Stop();
  EXPECT_THAT(transport_.sent(), UnorderedElementsAre(":<abc>", ":<{}>"));
  EXPECT_EQ(host_.Count("otelcol_exporter_sent_spans"), 4);
}

// An Export…ServiceRequest of that many items.
std::string Items(size_t items) {
  otlp::Writer writer;
  const auto resource = writer.Begin(1), scope = writer.Begin(2);
  for (size_t i = 0; i < items; ++i) writer.Bytes(2, "");
  writer.End(scope);
  writer.End(resource);
  return writer.Take();
}

TEST_F(PassedQueueTest, WhatIsLargerThanMaxSizeIsCut) {
  Make("sending_queue: {num_consumers: 1, batch: {min_size: 2, max_size: 2, flush_timeout: 1ms}}",
       Signal::kTraces);
  EXPECT_TRUE(Pass(Items(5), 5).status.has_value());
  EXPECT_TRUE(Pass(Items(2), 2).status.has_value());
  EXPECT_TRUE(Pass("[1, 2, 3]", 3, nullptr, otlp::Encoding::kJson).status.has_value());
  const std::string json = R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[1,2,3]}]}]})";
  EXPECT_TRUE(Pass(json, 3, nullptr, otlp::Encoding::kJson).status.has_value());
  queue_->Stop();
  const std::string two = ":<" + Items(2) + ">", one = ":<" + Items(1) + ">";
  EXPECT_THAT(transport_.sent(),
              UnorderedElementsAre(two, two, one, two, ":<[1, 2, 3]>",
                                   R"(:<{"resourceLogs":[{"scopeLogs":[{"logRecords":[1,2]}]}]}>)",
                                   R"(:<{"resourceLogs":[{"scopeLogs":[{"logRecords":[3]}]}]}>)"));
  EXPECT_EQ(host_.Count("otelcol_exporter_sent_spans"), 13);
}

TEST_F(PassedQueueTest, WhoCountsWhatIsHeldIsToldWhenItHasGone) {
  Make("sending_queue: {num_consumers: 1, batch: {min_size: 3, flush_timeout: 1h}}",
       Signal::kTraces);
  const auto lease = std::make_shared<const int>(0);
  for (int i = 0; i < 2; ++i) {
    queue_->Pass({.signal = Signal::kTraces, .bytes = "a", .items = 1, .leases = {lease}},
                 [](const PassedAnswer&) {});
  }
  EXPECT_EQ(lease.use_count(), 3) << "waiting for the third";
  queue_->Stop();
  EXPECT_THAT(transport_.sent(), ElementsAre(":<aa>"));
  EXPECT_EQ(lease.use_count(), 1);
  Make("", Signal::kTraces, &storage_);
  transport_.Down(true);
  queue_->Pass({.signal = Signal::kTraces, .bytes = "a", .items = 1, .leases = {lease}},
               [](const PassedAnswer&) {});
  EXPECT_EQ(lease.use_count(), 1) << "what lies on disk takes no memory";
}

TEST_F(PassedQueueTest, ClientsThatDifferInTheKeysAreNotJoined) {
  Make(
      "sending_queue: {num_consumers: 3, batch: {min_size: 4, flush_timeout: 1h, "
      "partition: {metadata_keys: [X-Tenant]}}}",
      Signal::kTraces);
  for (const char* tenant : {"shop", "bank", "shop", "bank"}) {
    EXPECT_TRUE(Pass("a", 1, Tenant(tenant)).status.has_value());
  }
  queue_->Stop();
  EXPECT_THAT(transport_.sent(), UnorderedElementsAre("shop:<aa>", "bank:<aa>"));
  EXPECT_TRUE(transport_.Last().client->Metadata("other").empty()) << "only the keys are kept";
}

TEST_F(PassedQueueTest, WithoutKeysTheJoinedBelongToNobody) {
  Make("sending_queue: {num_consumers: 1, batch: {min_size: 2, flush_timeout: 1h}}",
       Signal::kTraces);
  EXPECT_TRUE(Pass("a", 1, Tenant("shop")).status.has_value());
  EXPECT_TRUE(Pass("a", 1, Tenant("bank")).status.has_value());
  queue_->Stop();
  EXPECT_THAT(transport_.sent(), ElementsAre(":<aa>"));
}

TEST_F(PassedQueueTest, AQueueOnDiskKeepsRequestsAndTheirMetadata) {
  transport_.Down(true);
  constexpr std::string_view kRetry = "retry_on_failure: {initial_interval: 1ms}\n";
  Make(kRetry, Signal::kTraces, &storage_);
  EXPECT_TRUE(Pass("a", 2, Tenant("shop")).status.has_value());
  EXPECT_TRUE(Pass("b", 3, nullptr, otlp::Encoding::kJson).status.has_value());
  queue_->Stop();
  EXPECT_THAT(transport_.sent(), ElementsAre());
  transport_.Down(false);
  Make(
      "sending_queue: {batch: {min_size: 5, flush_timeout: 1h, partition: {metadata_keys: "
      "[x-tenant]}}}",
      Signal::kTraces, &storage_);
  EXPECT_TRUE(Pass("c", 3, Tenant("shop")).status.has_value());
  while (std::ranges::count(transport_.sent(), "shop:<ac>") == 0) std::this_thread::yield();
  queue_->Stop();
  EXPECT_THAT(transport_.sent(), testing::Contains("shop:<ac>"));
  EXPECT_THAT(transport_.sent(), testing::Not(testing::Contains(testing::HasSubstr("abc"))));
}

TEST_F(PassedQueueTest, SignalsHaveQueuesOfTheirOwn) {
  transport_.Down(true);
  Make("", Signal::kTraces, &storage_);
  EXPECT_TRUE(Pass("a", 2).status.has_value());
  queue_->Stop();
  transport_.Down(false);
  Make("", Signal::kLogs, &storage_);
  queue_->Stop();
  Make("", Signal::kMetrics, &storage_);
  queue_->Stop();
  EXPECT_THAT(transport_.sent(), ElementsAre());
}

TEST_F(PassedQueueTest, MetricsOnDiskKeepTheirMetadata) {
  transport_.Down(true);
  Make("", Signal::kMetrics, &storage_);
  otlp::Batch batch = GaugeBatch(1);
  batch.client = Tenant("shop");
  ASSERT_TRUE(queue_->Consume(std::move(batch)).has_value());
  queue_->Stop();
  transport_.Down(false);
  Make("", Signal::kMetrics, &storage_);
  while (transport_.sent().empty()) std::this_thread::yield();
  queue_->Stop();
  EXPECT_THAT(transport_.sent(), ElementsAre("shop:metrics"));
  EXPECT_EQ(host_.Imbalance(), 0);
}

}  // namespace
}  // namespace narthex::pipeline
