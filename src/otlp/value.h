#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "otlp/internal/wire.h"

namespace narthex::otlp {

// Attributes as they lie in a request: views over protobuf bytes that DecodeMetrics has found to
// be sound. Nothing is copied; everything lives as long as its Batch.

// An attribute's value. A value.
class AnyValue {
 public:
  enum class Kind : uint8_t { kEmpty, kString, kBool, kInt, kDouble, kArray, kMap, kBytes };

  AnyValue() = default;
  // `message`: the bytes of an AnyValue.
  explicit AnyValue(std::string_view message);

  Kind kind() const { return kind_; }
  bool Bool() const { return bits_ != 0; }
  int64_t Int() const { return static_cast<int64_t>(bits_); }
  double Double() const { return std::bit_cast<double>(bits_); }
  // The text of a string, the bytes of kBytes; of an array or a map the bytes of its message,
  // to be read with Values or KeyValues.
  std::string_view bytes() const { return bytes_; }

 private:
  Kind kind_ = Kind::kEmpty;
  uint64_t bits_ = 0;
  std::string_view bytes_;
};

struct KeyValue {
  std::string_view key;
  AnyValue value;
};

// The same with the value as it lies there: the bytes of an AnyValue.
struct RawKeyValue {
  std::string_view key;
  std::string_view value;
};

// Reads a row of KeyValue fields, such as the attributes of a point or a KeyValueList: every field
// is one KeyValue, whatever its number.
class KeyValues {
 public:
  explicit KeyValues(std::string_view fields) : cursor_(fields) {}
  // nullopt at the end.
  std::optional<KeyValue> Next();
  // For those who want few of many.
  std::optional<RawKeyValue> NextRaw();

 private:
  internal::Cursor cursor_;
};

// Reads the values of an ArrayValue.
class Values {
 public:
  explicit Values(std::string_view fields) : cursor_(fields) {}
  std::optional<AnyValue> Next();

 private:
  internal::Cursor cursor_;
};

// The value of the last attribute of that name; nullopt when absent.
std::optional<AnyValue> FindAttribute(std::string_view fields, std::string_view key);

// The string form that labels take: text as it is, numbers and booleans plain, bytes in base64,
// arrays and maps as JSON.
void AppendText(std::string& out, const AnyValue& value);
std::string Text(const AnyValue& value);

// Standard alphabet, padded.
std::string Base64(std::string_view bytes);

}  // namespace narthex::otlp
