#include "tsdb/block/ulid.h"

#include "base/bytes.h"

namespace narthex::tsdb {
namespace {

// Crockford's alphabet: no I, L, O and U.
constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr unsigned kBitsPerCharacter = 5;
// 26 characters hold 130 bits: the first one carries three.
constexpr uint32_t kFirstCharacterMax = 7;

std::optional<uint32_t> Digit(char c) {
  if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  const size_t at = kAlphabet.find(c);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<uint32_t>(at);
}

}  // namespace

Ulid Ulid::New(int64_t unix_ms, base::Random& random) {
  Ulid ulid;
  char head[8];
  base::StoreBigEndian(head, static_cast<uint64_t>(unix_ms) << 16 | (random.Next() & 0xffff));
  char tail[8];
  base::StoreBigEndian(tail, random.Next());
  for (size_t i = 0; i < 8; ++i) {
    ulid.bytes_[i] = static_cast<uint8_t>(head[i]);
    ulid.bytes_[i + 8] = static_cast<uint8_t>(tail[i]);
  }
  return ulid;
}

std::optional<Ulid> Ulid::Parse(std::string_view text) {
  if (text.size() != kTextBytes) return std::nullopt;
  uint64_t high = 0;
  uint64_t low = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::optional<uint32_t> digit = Digit(text[i]);
    if (!digit || (i == 0 && *digit > kFirstCharacterMax)) return std::nullopt;
    high = high << kBitsPerCharacter | low >> (64 - kBitsPerCharacter);
    low = low << kBitsPerCharacter | *digit;
  }
  Ulid ulid;
  for (unsigned i = 0; i < 8; ++i) {
    ulid.bytes_[i] = static_cast<uint8_t>(high >> (56 - 8 * i));
    ulid.bytes_[i + 8] = static_cast<uint8_t>(low >> (56 - 8 * i));
  }
  return ulid;
}

std::string Ulid::ToString() const {
  uint64_t high = 0;
  uint64_t low = 0;
  for (size_t i = 0; i < 8; ++i) {
    high = high << 8 | bytes_[i];
    low = low << 8 | bytes_[i + 8];
  }
  std::string text(kTextBytes, '0');
  for (size_t i = kTextBytes; i-- > 0;) {
    text[i] = kAlphabet[low & 31];
    low = low >> kBitsPerCharacter | high << (64 - kBitsPerCharacter);
    high >>= kBitsPerCharacter;
  }
  return text;
}

int64_t Ulid::unix_ms() const {
  int64_t ms = 0;
  for (size_t i = 0; i < 6; ++i) ms = ms << 8 | bytes_[i];
  return ms;
}

}  // namespace narthex::tsdb
