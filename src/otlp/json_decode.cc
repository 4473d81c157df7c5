#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "json/reader.h"
#include "model/number.h"
#include "otlp/decode.h"
#include "otlp/internal/schema.h"
#include "otlp/json.h"
#include "otlp/traces.h"
#include "otlp/writer.h"

namespace narthex::otlp {
namespace {

using base::Code;
using base::Fail;
using internal::Field;
using internal::FieldType;
using internal::MessageId;
using internal::Presence;
using json::Element;
using json::Kind;

// Levels of JSON: seven for the request down to an attribute, then three per level of a value.
constexpr size_t kDepthMax = 16 + 3 * kValueDepthMax;

template <class T>
std::optional<T> ParseWhole(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int64_t> ReadInt(Element element) {
  if (const auto text = element.String()) return ParseWhole<int64_t>(*text);
  return element.Int();
}
std::optional<uint64_t> ReadUint(Element element) {
  if (const auto text = element.String()) return ParseWhole<uint64_t>(*text);
  return element.Uint();
}
std::optional<double> ReadDouble(Element element) {
  if (const auto text = element.String()) return model::ParseFloat(*text);
  return element.Double();
}
std::optional<bool> ReadBool(Element element) {
  if (const auto text = element.String()) {
    if (*text == "true") return true;
    if (*text == "false") return false;
    return std::nullopt;
  }
  return element.Bool();
}
std::optional<uint64_t> ReadEnum(Element element, std::span<const std::string_view> names) {
  if (const auto text = element.String()) {
    for (size_t i = 0; i < names.size(); ++i) {
      if (*text == names[i]) return i;
    }
  }
  const auto value = ReadInt(element);
  return value.has_value() ? std::optional(static_cast<uint64_t>(*value)) : std::nullopt;
}

std::optional<std::string> DecodeHex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  for (size_t i = 0; i < text.size(); i += 2) {
    uint8_t byte = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    if (error != std::errc() || end != text.data() + i + 2) return std::nullopt;
    out += static_cast<char>(byte);
  }
  return out;
}

int Base64Digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

// Standard or URL alphabet, with or without padding.
std::optional<std::string> DecodeBase64(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string out;
  uint32_t word = 0;
  int bits = 0;
  for (const char c : text) {
    const int digit = Base64Digit(c);
    if (digit < 0) return std::nullopt;
    word = word << 6 | static_cast<uint32_t>(digit);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>(word >> bits & 0xff);
    }
  }
  if (bits >= 6) return std::nullopt;
  return out;
}

class Transcoder {
 public:
  base::Result<std::string> Run(Element root, MessageId message) {
    if (root.kind() != Kind::kObject) {
      return Fail(Code::kInvalidArgument, "invalid OTLP/JSON: the request is not an object");
    }
    PutFields(message, root);
    if (!error_.empty()) return Fail(Code::kInvalidArgument, "invalid OTLP/JSON: {}", error_);
    return writer_.Take();
  }

 private:
  bool Stop() const { return !error_.empty(); }
  void SetError(const Field& field, std::string_view reason) {
    if (error_.empty()) error_ = std::string(field.name) + ": " + std::string(reason);
  }

  // REQUIRES: `object` is one. The depth is bounded, hence so is the recursion.
  void PutFields(MessageId message, Element object) {
    if (++depth_ > kDepthMax) {
      error_ = "values nest too deeply";
    }
    object.ForEachMember([&](std::string_view name, Element value) {
      if (Stop()) return false;
      const Field* field = internal::FindField(message, name);
      if (field != nullptr && !value.is_null()) PutField(*field, value);
      return !Stop();
    });
    --depth_;
  }

  void PutField(const Field& field, Element value) {
    if (field.presence != Presence::kRepeated) return PutOne(field, value);
    if (value.kind() != Kind::kArray) return SetError(field, "must be an array");
    const bool is_packed = field.type == FieldType::kFixed64 || field.type == FieldType::kDouble ||
                           field.type == FieldType::kUint64;
    if (is_packed) return PutPacked(field, value);
    value.ForEachItem([&](Element item) {
      if (!item.is_null()) PutOne(field, item);
      return !Stop();
    });
  }

