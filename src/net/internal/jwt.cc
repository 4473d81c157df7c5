#include "net/internal/jwt.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <charconv>
#include <memory>

#include "base/check.h"
#include "base/random.h"
#include "json/writer.h"
#include "net/grpc.h"

namespace narthex::net::internal {
namespace {

using base::Code;
using base::Fail;
using config::Node;

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kSecondsGood = 30 * 60;

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

base::Result<Key> ReadKey(std::string_view pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(std::min<size_t>(pem.size(), 1 << 20))),
      &BIO_free);
  // Without a passphrase OpenSSL would ask on the terminal.
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr), &EVP_PKEY_free);
  if (key == nullptr || EVP_PKEY_base_id(key.get()) != EVP_PKEY_RSA) {
    return Fail(Code::kInvalidArgument, "not an RSA key in PEM without a passphrase");
  }
  return key;
}

// Source: RFC 7515, appendix C.
std::string Base64Url(std::string_view bytes) {
  std::string text = EncodeBase64(bytes);
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

const EVP_MD* DigestOf(std::string_view algorithm) {
  if (algorithm == "RS384") return EVP_sha384();
  if (algorithm == "RS512") return EVP_sha512();
  CHECK(algorithm == "RS256");
  return EVP_sha256();
}

base::Result<std::string> Sign(EVP_PKEY* key, const EVP_MD* digest, std::string_view text) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  size_t size = 0;
  if (EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size()) != 1) {
    return Fail(Code::kInvalidArgument, "the key does not sign");
  }
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     bytes, text.size()) != 1) {
    return Fail(Code::kInvalidArgument, "the key does not sign");
  }
  signature.resize(size);
  return signature;
}

// A claim of the configuration, as YAML types it.
void PutScalar(json::Writer& writer, const Node& node) {
  const std::string& text = node.scalar;
  if (!node.quoted) {
    if (text == "true" || text == "false") return void(writer.Bool(text == "true"));
    if (text.empty() || text == "null" || text == "~") return void(writer.Null());
    const char* const last = text.data() + text.size();
    int64_t whole = 0;
    if (const auto read = std::from_chars(text.data(), last, whole);
        read.ec == std::errc() && read.ptr == last) {
      return void(writer.Int(whole));
    }
    double real = 0;
    if (const auto read = std::from_chars(text.data(), last, real);
        read.ec == std::errc() && read.ptr == last) {
      return void(writer.Double(real));
    }
  }
  writer.String(text);
}

// The parser of YAML limits the depth.
void PutNode(json::Writer& writer, const Node& node) {
  if (node.is_map()) {
    writer.BeginObject();
    for (const auto& [key, value] : node.members) PutNode(writer.Key(key.scalar), value);
    writer.EndObject();
  } else if (node.is_list()) {
    writer.BeginArray();
    for (const Node& item : node.items) PutNode(writer, item);
    writer.EndArray();
  } else if (node.is_scalar()) {
    PutScalar(writer, node);
  } else {
    writer.Null();
  }
}

std::string Header(const config::JwtBearer& config) {
  json::Writer writer;
  writer.BeginObject().Key("alg").String(config.algorithm);
  if (!config.key_id.empty()) writer.Key("kid").String(config.key_id);
  return writer.Key("typ").String("JWT").EndObject().Take();
}

std::string Claims(const config::JwtBearer& config, const Assertion& assertion) {
  const int64_t now = assertion.now_ns / kNsPerSecond;
  json::Writer writer;
  writer.BeginObject();
  const auto put = [&](std::string_view name, const auto& write) {
    if (config.claims.Find(name) != nullptr) return;
    writer.Key(name);
    write();
  };
  const auto text = [&](std::string_view name, std::string_view value) {
    put(name, [&] { writer.String(value); });
  };
  text("iss", config.issuer.empty() ? assertion.client_id : config.issuer);
  text("sub", assertion.client_id);
  text("aud", config.audience.empty() ? assertion.token_url : config.audience);
  put("iat", [&] { writer.Int(now); });
  put("exp", [&] { writer.Int(now + kSecondsGood); });
  base::Random random(base::RandomSeed());
  text("jti", fmt::format("{:016x}{:016x}", random.Next(), random.Next()));
  if (!assertion.scopes.empty()) text("scope", assertion.scopes);
  for (const auto& [key, value] : config.claims.members) PutNode(writer.Key(key.scalar), value);
  return writer.EndObject().Take();
}

}  // namespace

base::Result<std::string> SignAssertion(const config::JwtBearer& config, std::string_view key,
                                        const Assertion& assertion) {
  ASSIGN_OR_RETURN(const Key rsa, ReadKey(key));
  std::string token = Base64Url(Header(config)) + '.' + Base64Url(Claims(config, assertion));
  ASSIGN_OR_RETURN(const std::string signature, Sign(rsa.get(), DigestOf(config.algorithm), token));
  return token + '.' + Base64Url(signature);
}

}  // namespace narthex::net::internal
