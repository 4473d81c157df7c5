#include "net/internal/jwt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "json/reader.h"
#include "net/grpc.h"
#include "net/testing/certificates.h"

namespace narthex::net {
namespace {

using internal::Assertion;
using internal::SignAssertion;
using testing::HasSubstr;

constexpr Assertion kAssertion = {.client_id = "me",
                                  .token_url = "https://auth/token",
                                  .scopes = "a b",
                                  .now_ns = 1'700'000'000'999'999'999};

// Header, claims and signature, decoded.
std::vector<std::string> Parts(std::string_view token) {
  std::vector<std::string> parts;
  while (!token.empty()) {
    const size_t end = std::min(token.find('.'), token.size());
    std::string text(token.substr(0, end));
    EXPECT_EQ(text.find_first_of("+/="), std::string::npos);
    for (char& c : text) c = c == '-' ? '+' : c == '_' ? '/' : c;
    text.resize((text.size() + 3) / 4 * 4, '=');
    parts.push_back(DecodeBase64(text));
    token.remove_prefix(std::min(end + 1, token.size()));
  }
  return parts;
}

bool Verifies(const RsaKey& key, std::string_view token, const EVP_MD* digest) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(key.public_pem.data(), static_cast<int>(key.public_pem.size())), &BIO_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> loaded(
      PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  const std::string signature = Parts(token).at(2);
  const std::string_view text = token.substr(0, token.rfind('.'));
  return EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, loaded.get()) == 1 &&
         EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                          signature.size(), reinterpret_cast<const unsigned char*>(text.data()),
                          text.size()) == 1;
}

TEST(Jwt, SaysWhoAndUntilWhen) {
  const RsaKey key = MakeRsaKey();
  const std::string token = SignAssertion({}, key.pem, kAssertion).value();
  const auto parts = Parts(token);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0], R"({"alg":"RS256","typ":"JWT"})");
  EXPECT_TRUE(Verifies(key, token, EVP_sha256()));
  EXPECT_FALSE(Verifies(MakeRsaKey(), token, EVP_sha256()));
  const auto claims = json::Document::Parse(parts[1]);
  ASSERT_TRUE(claims.has_value()) << parts[1];
  const json::Element root = claims->root();
  EXPECT_EQ(root.Get("iss").String(), "me");
  EXPECT_EQ(root.Get("sub").String(), "me");
  EXPECT_EQ(root.Get("aud").String(), "https://auth/token");
  EXPECT_EQ(root.Get("iat").Int(), 1'700'000'000);
  EXPECT_EQ(root.Get("exp").Int(), 1'700'001'800);
  EXPECT_EQ(root.Get("scope").String(), "a b");
  EXPECT_EQ(root.Get("jti").String()->size(), 32u);
  EXPECT_NE(Parts(SignAssertion({}, key.pem, kAssertion).value()).at(1), parts[1])
      << "an id is used once";
}

TEST(Jwt, TheConfigurationHasTheLastWord) {
  const RsaKey key = MakeRsaKey();
  config::JwtBearer config{.key = {},
                           .key_id = "k1",
                           .algorithm = "RS384",
                           .issuer = "them",
                           .audience = "you",
                           .claims = {}};
  config.claims = *config::ParseYaml(
      "{sub: someone, admin: true, level: 7, share: 0.5, none: null, text: '7', iat: 1,\n"
      " deep: {list: [1, a]}}",
      "test.yaml");
  const std::string token =
      SignAssertion(config, key.pem, {.client_id = "me", .token_url = "u", .scopes = ""}).value();
  const auto parts = Parts(token);
  EXPECT_EQ(parts.at(0), R"({"alg":"RS384","kid":"k1","typ":"JWT"})");
  EXPECT_TRUE(Verifies(key, token, EVP_sha384()));
  const std::string& claims = parts.at(1);
  EXPECT_THAT(claims, testing::StartsWith(R"({"iss":"them","aud":"you","exp":1800,"jti":")"));
  EXPECT_THAT(claims, testing::EndsWith(
                          R"(","sub":"someone","admin":true,"level":7,"share":0.5,"none":null,)"
                          R"("text":"7","iat":1,"deep":{"list":[1,"a"]}})"));
  config.algorithm = "RS512";
  EXPECT_TRUE(Verifies(key, SignAssertion(config, key.pem, kAssertion).value(), EVP_sha512()));
}

TEST(Jwt, OnlyRsaKeysWithoutAPassphraseSign) {
  const std::string locked = MakeRsaKey("passphrase").pem;
  EXPECT_THAT(locked, HasSubstr("ENCRYPTED"));
  const std::string elliptic = CertificateAuthority().Issue("me").key;
  for (const std::string& key : {std::string(), std::string("secret"), locked, elliptic}) {
    const auto token = SignAssertion({}, key, kAssertion);
    ASSERT_FALSE(token.has_value());
    EXPECT_EQ(token.error().code, base::Code::kInvalidArgument);
    EXPECT_THAT(token.error().message, HasSubstr("not an RSA key"));
  }
}

}  // namespace
}  // namespace narthex::net
