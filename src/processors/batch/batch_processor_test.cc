#include "processors/batch/batch_processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST_F(BatchProcessorTest, MistakesInItsConfiguration) {
  const auto errors = [&](std::string_view yaml) {
    (void)host_.Make(&BatchProcessor::Create, yaml, next_);
    return host_.errors();
  };
  EXPECT_THAT(errors("send_batch_size: 10\nsend_batch_max_size: 5"),
              HasSubstr("test.yaml:2:22: send_batch_max_size: must be greater or equal"));
  EXPECT_THAT(errors("send_batch_sise: 10"), HasSubstr("did you mean"));
  EXPECT_THAT(errors("timeout: fast"), HasSubstr("test.yaml:1:10"));
}

TEST(BatchProcessor, KeepsTheContract) {
  pipeline::ExpectProcessorContract(&BatchProcessor::Create, "send_batch_size: 7");
  pipeline::ExpectProcessorContract(&BatchProcessor::Create,
                                    "{send_batch_size: 5, send_batch_max_size: 5, timeout: 0s}");
}

}  // namespace
}  // namespace narthex::processors
