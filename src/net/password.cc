#include "net/password.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <memory>

#include "base/check.h"
#include "net/grpc.h"

namespace narthex::net {
namespace {

using base::Code;
using base::Fail;

constexpr std::string_view kSha = "{SHA}", kApr1 = "$apr1$";
constexpr std::string_view kCryptKinds[] = {"$2a$", "$2b$", "$2y$", "$1$", "$5$", "$6$", "$y$"};
constexpr size_t kRememberedMax = 1'000;
constexpr size_t kHeaderBytesMax = 4'096;
// What an unknown name is compared with: nothing matches it, and it costs what bcrypt does.
constexpr char kNobody[] = "$2b$10$abcdefghijklmnopqrstuuH5NkMeLZ5DYMUdEnNJyyNUVTiPqDBfC";

bool IsCryptKind(std::string_view entry) {
  return std::ranges::any_of(kCryptKinds,
                             [&](std::string_view kind) { return entry.starts_with(kind); });
}

bool Equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string Hash(const EVP_MD* kind, std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(EVP_Digest(text.data(), text.size(), digest, &size, kind, nullptr) == 1);
  return {reinterpret_cast<const char*>(digest), size};
}

std::string Crypt(const std::string& password, const std::string& entry) {
  const auto scratch = std::make_unique<crypt_data>();  // Too large for a stack.
  const char* hashed = crypt_r(password.c_str(), entry.c_str(), scratch.get());
  return hashed == nullptr ? std::string() : hashed;
}

// Three bytes as four letters, the lowest first.
void AppendLetters(std::string& out, unsigned a, unsigned b, unsigned c, int count) {
  static constexpr char kLetters[] =
      "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  unsigned value = a << 16 | b << 8 | c;
  for (; count > 0; --count, value >>= 6) out += kLetters[value & 63];
}

// MD5, a thousand and some times. Source: Apache Portable Runtime, apr_md5_encode().
std::string Apr1(std::string_view password, std::string_view entry) {
  const std::string_view rest = entry.substr(kApr1.size());
  const std::string salt(rest.substr(0, std::min<size_t>(rest.find('$'), 8)));
  const auto md5 = [](std::string_view text) { return Hash(EVP_md5(), text); };
  const std::string word(password);

  const std::string inner = md5(word + salt + word);
  std::string text = word + std::string(kApr1) + salt;
  for (size_t left = word.size(); left > 0; left -= std::min<size_t>(left, 16)) {
    text += inner.substr(0, std::min<size_t>(left, 16));
  }
  for (size_t bits = word.size(); bits > 0; bits >>= 1) {
    text += (bits & 1) != 0 ? '\0' : word[0];
  }
  std::string digest = md5(text);
  for (int round = 0; round < 1000; ++round) {
    std::string next = round % 2 != 0 ? word : digest;
    if (round % 3 != 0) next += salt;
    if (round % 7 != 0) next += word;
    next += round % 2 != 0 ? digest : word;
    digest = md5(next);
  }
  std::string out = std::string(kApr1) + salt + '$';
  const auto at = [&](size_t i) { return static_cast<unsigned char>(digest[i]); };
  for (size_t i = 0; i < 5; ++i) {
    AppendLetters(out, at(i), at(i + 6), at(i == 4 ? 5 : i + 12), 4);
  }
  AppendLetters(out, 0, 0, at(11), 2);
  return out;
}

}  // namespace

base::Status CheckPasswordEntry(std::string_view entry) {
  const bool is_hash = entry.starts_with('$') || entry.starts_with('{');
  if (!is_hash || IsCryptKind(entry) || entry.starts_with(kApr1) || entry.starts_with(kSha)) {
    return {};
  }
  return Fail(Code::kUnimplemented,
              "this kind of hash is not supported; bcrypt, $apr1$, $1$, $5$, $6$, $y$, {{SHA}} and "
              "plain text are");
}

bool PasswordMatches(const std::string& entry, const std::string& password) {
  // crypt() would stop at a zero, and so take other passwords for the same.
  if (password.find('\0') != std::string::npos) return false;
  if (IsCryptKind(entry)) return Equal(Crypt(password, entry), entry);
  if (entry.starts_with(kApr1)) return Equal(Apr1(password, entry), entry);
  if (entry.starts_with(kSha)) {
    return Equal(std::string(kSha) + EncodeBase64(Hash(EVP_sha1(), password)), entry);
  }
  // Digests, so that the time tells nothing of the length.
  return Equal(Hash(EVP_sha256(), password), Hash(EVP_sha256(), entry));
}

Passwords::Passwords()
    : key_([] {
        std::array<unsigned char, 32> key{};
        CHECK(RAND_bytes(key.data(), static_cast<int>(key.size())) == 1);
        return key;
      }()) {}

base::Status Passwords::Add(const std::string& user, const std::string& entry) {
  if (base::Status status = CheckPasswordEntry(entry); !status.has_value()) {
    return std::unexpected(std::move(status).error().In("user " + user));
  }
  entries_[user] = entry;
  return {};
}

base::Status Passwords::AddList(std::string_view text) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const size_t colon = line.find(':');
    if (line.starts_with('#') || colon == std::string_view::npos) continue;
    RETURN_IF_ERROR(Add(std::string(line.substr(0, colon)), std::string(line.substr(colon + 1))));
  }
  return {};
}

std::optional<std::pair<std::string, std::string>> ParseBasicAuthorization(
    std::string_view authorization) {
  const size_t blank = authorization.find(' ');
  if (blank == std::string_view::npos || authorization.size() > kHeaderBytesMax) return {};
  std::string scheme(authorization.substr(0, blank));
  for (char& c : scheme) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (scheme != "basic") return {};
  const std::string pair = DecodeBase64(authorization.substr(blank + 1));
  const size_t colon = pair.find(':');
  if (colon == std::string::npos) return {};
  return std::pair(pair.substr(0, colon), pair.substr(colon + 1));
}

std::optional<Passwords::Claim> Passwords::ClaimOf(std::string_view authorization) const {
  const auto pair = ParseBasicAuthorization(authorization);
  if (!pair.has_value()) return {};
  Claim claim;
  const auto& [user, password] = *pair;
  const auto found = entries_.find(user);
  claim.is_known = found != entries_.end();
  claim.entry = claim.is_known ? found->second : kNobody;
  claim.password = password;
  claim.digest = DigestOf(user, claim.entry, claim.password);
  return claim;
}

bool Passwords::Remembers(std::string_view authorization) const {
  const std::optional<Claim> claim = ClaimOf(authorization);
  if (!claim.has_value() || !claim->is_known) return false;
  base::MutexLock lock(mutex_);
  return right_.contains(claim->digest);
}

bool Passwords::Accept(std::string_view authorization) const {
  if (Remembers(authorization)) return true;
  const std::optional<Claim> claim = ClaimOf(authorization);
  if (!claim.has_value()) return false;
  if (!PasswordMatches(claim->entry, claim->password) || !claim->is_known) return false;
  base::MutexLock lock(mutex_);
  if (right_.size() >= kRememberedMax) right_.clear();
  right_.insert(claim->digest);
  return true;
}

Passwords::Digest Passwords::DigestOf(const std::string& user, const std::string& entry,
                                      const std::string& password) const {
  const std::string text = user + '\0' + entry + '\0' + password;
  Digest digest{};
  unsigned int size = 0;
  CHECK(HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
             &size) != nullptr);
  return digest;
}

}  // namespace narthex::net
