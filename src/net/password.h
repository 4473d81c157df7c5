#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/mutex.h"
#include "base/result.h"

namespace narthex::net {

// Whether an entry of an htpasswd list is of a kind that Accepts knows: bcrypt ($2a$, $2b$, $2y$),
// Apache's MD5 ($apr1$), crypt's ($1$, $5$, $6$, $y$), `{SHA}` and plain text. Error:
// kUnimplemented.
base::Status CheckPasswordEntry(std::string_view entry);
// Slow on purpose for most kinds, up to a second for bcrypt.
// Source: Apache HTTP Server, "Password Formats"; libxcrypt, crypt(5).
bool PasswordMatches(const std::string& entry, const std::string& password);

// The name and the password of a basic Authorization header; nullopt for any other header.
// Source: RFC 7617.
std::optional<std::pair<std::string, std::string>> ParseBasicAuthorization(
    std::string_view authorization);

// Who may come in, by name and password. A pair that was right is remembered by a keyed digest, so
// that only its first use is slow. Thread-safe.
class Passwords {
 public:
  Passwords();

  // A later entry replaces an earlier one. Error: kUnimplemented for a kind that is not known. Not
  // while others ask.
  base::Status Add(const std::string& user, const std::string& entry);
  // The lines of an htpasswd file: `name:entry`; blank ones and those with # are passed over.
  base::Status AddList(std::string_view text);
  bool empty() const { return entries_.empty(); }

  // Whether that header was right before: a quick look.
  bool Remembers(std::string_view authorization) const;
  // The pair of a basic Authorization header. An unknown name takes as long as a wrong password.
  bool Accept(std::string_view authorization) const;

 private:
  using Digest = std::array<unsigned char, 32>;
  // What a header names; nullopt for none that can be read.
  struct Claim {
    bool is_known = false;
    std::string entry, password;
    Digest digest;
  };
  std::optional<Claim> ClaimOf(std::string_view authorization) const;
  Digest DigestOf(const std::string& user, const std::string& entry,
                  const std::string& password) const;

  std::map<std::string, std::string, std::less<>> entries_;
  const std::array<unsigned char, 32> key_;  // Of this process.
  mutable base::Mutex mutex_;
  mutable std::set<Digest> right_ GUARDED_BY(mutex_);
};

}  // namespace narthex::net
