#include "extensions/basicauth/basicauth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/memory_file_system.h"
#include "otlp/value.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/test_host.h"

namespace narthex::extensions {
namespace {

using testing::HasSubstr;

class BasicAuthTest : public testing::Test {
 protected:
  base::Status Make(std::string_view yaml) {
    extension_ = host_.Make(&BasicAuth::Create, yaml);
    EXPECT_EQ(host_.errors(), "");
    auth_ = dynamic_cast<const pipeline::AuthExtension*>(extension_.get());
    return extension_->Start();
  }
  bool AcceptsValue(const std::string& value) {
    return auth_->Authenticate([&](std::string_view) { return value; }).has_value();
  }
  bool Accepts(std::string_view pair) { return AcceptsValue("Basic " + otlp::Base64(pair)); }
  base::MemoryFileSystem files_;
  pipeline::TestHost host_{files_};
  std::unique_ptr<pipeline::Extension> extension_;
  const pipeline::AuthExtension* auth_ = nullptr;
};

TEST(BasicAuth, KeepsTheContract) {
  pipeline::ExpectStartStopContract(&BasicAuth::Create, "htpasswd: {inline: 'a:b'}");
}

TEST_F(BasicAuthTest, NamesAndPasswords) {
  files_.SetContent("list",
                    "# "
                    "people\nkim:$2b$05$aaaaaaaaaaaaaaaaaaaaaOjOHCcGZ1ZydhnG2lX11qSmiRJbsbsA.\nann:"
                    "plain\r\nbob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n");
  ASSERT_TRUE(Make("htpasswd: {file: list, inline: 'eve:x:y'}").has_value());
  EXPECT_TRUE(Accepts("ann:plain"));
  EXPECT_TRUE(Accepts("bob:password"));
  EXPECT_TRUE(Accepts("eve:x:y"));
  EXPECT_TRUE(Accepts("kim:secret"));
  for (const char* pair : {"", ":", "ann:", "ann:plai", "ann:plains", "joe:plain", "ann"}) {
    EXPECT_FALSE(Accepts(pair)) << pair;
  }
  for (const char* value : {"", "Basic", "Basic !!!!", "Bearer YW5uOnBsYWlu", "Basic YW5u="}) {
    EXPECT_FALSE(AcceptsValue(value)) << value;
  }
  EXPECT_FALSE(AcceptsValue("Basic " + std::string(1 << 16, 'A')));
}

TEST_F(BasicAuthTest, OtherHashesAreRefusedClearly) {
  const base::Status status = Make("htpasswd: {inline: 'a:{SSHA}abc'}");
  EXPECT_THAT(status.error().message, HasSubstr("user a"));
}

TEST_F(BasicAuthTest, SendsItsOwn) {
  ASSERT_TRUE(Make("client_auth: {username: ann, password: plain}").has_value());
  pipeline::HeaderList headers;
  ASSERT_TRUE(auth_->SetHeaders(headers, nullptr).has_value());
  EXPECT_EQ(*headers.Find("authorization"), "Basic YW5uOnBsYWlu");
}

TEST_F(BasicAuthTest, MistakesInItsConfiguration) {
  const auto errors = [&](std::string_view yaml) {
    (void)host_.Make(&BasicAuth::Create, yaml);
    return host_.errors();
  };
  EXPECT_THAT(errors("{}"), HasSubstr("exactly one of"));
  EXPECT_THAT(errors("htpasswd: {}"), HasSubstr("no credential source"));
  EXPECT_THAT(errors("client_auth: {username: 'a:b'}"), HasSubstr("must not contain a colon"));
  EXPECT_THAT(errors("htpaswd: {}"), HasSubstr("did you mean"));
}

}  // namespace
}  // namespace narthex::extensions
