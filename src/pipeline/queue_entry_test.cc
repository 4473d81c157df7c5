#include "pipeline/queue_entry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace narthex::pipeline {
namespace {

QueueEntry WithClient() {
  otlp::ClientInfo client{.address = "10.0.0.1"};
  client.AddMetadata("x-tenant", "shop");
  return {.encoding = otlp::Encoding::kJson,
          .client = std::make_shared<const otlp::ClientInfo>(std::move(client)),
          .bytes = "{}"};
}

TEST(QueueEntry, KeepsTheEncodingAndTheMetadata) {
  const auto back = DecodeQueueEntry(EncodeQueueEntry(WithClient()));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->encoding, otlp::Encoding::kJson);
  EXPECT_EQ(back->bytes, "{}");
  EXPECT_THAT(back->client->Metadata("x-tenant"), testing::ElementsAre("shop"));
}

// Queues from before there was a head.
TEST(QueueEntry, PlainRequestsAreTheirOwnEntry) {
  EXPECT_EQ(EncodeQueueEntry({.bytes = "\x0a\x02xy"}), "\x0a\x02xy");
  const auto back = DecodeQueueEntry("\x0a\x02xy");
  EXPECT_EQ(back->bytes, "\x0a\x02xy");
  EXPECT_EQ(back->client, nullptr);
}

TEST(QueueEntry, ADamagedHeadIsAnError) {
  const std::string bytes = EncodeQueueEntry(WithClient());
  for (size_t size = 4; size + 2 < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeQueueEntry(bytes.substr(0, size)).has_value()) << size;
  }
}

TEST(QueueEntry, BytesThatLookLikeAHeadAreNotTakenForOne) {
  const QueueEntry entry{.bytes = "\xffNQE, and no message"};
  const auto again = DecodeQueueEntry(EncodeQueueEntry(entry));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->bytes, entry.bytes);
}

}  // namespace
}  // namespace narthex::pipeline
