#include "otlp/client_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "otlp/decode.h"

namespace narthex::otlp {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

ClientInfo Client() {
  ClientInfo client{.address = "10.0.0.1", .auth = {{"username", "bob"}}};
  client.AddMetadata("X-Tenant", "shop");
  client.AddMetadata("x-tenant", "bank");
  client.AddMetadata("Empty", "");
  return client;
}

TEST(ClientInfo, NamesOfMetadataHaveNoCase) {
  EXPECT_THAT(Client().Metadata("X-TENANT"), ElementsAre("shop", "bank"));
  EXPECT_THAT(Client().Metadata("empty"), ElementsAre(""));
  EXPECT_THAT(Client().Metadata("other"), IsEmpty());
  EXPECT_EQ(*Client().Auth("username"), "bob");
  EXPECT_EQ(Client().Auth("other"), nullptr);
}

TEST(ClientInfo, ComesBackFromItsBytesWithoutWhoItWas) {
  const auto back = ClientInfo::Decode(Client().Encode());
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->metadata, Client().metadata);
  EXPECT_EQ(back->address, "10.0.0.1");
  EXPECT_THAT(back->auth, IsEmpty());
}

TEST(ClientInfo, DamagedBytesAreNoClient) {
  const std::string bytes = Client().Encode();
  size_t refused = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    refused += ClientInfo::Decode(bytes.substr(0, size)).has_value() ? 0 : 1;
  }
  EXPECT_GT(refused, bytes.size() / 2);
}

TEST(ClientInfo, AddressesAreWithoutThePort) {
  EXPECT_EQ(AddressOf("127.0.0.1:4317"), "127.0.0.1");
  EXPECT_EQ(AddressOf("[::1]:4317"), "::1");
  EXPECT_EQ(AddressOf(""), "");
}

TEST(MetadataKeys, TellClientsApartByTheirKeysOnly) {
  const MetadataKeys keys({"X-Tenant", "x-tenant", "zone"});
  ClientInfo other = Client();
  other.AddMetadata("unrelated", "1");
  const ClientInfo client = Client();
  EXPECT_EQ(keys.PartitionOf(&client), keys.PartitionOf(&other));
  other.AddMetadata("zone", "a");
  EXPECT_NE(keys.PartitionOf(&client), keys.PartitionOf(&other));
  EXPECT_NE(keys.PartitionOf(&client), keys.PartitionOf(nullptr));
  EXPECT_THAT(keys.Keep(&other)->Metadata("x-tenant"), ElementsAre("shop", "bank"));
  EXPECT_THAT(keys.Keep(&other)->Metadata("unrelated"), IsEmpty());
  EXPECT_EQ(keys.Keep(&other)->address, "");
  EXPECT_EQ(keys.Keep(nullptr), nullptr);
}

TEST(MetadataKeys, ValuesThatRunTogetherStayApart) {
  const MetadataKeys keys({"a", "b"});
  ClientInfo one, two;
  one.AddMetadata("a", "x");
  one.AddMetadata("a", "y");
  two.AddMetadata("a", "x1:y");
  EXPECT_NE(keys.PartitionOf(&one), keys.PartitionOf(&two));
}

TEST(ClientInfo, BatchesKeepTheirsAsLongAsItIsOne) {
  const auto client = std::make_shared<const ClientInfo>(Client());
  Batch a, b, c;
  const auto throttle = std::make_shared<Throttle>();
  a.client = b.client = client;
  a.throttle = b.throttle = throttle;
  a.resources.emplace_back();
  b.resources.emplace_back();
  c.resources.emplace_back();
  a.Append(std::move(b));
  EXPECT_EQ(a.client, client);
  EXPECT_EQ(a.throttle, throttle);
  EXPECT_EQ(a.Clone().client, client);
  EXPECT_EQ(a.Clone().throttle, throttle);
  a.Append(std::move(c));
  EXPECT_EQ(a.client, nullptr);
  EXPECT_EQ(a.throttle, nullptr);
}

}  // namespace
}  // namespace narthex::otlp
