#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"

namespace narthex::tsdb {

// The name of a block: 48 bits of milliseconds, 80 bits of chance, so that names sort by age. A
// value. Source: the ULID specification.
class Ulid {
 public:
  static constexpr size_t kTextBytes = 26;

  Ulid() = default;  // All zero: none.
  static Ulid New(int64_t unix_ms, base::Random& random);
  // nullopt for anything but 26 characters of Crockford's base 32 that fit in 128 bits.
  static std::optional<Ulid> Parse(std::string_view text);

  std::string ToString() const;  // 26 upper-case characters.
  int64_t unix_ms() const;

  auto operator<=>(const Ulid&) const = default;

 private:
  std::array<uint8_t, 16> bytes_{};
};

}  // namespace narthex::tsdb
