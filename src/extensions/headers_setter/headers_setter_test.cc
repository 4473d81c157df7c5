#include "extensions/headers_setter/headers_setter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/memory_file_system.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/test_host.h"

namespace narthex::extensions {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class HeadersSetterTest : public testing::Test {
 protected:
  // What the headers {A: old} become.
  base::Status Apply(std::string_view headers, const otlp::ClientInfo* client = nullptr) {
    extension_ = host_.Make(&HeadersSetter::Create, fmt::format("headers: [{}]", headers));
    EXPECT_EQ(host_.errors(), "");
    headers_ = pipeline::HeaderList();
    headers_.Set("A", "old");
    return dynamic_cast<const pipeline::AuthExtension&>(*extension_).SetHeaders(headers_, client);
  }
  std::string Errors(std::string_view yaml) {
    (void)host_.Make(&HeadersSetter::Create, yaml);
    return host_.errors();
  }
  static otlp::ClientInfo Client() {
    otlp::ClientInfo client{.auth = {{"username", "bob"}}};
    client.AddMetadata("X-Tenant", "shop");
    client.AddMetadata("twice", "1");
    client.AddMetadata("twice", "2");
    client.AddMetadata("evil", "a\r\nB: c");
    return client;
  }

  base::MemoryFileSystem files_;
  pipeline::TestHost host_{files_};
  std::unique_ptr<pipeline::Extension> extension_;
  pipeline::HeaderList headers_;
};

TEST(HeadersSetter, KeepsTheContract) {
  pipeline::ExpectStartStopContract(&HeadersSetter::Create, "headers: [{key: a, value: b}]");
}

TEST_F(HeadersSetterTest, Actions) {
  ASSERT_TRUE(
      Apply("{key: a, value: n, action: insert}, {key: b, value: n, action: insert}").has_value());
  EXPECT_THAT(headers_.fields(), ElementsAre(Pair("A", "old"), Pair("b", "n")));
  ASSERT_TRUE(
      Apply("{key: a, value: n, action: update}, {key: b, value: n, action: update}").has_value());
  EXPECT_THAT(headers_.fields(), ElementsAre(Pair("A", "n")));
  ASSERT_TRUE(Apply("{key: a, value: n}, {key: b, value: n, action: upsert}").has_value());
  EXPECT_THAT(headers_.fields(), ElementsAre(Pair("A", "n"), Pair("b", "n")));
  ASSERT_TRUE(Apply("{key: a, action: delete}, {key: b, action: delete}").has_value());
  EXPECT_THAT(headers_.fields(), ElementsAre());
}

TEST_F(HeadersSetterTest, TakesWhatCameWithTheData) {
  const otlp::ClientInfo client = Client();
  ASSERT_TRUE(Apply("{key: X-Scope-OrgID, from_context: x-tenant}, "
                    "{key: User, from_attribute: username}, "
                    "{key: C, from_context: none, default_value: d}, {key: D, from_context: none}",
                    &client)
                  .has_value());
  EXPECT_THAT(headers_.fields(), ElementsAre(Pair("A", "old"), Pair("X-Scope-OrgID", "shop"),
                                             Pair("User", "bob"), Pair("C", "d")));
  ASSERT_TRUE(Apply("{key: C, from_context: x-tenant, default_value: d}, "
                    "{key: U, from_attribute: username, default_value: nobody}")
                  .has_value());
  EXPECT_THAT(headers_.fields(),
              ElementsAre(Pair("A", "old"), Pair("C", "d"), Pair("U", "nobody")));
}

TEST_F(HeadersSetterTest, OneOfSeveralValuesIsNotChosen) {
  const otlp::ClientInfo client = Client();
  EXPECT_THAT(Apply("{key: b, from_context: twice}", &client).error().message,
              HasSubstr("2 source keys found"));
}

TEST_F(HeadersSetterTest, AValueIsNoFurtherHeader) {
  const otlp::ClientInfo client = Client();
  EXPECT_FALSE(Apply("{key: b, from_context: evil}", &client).has_value());
}

TEST_F(HeadersSetterTest, AFileMayBeReplaced) {
  EXPECT_FALSE(Apply("{key: b, value_file: token}").has_value());
  files_.SetContent("token", "one\n");
  ASSERT_TRUE(Apply("{key: b, value_file: token}").has_value());
  EXPECT_EQ(*headers_.Find("b"), "one");
}

TEST_F(HeadersSetterTest, LetsNobodyIn) {
  ASSERT_TRUE(Apply("{key: b, value: c}").has_value());
  const auto identity =
      dynamic_cast<const pipeline::AuthExtension&>(*extension_).Authenticate([](std::string_view) {
        return "anything";
      });
  EXPECT_FALSE(identity.has_value());
}

TEST_F(HeadersSetterTest, MistakesInItsConfiguration) {
  EXPECT_THAT(Errors("{}"), HasSubstr("missing headers configuration"));
  EXPECT_THAT(Errors("headers: [{value: a}]"), HasSubstr("missing header name"));
  EXPECT_THAT(Errors("headers: [{key: a}]"), HasSubstr("missing header source"));
  EXPECT_THAT(Errors("headers: [{key: a, value: b, from_context: c}]"), HasSubstr("only one of"));
  EXPECT_THAT(Errors("headers: [{key: 'a b', value: b}]"), HasSubstr("not a header"));
  EXPECT_THAT(Errors("headers: [{key: a, action: put, value: b}]"), HasSubstr("must be insert"));
  EXPECT_THAT(Errors("{headers: [{key: a, value: b}], additional_auth: basicauth}"),
              HasSubstr("which is not in service::extensions"));
}

}  // namespace
}  // namespace narthex::extensions
