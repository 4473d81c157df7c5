#pragma once

#include <xxhash.h>

#include <bit>
#include <cstdint>
#include <string_view>

namespace narthex::exporters::internal {

// 128 bits, keyed per process: nobody can make two things collide, so that the bytes behind a hash
// need not be kept.
struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const Hash128&) const = default;
};
struct HashOfHash {
  size_t operator()(const Hash128& hash) const { return hash.low; }
};

// Mixes `bytes` into `hash`. Bytes of one field cannot pass for those of the next.
inline Hash128 Mix(const Hash128& hash, std::string_view bytes) {
  const XXH128_hash_t mixed = XXH3_128bits_withSeed(bytes.data(), bytes.size(), hash.low);
  return {mixed.low64, mixed.high64 + std::rotl(hash.high, 23)};
}
inline Hash128 Mix(const Hash128& hash, const Hash128& other) {
  return Mix(hash, {reinterpret_cast<const char*>(&other), sizeof(other)});
}

}  // namespace narthex::exporters::internal
