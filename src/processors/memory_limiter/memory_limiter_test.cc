#include "processors/memory_limiter/memory_limiter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::processors {
namespace {

using pipeline::GaugeBatch;
using testing::HasSubstr;

TEST(MemoryLimiter, CountsWhatIsHeldDownstreamAndGivesItBack) {
  pipeline::TestHost host;
  pipeline::FakeConsumer next;
  MemoryLimiter limiter(2 * GaugeBatch(1000).byte_size(), "m", host.host(), next);
  ASSERT_TRUE(limiter.Consume(GaugeBatch(1000)).has_value());
  ASSERT_TRUE(limiter.Consume(GaugeBatch(1000)).has_value());
  const base::Status status = limiter.Consume(GaugeBatch(1));
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, base::Code::kUnavailable);
  EXPECT_EQ(status.error().message, "data refused due to high memory usage");
  EXPECT_EQ(host.Count("otelcol_processor_memory_limiter_refused_metric_points"), 1);
  (void)next.Take();
  ASSERT_TRUE(limiter.Consume(GaugeBatch(1)).has_value());
  EXPECT_EQ(host.Count("otelcol_processor_memory_limiter_accepted_metric_points"), 2001);
  (void)next.Take();
  (void)next.Take();
  EXPECT_EQ(limiter.held_bytes(), 0u);
  EXPECT_EQ(host.Imbalance(), 0);
}

TEST(MemoryLimiter, SplitAndJoinedBatchesAreCountedOnce) {
  pipeline::TestHost host;
  pipeline::FakeConsumer next;
  MemoryLimiter limiter(1 << 30, "m", host.host(), next);
  ASSERT_TRUE(limiter.Consume(GaugeBatch(1000)).has_value());
  {
    otlp::Batch rest = next.Take();
    const uint64_t held = limiter.held_bytes();
    const otlp::Batch head = rest.TakeFirst(10);
    const otlp::Batch copy = rest.Clone();
    EXPECT_EQ(limiter.held_bytes(), held);
  }
  EXPECT_EQ(limiter.held_bytes(), 0u);
}

TEST(MemoryLimiter, TheProcessItselfCounts) {
  pipeline::TestHost host;
  pipeline::FakeConsumer next;
  const size_t bytes = GaugeBatch(1000).byte_size();
  // Next to a process under test the limit is nothing: a quarter of it is left for batches.
  MemoryLimiter limiter(8 * bytes, "m", host.host(), next);
  ASSERT_TRUE(limiter.Start().has_value());
  ASSERT_TRUE(limiter.Consume(GaugeBatch(1000)).has_value());
  ASSERT_TRUE(limiter.Consume(GaugeBatch(1000)).has_value());
  EXPECT_FALSE(limiter.Consume(GaugeBatch(1)).has_value());
}

// Keeps the requests, and answers when told to.
class FakePassage final : public pipeline::Passage {
 public:
  bool TakesJson() const override { return true; }
  void Pass(pipeline::PassedRequest request, Done done) override {
    requests.push_back(std::move(request));
    dones.push_back(std::move(done));
  }
  std::vector<pipeline::PassedRequest> requests;
  std::vector<Done> dones;
};

class MemoryLimiterOfTracesTest : public testing::Test {
 protected:
  void Make(uint64_t limit_bytes) {
    limiter_ = std::make_unique<MemoryLimiter>(limit_bytes, "m", host_.host(), metrics_);
    entry_ = limiter_->PassageTo(pipeline::Signal::kTraces, next_);
    ASSERT_NE(entry_, nullptr);
  }
  void Pass(size_t bytes, size_t items) {
    entry_->Pass({.bytes = std::string(bytes, 'x'), .items = items},
                 [this](pipeline::PassedAnswer answer) { answers_.push_back(std::move(answer)); });
  }

  pipeline::TestHost host_;
  pipeline::FakeConsumer metrics_;
  FakePassage next_;
  std::unique_ptr<MemoryLimiter> limiter_;
  pipeline::Passage* entry_ = nullptr;
  std::vector<pipeline::PassedAnswer> answers_;
};

TEST_F(MemoryLimiterOfTracesTest, RequestsCountUntilTheyHaveGone) {
  Make(100);
  EXPECT_TRUE(entry_->TakesJson());
  Pass(60, 2);
  EXPECT_EQ(limiter_->held_bytes(), 60u);
  Pass(60, 3);
  EXPECT_EQ(limiter_->held_bytes(), 120u);
  EXPECT_THAT(answers_, testing::IsEmpty());
  Pass(1, 5);
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].status.error().code, base::Code::kUnavailable);
  EXPECT_EQ(answers_[0].status.error().message, "data refused due to high memory usage");
  EXPECT_EQ(host_.Count("otelcol_processor_memory_limiter_refused_spans"), 5);
  next_.dones[0]({.response = "yes"});
  EXPECT_EQ(answers_[1].response, "yes");
  EXPECT_EQ(host_.Count("otelcol_processor_memory_limiter_accepted_spans"), 2);
  EXPECT_EQ(limiter_->held_bytes(), 120u) << "answered, and in a queue still";
  next_.requests[0] = {};
  EXPECT_EQ(limiter_->held_bytes(), 60u);
  next_.requests[1] = {};
  EXPECT_EQ(limiter_->held_bytes(), 60u) << "on its way still";
  next_.dones[1]({.status = base::Fail(base::Code::kUnavailable, "no")});
  EXPECT_EQ(limiter_->held_bytes(), 0u);
  EXPECT_EQ(host_.Count("otelcol_processor_memory_limiter_accepted_spans"), 2);
}

TEST_F(MemoryLimiterOfTracesTest, ThePipelinesOfACollectorShareTheLimit) {
  Make(100);
  MemoryLimiter other(100, "m", host_.host(), metrics_);
  Pass(100, 1);
  EXPECT_FALSE(other.Consume(GaugeBatch(1)).has_value());
  next_.requests.clear();
  next_.dones.clear();
  EXPECT_TRUE(other.Consume(GaugeBatch(1)).has_value());
}

TEST(MemoryLimiter, MistakesInItsConfiguration) {
  pipeline::TestHost host;
  pipeline::FakeConsumer next;
  const auto errors = [&](std::string_view yaml) {
    (void)host.Make(&MemoryLimiter::Create, yaml, next);
    return host.errors();
  };
  EXPECT_EQ(errors("check_interval: 1s\nlimit_mib: 100\nspike_limit_mib: 10"), "");
  EXPECT_EQ(errors("check_interval: 1s\nlimit_percentage: 50"), "");
  EXPECT_THAT(errors("limit_mib: 100"), HasSubstr("'check_interval' must be greater than zero"));
  EXPECT_THAT(errors("check_interval: 1s"), HasSubstr("'limit_mib' or 'limit_percentage'"));
  EXPECT_THAT(errors("check_interval: 1s\nlimit_mib: 10\nspike_limit_mib: 10"),
              HasSubstr("must be smaller"));
}

TEST(MemoryLimiter, KeepsTheContract) {
  pipeline::ExpectProcessorContract(&MemoryLimiter::Create,
                                    "{check_interval: 1s, limit_mib: 4000}");
  pipeline::ExpectProcessorContract(&MemoryLimiter::Create, "{check_interval: 1s, limit_mib: 1}");
}

}  // namespace
}  // namespace narthex::processors
