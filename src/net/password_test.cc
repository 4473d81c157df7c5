#include "net/password.h"

#include <gmock/gmock.h>

#include "net/http.h"

namespace narthex::net {
namespace {

using ::testing::HasSubstr;

// Entries of all kinds, made with openssl passwd and Python's crypt; the password is "secret" but
// where said otherwise.
constexpr const char* kSecret[] = {
    "secret",
    "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/",
    "$2b$05$aaaaaaaaaaaaaaaaaaaaaOjOHCcGZ1ZydhnG2lX11qSmiRJbsbsA.",
    "$2y$05$aaaaaaaaaaaaaaaaaaaaaOjOHCcGZ1ZydhnG2lX11qSmiRJbsbsA.",
    "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN."
    "Pq.H91p5hVO1",
};

TEST(Password, EveryKindOfEntry) {
  for (const char* entry : kSecret) {
    EXPECT_TRUE(CheckPasswordEntry(entry).has_value()) << entry;
    EXPECT_TRUE(PasswordMatches(entry, "secret")) << entry;
    for (const char* wrong : {"", "Secret", "secre", "secret1", "$2b$05$"}) {
      EXPECT_FALSE(PasswordMatches(entry, wrong)) << entry << " " << wrong;
    }
    EXPECT_FALSE(PasswordMatches(entry, std::string("secret\0x", 8))) << entry;
  }
  EXPECT_TRUE(PasswordMatches("$apr1$x$tMwYqBfQwi3FYAr0aJc8M/", ""));
  EXPECT_TRUE(PasswordMatches("$apr1$12345678$PBMAl9aB7yWd6R3vY5/dq/",
                              "aVeryLongPasswordThatIsOverSixteenCharacters"));
}

TEST(Password, DamagedEntriesMatchNothing) {
  for (const char* entry : {"$2b$", "$2b$99$x", "$apr1$", "$apr1$a", "$6$", "{SHA}", "{SHA}!"}) {
    EXPECT_FALSE(PasswordMatches(entry, "")) << entry;
    EXPECT_FALSE(PasswordMatches(entry, "*0")) << entry;
  }
}

TEST(Passwords, ListsOfNames) {
  Passwords passwords;
  ASSERT_TRUE(passwords
                  .AddList("# people\nann:plain\r\n\nbob:" + std::string(kSecret[3]) +
                           "\neve:x:y\nann:newer")
                  .has_value());
  const auto accepts = [&](std::string_view user, std::string_view password) {
    return passwords.Accept(BasicAuthorization(user, password));
  };
  for (int i = 0; i < 2; ++i) {  // The second time from memory.
    EXPECT_TRUE(accepts("ann", "newer"));
    EXPECT_FALSE(accepts("ann", "plain"));
    EXPECT_TRUE(accepts("bob", "secret"));
    EXPECT_FALSE(accepts("bob", kSecret[3]));
    EXPECT_TRUE(accepts("eve", "x:y"));
    EXPECT_FALSE(accepts("joe", "secret"));
    EXPECT_FALSE(accepts("", ""));
  }
  for (const char* header : {"", "Basic", "Basic ", "Basic !!", "Bearer YW5uOm5ld2Vy"}) {
    EXPECT_FALSE(passwords.Accept(header)) << header;
  }
  EXPECT_FALSE(passwords.Accept("Basic " + std::string(100'000, 'A')));
}

TEST(Passwords, KindsThatAreNotKnownAreErrors) {
  Passwords passwords;
  const base::Status status = passwords.AddList("ann:x\nbob:{SSHA}abc");
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(status.error().message, HasSubstr("user bob"));
}

}  // namespace
}  // namespace narthex::net
