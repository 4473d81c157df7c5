#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "otlp/internal/wire.h"

namespace narthex::otlp {

// Writes protobuf messages into one string, outer ones around inner ones: Begin leaves a byte for
// the length, End makes more room where the message turned out long. Fields with default values
// are the caller's to leave out. One thread at a time.
class Writer {
 public:
  // The place of an open message.
  using Mark = size_t;

  Mark Begin(uint32_t field) {
    PutTag(field, internal::WireType::kBytes);
    out_ += '\0';
    return out_.size();
  }
  void End(Mark mark) {
    const size_t size = out_.size() - mark;
    char length[base::kVarintBytesMax];
    const auto bytes = static_cast<size_t>(base::StoreUvarint(length, size) - length);
    if (bytes > 1) out_.insert(mark, bytes - 1, '\0');
    std::memcpy(out_.data() + mark - 1, length, bytes);
  }

  void Bytes(uint32_t field, std::string_view value) {
    PutTag(field, internal::WireType::kBytes);
    base::PutUvarintString(out_, value);
  }
  void Varint(uint32_t field, uint64_t value) {
    PutTag(field, internal::WireType::kVarint);
    base::PutUvarint(out_, value);
  }
  void ZigZag(uint32_t field, int64_t value) { Varint(field, base::ZigZag(value)); }
  void Fixed64(uint32_t field, uint64_t value) {
    PutTag(field, internal::WireType::kFixed64);
    PutWord(value);
  }
  void Double(uint32_t field, double value) { Fixed64(field, std::bit_cast<uint64_t>(value)); }
  // A word of a packed field, inside Begin and End.
  void PutWord(uint64_t value) {
    char bytes[8];
    std::memcpy(bytes, &value, 8);
    out_.append(bytes, 8);
  }
  void PutVarint(uint64_t value) { base::PutUvarint(out_, value); }
  // The messages among `fields`, whatever their numbers, under this one.
  void Messages(uint32_t field, std::string_view fields) {
    internal::Cursor cursor(fields);
    while (const uint32_t tag = cursor.NextTag()) {
      if ((tag & 7) == static_cast<uint32_t>(internal::WireType::kBytes)) {
        Bytes(field, cursor.ReadBytes());
      } else {
        cursor.Skip(tag);
      }
    }
  }
  // Fields that are written already.
  void Raw(std::string_view fields) { out_.append(fields); }

  size_t size() const { return out_.size(); }
  std::string Take() { return std::move(out_); }
  void Reserve(size_t bytes) { out_.reserve(bytes); }

 private:
  void PutTag(uint32_t field, internal::WireType type) {
    base::PutUvarint(out_, internal::Tag(field, type));
  }

  std::string out_;
};

}  // namespace narthex::otlp
