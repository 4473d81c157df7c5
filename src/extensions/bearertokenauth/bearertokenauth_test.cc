#include "extensions/bearertokenauth/bearertokenauth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/memory_file_system.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/test_host.h"

namespace narthex::extensions {
namespace {

using testing::HasSubstr;

class BearerTokenAuthTest : public testing::Test {
 protected:
  void Make(std::string_view yaml) {
    extension_ = host_.Make(&BearerTokenAuth::Create, yaml);
    EXPECT_EQ(host_.errors(), "");
    auth_ = dynamic_cast<const pipeline::AuthExtension*>(extension_.get());
  }
  bool Accepts(const std::string& value, std::string_view header = "Authorization") {
    return auth_->Authenticate([&](std::string_view name) { return name == header ? value : ""; })
        .has_value();
  }
  // The value of a header of our own requests.
  std::string Sent(std::string_view header) {
    pipeline::HeaderList headers;
    EXPECT_TRUE(auth_->SetHeaders(headers, nullptr).has_value());
    const std::string* value = headers.Find(header);
    return value != nullptr ? *value : "";
  }
  base::MemoryFileSystem files_;
  pipeline::TestHost host_{files_};
  std::unique_ptr<pipeline::Extension> extension_;
  const pipeline::AuthExtension* auth_ = nullptr;
};

TEST(BearerTokenAuth, KeepsTheContract) {
  pipeline::ExpectStartStopContract(&BearerTokenAuth::Create, "token: a");
}

TEST_F(BearerTokenAuthTest, TakesItsTokensOnly) {
  Make("{token: secret, tokens: [other]}");
  EXPECT_TRUE(Accepts("Bearer secret"));
  EXPECT_TRUE(Accepts("Bearer other"));
  for (const char* value : {"", "secret", "Bearer secre", "Bearer secrets", "Basic secret"}) {
    EXPECT_FALSE(Accepts(value)) << value;
  }
  Make("{token: secret, scheme: '', header: X-Key}");
  EXPECT_TRUE(Accepts("secret", "X-Key"));
  EXPECT_EQ(Sent("X-Key"), "secret");
}

TEST_F(BearerTokenAuthTest, AFileMayBeReplaced) {
  Make("filename: token");
  EXPECT_FALSE(extension_->Start().has_value());
  files_.SetContent("token", "one\n");
  EXPECT_TRUE(extension_->Start().has_value());
  EXPECT_EQ(Sent("Authorization"), "Bearer one");
  files_.SetContent("token", "two\nthree");
  EXPECT_TRUE(Accepts("Bearer three"));
  EXPECT_FALSE(Accepts("Bearer one"));
}

TEST_F(BearerTokenAuthTest, MistakesInItsConfiguration) {
  (void)host_.Make(&BearerTokenAuth::Create, "{}");
  EXPECT_THAT(host_.errors(), HasSubstr("no bearer token"));
  (void)host_.Make(&BearerTokenAuth::Create, "tokn: a");
  EXPECT_THAT(host_.errors(), HasSubstr("did you mean"));
}

}  // namespace
}  // namespace narthex::extensions