  void PutPacked(const Field& field, Element array) {
    const Writer::Mark mark = writer_.Begin(field.number);
    array.ForEachItem([&](Element item) {
      if (field.type == FieldType::kDouble) {
        const auto value = ReadDouble(item);
        if (!value.has_value()) return SetError(field, "must be numbers"), false;
        writer_.PutWord(std::bit_cast<uint64_t>(*value));
        return true;
      }
      const auto value = ReadUint(item);
      if (!value.has_value()) return SetError(field, "must be whole numbers"), false;
      field.type == FieldType::kUint64 ? writer_.PutVarint(*value) : writer_.PutWord(*value);
      return true;
    });
    writer_.End(mark);
  }

  void PutOne(const Field& field, Element value) {
    switch (field.type) {
      case FieldType::kMessage: {
        if (value.kind() != Kind::kObject) return SetError(field, "must be an object");
        const Writer::Mark mark = writer_.Begin(field.number);
        PutFields(field.message, value);
        writer_.End(mark);
        return;
      }
      case FieldType::kString:
        if (const auto text = value.String()) return writer_.Bytes(field.number, *text);
        return SetError(field, "must be a string");
      case FieldType::kBase64:
      case FieldType::kHex: {
        const auto text = value.String();
        if (!text.has_value()) return SetError(field, "must be a string");
        const auto bytes = field.type == FieldType::kHex ? DecodeHex(*text) : DecodeBase64(*text);
        if (!bytes.has_value()) {
          return SetError(field,
                          field.type == FieldType::kHex ? "is not hexadecimal" : "is not base64");
        }
        return writer_.Bytes(field.number, *bytes);
      }
      case FieldType::kDouble:
        if (const auto number = ReadDouble(value)) return writer_.Double(field.number, *number);
        return SetError(field, "must be a number");
      case FieldType::kBool:
        if (const auto boolean = ReadBool(value)) return writer_.Varint(field.number, *boolean);
        return SetError(field, "must be true or false");
      case FieldType::kTemporality:
      case FieldType::kSpanKind:
      case FieldType::kStatusCode:
        if (const auto number = ReadEnum(value, internal::EnumNames(field.type))) {
          return writer_.Varint(field.number, *number);
        }
        return SetError(field, "is no value of its enumeration");
      default:
        return PutInteger(field, value);
    }
  }

  void PutInteger(const Field& field, Element value) {
    const bool is_signed = field.type == FieldType::kInt64 || field.type == FieldType::kSfixed64 ||
                           field.type == FieldType::kSint32;
    const auto number = is_signed ? ReadInt(value) : std::optional<int64_t>();
    const auto natural = is_signed ? std::optional<uint64_t>() : ReadUint(value);
    const bool is_in_range =
        number.has_value()
            ? field.type != FieldType::kSint32 || (*number >= INT32_MIN && *number <= INT32_MAX)
            : natural.has_value() && (field.type != FieldType::kUint32 || *natural <= UINT32_MAX);
    if (!is_in_range) return SetError(field, "must be a whole number in range");
    switch (field.type) {
      case FieldType::kSint32:
        return writer_.ZigZag(field.number, *number);
      case FieldType::kInt64:
        return writer_.Varint(field.number, static_cast<uint64_t>(*number));
      case FieldType::kSfixed64:
        return writer_.Fixed64(field.number, static_cast<uint64_t>(*number));
      case FieldType::kFixed64:
        return writer_.Fixed64(field.number, *natural);
      default:
        return writer_.Varint(field.number, *natural);
    }
  }

  Writer writer_;
  std::string error_;
  size_t depth_ = 0;
};

base::Result<std::string> ProtobufOf(std::string_view text, MessageId message) {
  ASSIGN_OR_RETURN(const json::Document document, json::Document::Parse(text));
  return Transcoder().Run(document.root(), message);
}

}  // namespace

base::Result<std::string> ProtobufFromJson(std::string_view text) {
  return ProtobufOf(text, MessageId::kRequest);
}

base::Result<Batch> DecodeMetricsJson(std::string_view text) {
  ASSIGN_OR_RETURN(std::string request, ProtobufFromJson(text));
  return DecodeMetrics(std::move(request));
}

base::Result<Traces> DecodeTracesJson(std::string_view text) {
  ASSIGN_OR_RETURN(std::string request, ProtobufOf(text, MessageId::kTraceRequest));
  return DecodeTraces(std::move(request));
}

}  // namespace narthex::otlp
