#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace narthex::otlp::internal {

// The low end of protobuf's wire format, by hand: one pass, no copies, no allocation.
// Source: https://protobuf.dev/programming-guides/encoding/

static_assert(std::endian::native == std::endian::little, "fixed words are read in place");

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Field numbers and tags of one byte (fields up to 15).
constexpr uint32_t Tag(uint32_t field, WireType type) {
  return field << 3 | static_cast<uint32_t>(type);
}

// A cursor over one message. After any failed read ok() is false for good, the cursor stays where
// the bad field began, and reads give zeros. One thread at a time.
class Cursor {
 public:
  explicit Cursor(std::string_view message)
      : at_(message.data()), end_(message.data() + message.size()) {}

  bool ok() const { return ok_; }
  bool empty() const { return at_ == end_; }
  const char* at() const { return at_; }
  const char* end() const { return end_; }

  // The next field's tag; 0 at the end or on damage.
  uint32_t NextTag() {
    if (at_ == end_) return 0;
    field_ = at_;
    if (static_cast<uint8_t>(*at_) < 0x80) [[likely]] {
      const auto tag = static_cast<uint8_t>(*at_++);
      return tag < 8 ? Bad() : tag;  // Field number 0.
    }
    const uint64_t tag = ReadVarint();
    return tag < 8 || tag > UINT32_MAX ? Bad() : static_cast<uint32_t>(tag);
  }
  // Where the field of the last tag began.
  const char* field() const { return field_; }

  uint64_t ReadVarint() {
    if (at_ != end_ && static_cast<uint8_t>(*at_) < 0x80) [[likely]] {
      return static_cast<uint8_t>(*at_++);
    }
    return ReadLongVarint();
  }
  uint64_t ReadFixed64() {
    if (end_ - at_ < 8) return Bad();
    uint64_t value;
    std::memcpy(&value, at_, sizeof(value));
    at_ += 8;
    return value;
  }
  std::string_view ReadBytes() {
    const uint64_t size = ReadVarint();
    if (size > static_cast<uint64_t>(end_ - at_)) {
      Bad();
      return {};
    }
    const std::string_view bytes(at_, size);
    at_ += size;
    return bytes;
  }
  // Skips the value of a field of this tag. Groups, long out of use, are refused.
  void Skip(uint32_t tag) {
    switch (static_cast<WireType>(tag & 7)) {
      case WireType::kVarint:
        ReadVarint();
        return;
      case WireType::kFixed64:
        ReadFixed64();
        return;
      case WireType::kBytes:
        ReadBytes();
        return;
      case WireType::kFixed32:
        if (end_ - at_ < 4) {
          Bad();
        } else {
          at_ += 4;
        }
        return;
    }
    Bad();
  }

  uint32_t Bad() {
    if (ok_) {
      ok_ = false;
      bad_ = field_ != nullptr ? field_ : at_;
    }
    at_ = end_;
    return 0;
  }
  // Where the field that could not be read began. REQUIRES: !ok().
  const char* bad() const { return bad_; }

 private:
  uint64_t ReadLongVarint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      if (at_ == end_) return Bad();
      const auto byte = static_cast<uint8_t>(*at_++);
      // Bits past the 64th are dropped, as every protobuf implementation does.
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return Bad();
  }

  const char* at_;
  const char* end_;
  const char* field_ = nullptr;
  const char* bad_ = nullptr;
  bool ok_ = true;
};

}  // namespace narthex::otlp::internal
