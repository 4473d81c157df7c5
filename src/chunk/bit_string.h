#pragma once

#include <cstdint>
#include <string>

namespace narthex::chunk {

// Appends bits from the highest to the lowest of each byte. One thread at a time.
class BitString {
 public:
  // REQUIRES: count <= 64.
  void Put(uint64_t value, unsigned count);
  // Byte-wise varints, wherever the last bit is.
  void PutUvarint(uint64_t value);
  void PutVarint(int64_t value);
  std::string& bytes() { return bytes_; }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  unsigned free_ = 0;  // Bits of the last byte.
};

}  // namespace narthex::chunk
