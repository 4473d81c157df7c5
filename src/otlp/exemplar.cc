#include "otlp/exemplar.h"

#include <bit>

#include "otlp/internal/wire.h"

namespace narthex::otlp {

using internal::Cursor;
using internal::Tag;
using internal::WireType;

Exemplar DecodeExemplar(std::string_view message) {
  Exemplar exemplar;
  Cursor cursor(message);
  while (const uint32_t tag = cursor.NextTag()) {
    const char* const begin = cursor.field();
    switch (tag) {
      case Tag(2, WireType::kFixed64):
        exemplar.time_ns = cursor.ReadFixed64();
        break;
      case Tag(3, WireType::kFixed64):
        exemplar.value = std::bit_cast<double>(cursor.ReadFixed64());
        break;
      case Tag(6, WireType::kFixed64):
        exemplar.value = static_cast<double>(static_cast<int64_t>(cursor.ReadFixed64()));
        break;
      case Tag(4, WireType::kBytes):
        exemplar.span_id = cursor.ReadBytes();
        break;
      case Tag(5, WireType::kBytes):
        exemplar.trace_id = cursor.ReadBytes();
        break;
      default:
        cursor.Skip(tag);
        if (tag == Tag(7, WireType::kBytes)) exemplar.attributes.append(begin, cursor.at());
    }
  }
  return exemplar;
}

std::vector<std::string_view> ExemplarMessages(std::string_view point, uint32_t field) {
  std::vector<std::string_view> messages;
  Cursor cursor(point);
  while (const uint32_t tag = cursor.NextTag()) {
    if (tag == Tag(field, WireType::kBytes)) {
      messages.push_back(cursor.ReadBytes());
    } else {
      cursor.Skip(tag);
    }
  }
  return messages;
}

std::string HexOf(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

}  // namespace narthex::otlp
