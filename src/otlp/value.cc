#include "otlp/value.h"

#include <utility>
#include <vector>

#include "json/writer.h"
#include "model/number.h"

namespace narthex::otlp {
namespace {

using internal::Cursor;
using internal::Tag;
using internal::WireType;

RawKeyValue ReadRaw(std::string_view message) {
  RawKeyValue result;
  Cursor fields(message);
  while (const uint32_t tag = fields.NextTag()) {
    switch (tag) {
      case Tag(1, WireType::kBytes):
        result.key = fields.ReadBytes();
        break;
      case Tag(2, WireType::kBytes):
        result.value = fields.ReadBytes();
        break;
      default:
        fields.Skip(tag);
    }
  }
  return result;
}

KeyValue ReadKeyValue(std::string_view message) {
  const RawKeyValue raw = ReadRaw(message);
  return {raw.key, AnyValue(raw.value)};
}

// The next message of a row of fields; anything else in it is skipped.
std::optional<std::string_view> NextMessage(Cursor& cursor) {
  while (const uint32_t tag = cursor.NextTag()) {
    if ((tag & 7) == static_cast<uint32_t>(WireType::kBytes)) return cursor.ReadBytes();
    cursor.Skip(tag);
  }
  return std::nullopt;
}

// A scalar as JSON writes it.
void AppendJsonScalar(std::string& out, const AnyValue& value) {
  switch (value.kind()) {
    case AnyValue::Kind::kString:
      return json::AppendString(out, value.bytes());
    case AnyValue::Kind::kBytes:
      return json::AppendString(out, Base64(value.bytes()));
    case AnyValue::Kind::kEmpty:
      out += "null";
      return;
    default:
      AppendText(out, value);
  }
}

// Arrays and maps as JSON, without recursion: a sender chooses the depth.
void AppendJson(std::string& out, const AnyValue& root) {
  struct Open {
    bool is_map;
    Cursor cursor;
    bool is_first = true;
  };
  std::vector<Open> open;
  const auto begin = [&](const AnyValue& value) {
    const bool is_map = value.kind() == AnyValue::Kind::kMap;
    out += is_map ? '{' : '[';
    open.push_back({is_map, Cursor(value.bytes())});
  };
  begin(root);
  while (!open.empty()) {
    Open& top = open.back();
    const uint32_t tag = top.cursor.NextTag();
    if (tag == 0) {
      out += top.is_map ? '}' : ']';
      open.pop_back();
      continue;
    }
    if (tag != Tag(1, WireType::kBytes)) {
      top.cursor.Skip(tag);
      continue;
    }
    if (!std::exchange(top.is_first, false)) out += ',';
    const std::string_view message = top.cursor.ReadBytes();
    AnyValue value;
    if (top.is_map) {
      const KeyValue item = ReadKeyValue(message);
      json::AppendString(out, item.key);
      out += ':';
      value = item.value;
    } else {
      value = AnyValue(message);
    }
    if (value.kind() == AnyValue::Kind::kArray || value.kind() == AnyValue::Kind::kMap) {
      begin(value);
    } else {
      AppendJsonScalar(out, value);
    }
  }
}

}  // namespace

AnyValue::AnyValue(std::string_view message) {
  Cursor cursor(message);
  while (const uint32_t tag = cursor.NextTag()) {
    switch (tag) {
      case Tag(1, WireType::kBytes):
        kind_ = Kind::kString;
        bytes_ = cursor.ReadBytes();
        break;
      case Tag(2, WireType::kVarint):
        kind_ = Kind::kBool;
        bits_ = cursor.ReadVarint();
        break;
      case Tag(3, WireType::kVarint):
        kind_ = Kind::kInt;
        bits_ = cursor.ReadVarint();
        break;
      case Tag(4, WireType::kFixed64):
        kind_ = Kind::kDouble;
        bits_ = cursor.ReadFixed64();
        break;
      case Tag(5, WireType::kBytes):
        kind_ = Kind::kArray;
        bytes_ = cursor.ReadBytes();
        break;
      case Tag(6, WireType::kBytes):
        kind_ = Kind::kMap;
        bytes_ = cursor.ReadBytes();
        break;
      case Tag(7, WireType::kBytes):
        kind_ = Kind::kBytes;
        bytes_ = cursor.ReadBytes();
        break;
      default:
        cursor.Skip(tag);
    }
  }
}

std::optional<KeyValue> KeyValues::Next() {
  const auto message = NextMessage(cursor_);
  return message.has_value() ? std::optional(ReadKeyValue(*message)) : std::nullopt;
}

std::optional<RawKeyValue> KeyValues::NextRaw() {
  const auto message = NextMessage(cursor_);
  return message.has_value() ? std::optional(ReadRaw(*message)) : std::nullopt;
}

std::optional<AnyValue> Values::Next() {
  const auto message = NextMessage(cursor_);
  return message.has_value() ? std::optional(AnyValue(*message)) : std::nullopt;
}

std::optional<AnyValue> FindAttribute(std::string_view fields, std::string_view key) {
  std::optional<AnyValue> found;
  KeyValues reader(fields);
  while (const auto item = reader.Next()) {
    if (item->key == key) found = item->value;
  }
  return found;
}

void AppendText(std::string& out, const AnyValue& value) {
  switch (value.kind()) {
    case AnyValue::Kind::kEmpty:
      return;
    case AnyValue::Kind::kString:
      out += value.bytes();
      return;
    case AnyValue::Kind::kBool:
      out += value.Bool() ? "true" : "false";
      return;
    case AnyValue::Kind::kInt:
      out += std::to_string(value.Int());
      return;
    case AnyValue::Kind::kDouble:
      return model::AppendJsonFloat(out, value.Double());
    case AnyValue::Kind::kArray:
    case AnyValue::Kind::kMap:
      return AppendJson(out, value);
    case AnyValue::Kind::kBytes:
      out += Base64(value.bytes());
      return;
  }
}

std::string Base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t word = 0;
    for (size_t j = 0; j < 3; ++j) {
      word = word << 8 | (i + j < bytes.size() ? static_cast<uint8_t>(bytes[i + j]) : 0u);
    }
    for (size_t j = 0; j < 4; ++j) {
      out += i + j <= bytes.size() ? kDigits[word >> (18 - 6 * j) & 63] : '=';
    }
  }
  return out;
}

std::string Text(const AnyValue& value) {
  std::string out;
  AppendText(out, value);
  return out;
}

}  // namespace narthex::otlp
