#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/bytes.h"

namespace narthex::chunk {

// Bits of a chunk from the highest to the lowest of each byte. Reading past the end yields zero
// bits and shows in overrun(). One thread at a time.
class BitReader {
 public:
  explicit BitReader(std::string_view bytes) : bytes_(bytes) {}

  // The next bits, left-aligned; at least 57 of them are valid.
  uint64_t Peek() const {
    const size_t byte = position_ >> 3;
    return Load(byte) << (position_ & 7);
  }
  void Skip(unsigned count) { position_ += count; }

  // REQUIRES: 1 <= count <= 57.
  uint64_t Read(unsigned count) {
    const uint64_t bits = Peek() >> (64 - count);
    position_ += count;
    return bits;
  }
  uint64_t Read64() {
    const uint64_t high = Read(32);
    return (high << 32) | Read(32);
  }
  bool ReadBit() { return Read(1) != 0; }

  // Byte-wise varints of the first samples. REQUIRES: at a byte boundary.
  uint64_t ReadUvarint() {
    base::ByteReader reader(bytes_.substr(std::min(bytes_.size(), position_ >> 3)));
    const uint64_t value = reader.ReadUvarint();
    position_ = reader.ok() ? position_ + reader.offset() * 8 : bytes_.size() * 8 + 1;
    return value;
  }
  int64_t ReadVarint() { return base::UnZigZag(ReadUvarint()); }

  // The same at any bit.
  int64_t ReadVarintAnywhere() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      const uint64_t byte = Read(8);
      if (shift < 64) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return base::UnZigZag(value);
    }
    position_ = bytes_.size() * 8 + 1;  // Longer than any.
    return 0;
  }

  size_t position() const { return position_; }  // In bits.
  bool overrun() const { return position_ > bytes_.size() * 8; }

 private:
  uint64_t Load(size_t byte) const {
    if (byte + 8 <= bytes_.size()) [[likely]] {
      return base::LoadBigEndian<uint64_t>(bytes_.data() + byte);
    }
    char padded[8] = {};
    if (byte < bytes_.size()) std::memcpy(padded, bytes_.data() + byte, bytes_.size() - byte);
    return base::LoadBigEndian<uint64_t>(padded);
  }

  std::string_view bytes_;
  size_t position_ = 0;  // In bits.
};

}  // namespace narthex::chunk
