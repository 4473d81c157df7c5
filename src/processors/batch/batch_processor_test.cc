#include "processors/batch/batch_processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <thread>
#include <vector>

#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::processors {
namespace {

using pipeline::GaugeBatch;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Le;

class BatchProcessorTest : public testing::Test {
 protected:
  void Make(std::string_view yaml, bool start = true) {
    processor_ = host_.Make(&BatchProcessor::Create, yaml, next_);
    EXPECT_EQ(host_.errors(), "");
    if (start) {
      ASSERT_TRUE(processor_->Start().has_value());
    }
  }
  bool Consume(size_t points) { return processor_->Consume(GaugeBatch(points)).has_value(); }
  static otlp::ClientPointer Tenant(std::string_view name) {
    otlp::ClientInfo client{.address = "10.0.0.1"};
    client.AddMetadata("x-tenant", name);
    client.AddMetadata("other", "1");
    return std::make_shared<const otlp::ClientInfo>(std::move(client));
  }
  bool ConsumeOf(std::string_view tenant, size_t points) {
    otlp::Batch batch = GaugeBatch(points);
    batch.client = Tenant(tenant);
    return processor_->Consume(std::move(batch)).has_value();
  }

  pipeline::TestHost host_;
  pipeline::FakeConsumer next_;
  std::unique_ptr<pipeline::Processor> processor_;
};

TEST_F(BatchProcessorTest, SendsWhenThereIsEnough) {
  Make("send_batch_size: 10\ntimeout: 1h");
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(Consume(3));
  ASSERT_TRUE(next_.WaitForPoints(12));
  EXPECT_THAT(next_.sizes(), ElementsAre(12));
  EXPECT_EQ(host_.Count("otelcol_processor_batch_batch_size_trigger_send"), 1);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(BatchProcessorTest, SendsWhatHasWaitedLongEnough) {
  Make("timeout: 1ms");
  ASSERT_TRUE(Consume(3));
  host_.clock().AdvanceMs(1);
  ASSERT_TRUE(next_.WaitForPoints(3));
  processor_->Stop();
  EXPECT_EQ(host_.Count("otelcol_processor_batch_timeout_trigger_send"), 1);
}

TEST_F(BatchProcessorTest, NoTimeoutSendsAtOnce) {
  Make("timeout: 0s");
  ASSERT_TRUE(Consume(3));
  ASSERT_TRUE(next_.WaitForPoints(3));
}

TEST_F(BatchProcessorTest, SplitsWhatIsTooLarge) {
  Make("send_batch_size: 4\nsend_batch_max_size: 4\ntimeout: 1h");
  ASSERT_TRUE(Consume(11));
  processor_->Stop();
  EXPECT_THAT(next_.sizes(), ElementsAre(4, 4, 3));
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(BatchProcessorTest, StopSendsWhatIsWaiting) {
  Make("timeout: 1h");
  ASSERT_TRUE(Consume(3));
  EXPECT_EQ(host_.Count("narthex_points_waiting"), 3);
  processor_->Stop();
  EXPECT_EQ(next_.point_count(), 3u);
  EXPECT_EQ(host_.Count("narthex_points_waiting"), 0);
  EXPECT_EQ(host_.Count("narthex_points_out"), 3);
  EXPECT_FALSE(Consume(1));
}

TEST_F(BatchProcessorTest, SendersWaitForTheResultWhenAsked) {
  Make("send_batch_size: 10\ntimeout: 1h\nwait_for_result: true", /*start=*/false);
  std::atomic<int> answers{0};
  std::vector<std::jthread> senders;
  for (const size_t points : {3, 4, 3}) {
    senders.emplace_back([&, points] {
      EXPECT_TRUE(Consume(points));
      ++answers;
    });
  }
  while (host_.Count("narthex_points_waiting") < 10) std::this_thread::yield();
  EXPECT_EQ(answers, 0);
  EXPECT_EQ(next_.point_count(), 0u);
  ASSERT_TRUE(processor_->Start().has_value());
  senders.clear();
  EXPECT_THAT(next_.sizes(), ElementsAre(10));
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(BatchProcessorTest, WaitingSendersHaveTheAnswerOfTheNextStage) {
  Make("timeout: 0s\nwait_for_result: true");
  next_.FailWith(base::Error{base::Code::kUnavailable, "later"}, std::chrono::seconds(7));
  otlp::Batch batch = GaugeBatch(3);
  const auto throttle = batch.throttle = std::make_shared<otlp::Throttle>();
  const base::Status status = processor_->Consume(std::move(batch));
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, base::Code::kUnavailable);
  EXPECT_EQ(status.error().message, "later");
  EXPECT_EQ(throttle->delay(), std::chrono::seconds(7));
  EXPECT_EQ(host_.Count("narthex_points_lost", "refused_to_sender"), 3);
  next_.FailWith(std::nullopt);
  EXPECT_TRUE(Consume(3));
  EXPECT_EQ(next_.point_count(), 3u);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(BatchProcessorTest, WhoWaitsForSeveralBatchesHearsOfTheOneThatWasRefused) {
  // The first part is taken, the rest is not.
  class TakesOne final : public pipeline::Consumer {
   public:
    base::Status Consume(otlp::Batch) override {
      if (++calls_ == 2) return base::Fail(base::Code::kInvalidArgument, "not this one");
      return {};
    }

   private:
    int calls_ = 0;
  } next;
  processor_ = host_.Make(
      &BatchProcessor::Create,
      "send_batch_size: 4\nsend_batch_max_size: 4\ntimeout: 0s\nwait_for_result: true", next);
  ASSERT_TRUE(processor_->Start().has_value());
  const base::Status status = processor_->Consume(GaugeBatch(11));
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().message, "not this one");
  EXPECT_TRUE(Consume(3));
}

TEST_F(BatchProcessorTest, StopAnswersWhoWaits) {
  Make("timeout: 1h\nwait_for_result: true");
  std::jthread sender([&] { EXPECT_TRUE(Consume(3)); });
  while (host_.Count("narthex_points_waiting") < 3) std::this_thread::yield();
  processor_->Stop();
  sender.join();
  EXPECT_EQ(next_.point_count(), 3u);
}

TEST_F(BatchProcessorTest, RefusesWhenTheNextStageDoesNotKeepUp) {
  Make("timeout: 1h", /*start=*/false);  // Nothing takes anything away.
  size_t taken = 0;
  while (Consume(1000)) taken += 1000;
  EXPECT_EQ(taken, 66'000u);
  const base::Status status = processor_->Consume(GaugeBatch(1));
  EXPECT_EQ(status.error().code, base::Code::kUnavailable);
  ASSERT_TRUE(processor_->Start().has_value());
  ASSERT_TRUE(next_.WaitForPoints(taken));
  EXPECT_TRUE(Consume(1));
}

TEST_F(BatchProcessorTest, WaitsForTheNextStageThatIsALittleBehind) {
  Make("timeout: 1h", /*start=*/false);
  ASSERT_TRUE(Consume(70'000));
  std::jthread late([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_TRUE(processor_->Start().has_value());
  });
  EXPECT_TRUE(Consume(1));
}

TEST_F(BatchProcessorTest, AStopEndsTheWait) {
  Make("timeout: 1h", /*start=*/false);
  ASSERT_TRUE(Consume(70'000));
  std::jthread late([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    processor_->Stop();
  });
  EXPECT_THAT(processor_->Consume(GaugeBatch(1)).error().message, HasSubstr("stopped"));
}

TEST_F(BatchProcessorTest, WhatTheNextStageRefusesIsCounted) {
  Make("timeout: 1h");
  next_.FailWith(base::Error{base::Code::kUnavailable, "down"});
  ASSERT_TRUE(Consume(3));
  processor_->Stop();
  EXPECT_EQ(host_.Count("narthex_points_lost", "refused_downstream"), 3);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(BatchProcessorTest, OffersAgainWhatIsRefusedForNow) {
  Make("timeout: 0s");
  next_.FailWith(base::Error{base::Code::kUnavailable, "down"});
  ASSERT_TRUE(Consume(3));
  next_.FailWith(std::nullopt);
  EXPECT_TRUE(next_.WaitForPoints(3));
}

TEST_F(BatchProcessorTest, EmptyBatchesEndHere) {
  Make("timeout: 0s");
  EXPECT_TRUE(Consume(0));
  processor_->Stop();
  EXPECT_THAT(next_.sizes(), ElementsAre());
}

TEST_F(BatchProcessorTest, ClientsThatDifferInTheKeysDoNotMix) {
  Make("{timeout: 1h, metadata_keys: [X-Tenant]}");
  ASSERT_TRUE(ConsumeOf("shop", 1));
  ASSERT_TRUE(ConsumeOf("bank", 2));
  ASSERT_TRUE(ConsumeOf("shop", 3));
  ASSERT_TRUE(Consume(5));  // Of nobody in particular.
  EXPECT_EQ(host_.Count("otelcol_processor_batch_metadata_cardinality"), 3);
  processor_->Stop();
  std::map<std::string, size_t> points;
  while (!next_.sizes().empty()) {
    const otlp::Batch batch = next_.Take();
    const bool is_known = batch.client != nullptr;
    points[is_known ? batch.client->Metadata("x-tenant")[0] : ""] += batch.point_count();
    if (is_known) {
      EXPECT_EQ(batch.client->metadata.size(), 1u) << "only the keys are kept";
    }
  }
  EXPECT_THAT(points, testing::ElementsAre(testing::Pair("", 5), testing::Pair("bank", 2),
                                           testing::Pair("shop", 4)));
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(BatchProcessorTest, EveryCombinationHasItsOwnTriggers) {
  Make("{timeout: 10ms, send_batch_size: 5, metadata_keys: [x-tenant]}");
  ASSERT_TRUE(ConsumeOf("shop", 4));
  ASSERT_TRUE(ConsumeOf("bank", 5));
  ASSERT_TRUE(next_.WaitForPoints(5));
  EXPECT_THAT(next_.sizes(), ElementsAre(5));
  host_.clock().AdvanceMs(10);
  ASSERT_TRUE(next_.WaitForPoints(9));
}

TEST_F(BatchProcessorTest, RefusesCombinationsPastTheLimit) {
  Make("{timeout: 1h, metadata_keys: [x-tenant], metadata_cardinality_limit: 2}");
  ASSERT_TRUE(ConsumeOf("a", 1));
  ASSERT_TRUE(ConsumeOf("b", 1));
  otlp::Batch third = GaugeBatch(1);
  third.client = Tenant("c");
  const base::Status status = processor_->Consume(std::move(third));
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, base::Code::kInvalidArgument);
  EXPECT_EQ(status.error().message, "too many batcher metadata-value combinations");
  EXPECT_TRUE(ConsumeOf("a", 1));
  EXPECT_EQ(host_.Count("otelcol_processor_batch_metadata_cardinality"), 2);
}

TEST_F(BatchProcessorTest, WithoutKeysNobodyIsKnownDownstream) {
  Make("timeout: 1h");
  ASSERT_TRUE(ConsumeOf("shop", 1));
  processor_->Stop();
  EXPECT_EQ(next_.Take().client, nullptr);
}

// Answers with what came. Thread-safe enough for one caller.
class FakePassage final : public pipeline::Passage {
 public:
  bool TakesJson() const override { return true; }
  void Pass(pipeline::PassedRequest request, Done done) override {
    pipeline::PassedAnswer answer{.response = request.bytes};
    if (request.bytes == refused) {
      answer = {.status = base::Fail(base::Code::kUnavailable, "not now"),
                .retry_after = std::chrono::seconds(3)};
    }
    requests.push_back(std::move(request));
    done(std::move(answer));
  }
  std::vector<pipeline::PassedRequest> requests;
  std::string refused;
};

TEST_F(BatchProcessorTest, RequestsOfOtherSignalsAreCut) {
  Make("send_batch_size: 1\nsend_batch_max_size: 2", /*start=*/false);
  FakePassage next;
  pipeline::Passage* const entry = processor_->PassageTo(pipeline::Signal::kLogs, next);
  ASSERT_NE(entry, &next);
  EXPECT_TRUE(entry->TakesJson());
  const auto pass = [&](std::string bytes, size_t items) {
    next.requests.clear();
    std::vector<pipeline::PassedAnswer> answers;
    entry->Pass({.signal = pipeline::Signal::kLogs,
                 .encoding = otlp::Encoding::kJson,
                 .bytes = std::move(bytes),
                 .items = items,
                 .client = Tenant("shop"),
                 .leases = {std::make_shared<const int>(0)}},
                [&](pipeline::PassedAnswer answer) { answers.push_back(std::move(answer)); });
    EXPECT_EQ(answers.size(), 1u);
    return std::move(answers.at(0));
  };
  constexpr std::string_view kBegin = R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[)";
  const std::string begin(kBegin), end = "]}]}]}";
  EXPECT_EQ(pass(begin + "1,2,3" + end, 3).response, begin + "3" + end);
  ASSERT_EQ(next.requests.size(), 2u);
  EXPECT_EQ(next.requests[0].bytes, begin + "1,2" + end);
  EXPECT_EQ(next.requests[0].items, 2u);
  EXPECT_EQ(next.requests[1].items, 1u);
  for (const pipeline::PassedRequest& request : next.requests) {
    EXPECT_NE(request.client, nullptr);
    EXPECT_EQ(request.leases.size(), 1u);
  }
  // The others have theirs, and the sender learns of the one that was refused.
  next.refused = begin + "1,2" + end;
  const pipeline::PassedAnswer refused = pass(begin + "1,2,3" + end, 3);
  EXPECT_EQ(refused.status.error().code, base::Code::kUnavailable);
  EXPECT_EQ(refused.retry_after, std::chrono::seconds(3));
  EXPECT_EQ(next.requests.size(), 2u);
  EXPECT_TRUE(pass("{}", 0).status.has_value());
  EXPECT_EQ(next.requests.size(), 1u);
}

TEST_F(BatchProcessorTest, WithoutALimitRequestsOfOtherSignalsGoPast) {
  Make("", /*start=*/false);
  FakePassage next;
  EXPECT_EQ(processor_->PassageTo(pipeline::Signal::kTraces, next), &next);
}

TEST_F(BatchProcessorTest, MistakesInItsConfiguration) {
  const auto errors = [&](std::string_view yaml) {
    (void)host_.Make(&BatchProcessor::Create, yaml, next_);
    return host_.errors();
  };
  EXPECT_THAT(errors("send_batch_size: 10\nsend_batch_max_size: 5"),
              HasSubstr("test.yaml:2:22: send_batch_max_size: must be greater or equal"));
  EXPECT_THAT(errors("send_batch_sise: 10"), HasSubstr("did you mean"));
  EXPECT_THAT(errors("timeout: fast"), HasSubstr("test.yaml:1:10"));
  EXPECT_THAT(errors("metadata_keys: [a, b, A]"), HasSubstr("duplicate entry"));
}

TEST(BatchProcessor, KeepsTheContract) {
  pipeline::ExpectProcessorContract(&BatchProcessor::Create, "send_batch_size: 7");
  pipeline::ExpectProcessorContract(&BatchProcessor::Create, "timeout: 0s\nwait_for_result: true");
  pipeline::ExpectProcessorContract(&BatchProcessor::Create,
                                    "{send_batch_size: 5, send_batch_max_size: 5, timeout: 0s}");
}

}  // namespace
}  // namespace narthex::processors
