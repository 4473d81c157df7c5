#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace narthex::base {

// Byte strings are std::string and std::string_view throughout; these put and take the integers of
// Prometheus's formats: big-endian words and Go varints (LEB128, signed ones zig-zag).

template <class T>
void StoreBigEndian(char* to, T value) {
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  std::memcpy(to, &value, sizeof(value));
}

template <class T>
T LoadBigEndian(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  return value;
}

template <class T>
void PutBigEndian(std::string& out, T value) {
  char buffer[sizeof(T)];
  StoreBigEndian(buffer, value);
  out.append(buffer, sizeof(T));
}

inline constexpr size_t kVarintBytesMax = 10;

inline constexpr uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
inline constexpr int64_t UnZigZag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

// Writes at most kVarintBytesMax bytes; returns the first byte after them.
inline char* StoreUvarint(char* to, uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}
inline char* StoreVarint(char* to, int64_t value) { return StoreUvarint(to, ZigZag(value)); }

// Of our own bytes in memory, known to be well formed.
inline uint64_t TakeUvarint(const char*& at) {
  uint64_t value = 0;
  for (unsigned shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(*at++);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

inline void PutUvarint(std::string& out, uint64_t value) {
  char buffer[kVarintBytesMax];
  out.append(buffer, static_cast<size_t>(StoreUvarint(buffer, value) - buffer));
}
inline void PutVarint(std::string& out, int64_t value) { PutUvarint(out, ZigZag(value)); }
inline void PutUvarintString(std::string& out, std::string_view text) {
  PutUvarint(out, text.size());
  out.append(text);
}

// A cursor over bytes from outside. Reading past the end (or a varint over 64 bits) returns zeros
// and turns ok() false for good, so that a decoder checks once. One thread at a time.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes)
      : begin_(bytes.data()), at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool ok() const { return ok_; }
  size_t offset() const { return static_cast<size_t>(at_ - begin_); }
  size_t remaining() const { return static_cast<size_t>(end_ - at_); }
  bool empty() const { return at_ == end_; }

  uint8_t ReadByte() { return remaining() < 1 ? Bad<uint8_t>() : static_cast<uint8_t>(*at_++); }

  template <class T>
  T ReadBigEndian() {
    if (remaining() < sizeof(T)) return Bad<T>();
    const T value = LoadBigEndian<T>(at_);
    at_ += sizeof(T);
    return value;
  }

  uint64_t ReadUvarint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) return Bad<uint64_t>();
      const auto byte = static_cast<uint8_t>(*at_++);
      if (shift == 63 && byte > 1) return Bad<uint64_t>();
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return Bad<uint64_t>();
  }
  int64_t ReadVarint() { return UnZigZag(ReadUvarint()); }

  std::string_view ReadBytes(size_t count) {
    if (count > remaining()) return Bad<std::string_view>();
    const std::string_view bytes(at_, count);
    at_ += count;
    return bytes;
  }
  std::string_view ReadUvarintString() { return ReadBytes(ReadUvarint()); }

 private:
  template <class T>
  T Bad() {
    ok_ = false;
    at_ = end_;
    return T{};
  }

  const char* begin_;
  const char* at_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace narthex::base
