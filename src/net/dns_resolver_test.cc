#include "net/dns_resolver.h"

#include <gtest/gtest.h>

#include "net/testing/dns_server.h"

namespace narthex::net {
namespace {

class DnsResolverTest : public testing::Test {
 protected:
  base::Result<std::vector<DnsRecord>> Lookup(const std::string& name, DnsType type) {
    return DnsResolver({.servers = server_.address(),
                        .timeout = std::chrono::milliseconds(500),
                        .tries = 1})
        .Lookup(name, type, stop_.get_token());
  }
  DnsServer server_;
  std::stop_source stop_;
};

TEST_F(DnsResolverTest, ReadsEveryKindOfRecordInTheOrderOfTheAnswer) {
  const std::pair<DnsType, std::vector<DnsRecord>> kRecords[] = {
      {DnsType::kA, {{"10.0.0.2"}, {"10.0.0.1"}}},
      {DnsType::kAaaa, {{"fd00::2"}, {"fd00::1"}}},
      {DnsType::kSrv, {{"b.example", 9100}, {"a.example", 9200}}},
      {DnsType::kMx, {{"mail.example"}}},
      {DnsType::kNs, {{"ns1.example"}, {"ns2.example"}}},
  };
  for (const auto& [type, records] : kRecords) server_.Set("all.example", type, records);
  for (const auto& [type, records] : kRecords) {
    const auto found = Lookup("all.example.", type);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(*found, records) << static_cast<int>(type);
  }
}

TEST_F(DnsResolverTest, NamesAndRecordsThatAreNotThereAreNoError) {
  server_.Set("mail.example", DnsType::kMx, {{"m.example"}});
  EXPECT_TRUE(Lookup("mail.example.", DnsType::kA).value().empty());
  EXPECT_TRUE(Lookup("absent.example.", DnsType::kA).value().empty());
}

TEST_F(DnsResolverTest, AServerThatFailsIsAnError) {
  server_.FailWith(2);  // SERVFAIL
  EXPECT_EQ(Lookup("a.example.", DnsType::kA).error().code, base::Code::kUnavailable);
  EXPECT_GE(server_.questions(), 1u);
}

TEST_F(DnsResolverTest, AStopEndsAQuestion) {
  stop_.request_stop();
  EXPECT_EQ(Lookup("a.example.", DnsType::kA).error().code, base::Code::kCancelled);
}

TEST_F(DnsResolverTest, NamesThatCannotBeAskedForAreAnError) {
  EXPECT_EQ(Lookup(std::string(70, 'a') + ".example", DnsType::kA).error().code,
            base::Code::kInvalidArgument);
}

TEST_F(DnsResolverTest, ServersThatAreNoneAreAnError) {
  EXPECT_EQ(DnsResolver({.servers = "not an address"})
                .Lookup("a.example.", DnsType::kA, stop_.get_token())
                .error()
                .code,
            base::Code::kInvalidArgument);
}

}  // namespace
}  // namespace narthex::net
