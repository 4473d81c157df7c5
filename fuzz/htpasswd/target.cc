// Any list is an error or names with entries; a header finds its way to one of them or does not.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/grpc.h"
#include "net/password.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace narthex;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  net::Passwords passwords;
  const base::Status status = passwords.AddList(text);
  CHECK(status.has_value() || !status.error().message.empty());
  const std::string_view line = text.substr(0, text.find('\n'));
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return 0;
  const std::string user(line.substr(0, colon)), entry(line.substr(colon + 1));
  const bool is_slow = entry.starts_with("$") && !entry.starts_with("$apr1$");
  if (!net::CheckPasswordEntry(entry).has_value() || is_slow) return 0;
  // Plain text is its own password; a hash is the hash of nothing so short as itself.
  if (!entry.starts_with('$') && !entry.starts_with('{')) {
    CHECK(net::PasswordMatches(entry, entry) == (entry.find('\0') == std::string::npos));
  } else {
    (void)net::PasswordMatches(entry, user);
  }
  net::Passwords one;
  CHECK(one.Add(user, entry).has_value());
  const std::string header = "Basic " + net::EncodeBase64(user + ":" + entry);
  const bool accepted = one.Accept(header);
  CHECK(one.Remembers(header) == accepted);
  return 0;
}
