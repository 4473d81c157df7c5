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
