#include <cmath>

#include "base/bytes.h"
#include "json/writer.h"
#include "otlp/encode.h"
#include "otlp/internal/schema.h"
#include "otlp/internal/wire.h"
#include "otlp/json.h"
#include "otlp/value.h"

namespace narthex::otlp {
namespace {

using internal::Cursor;
using internal::Field;
using internal::FieldType;
using internal::MessageId;
using internal::Presence;
using internal::WireType;

WireType WireTypeOf(FieldType type) {
  switch (type) {
    case FieldType::kString:
    case FieldType::kBase64:
    case FieldType::kHex:
    case FieldType::kMessage:
      return WireType::kBytes;
    case FieldType::kFixed64:
    case FieldType::kSfixed64:
    case FieldType::kDouble:
      return WireType::kFixed64;
    default:
      return WireType::kVarint;
  }
}

std::string Hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<uint8_t>(c) >> 4];
    out += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return out;
}

int64_t UnZigZag32(uint64_t value) { return base::UnZigZag(value & UINT32_MAX); }

class Printer {
 public:
  std::string Run(std::string_view request) {
    PutMessage(MessageId::kRequest, request);
    return writer_.Take();
  }

 private:
  // The bytes are sound and their depth is bounded (DecodeMetrics saw them), hence so is the
  // recursion.
  void PutMessage(MessageId id, std::string_view message) {
    writer_.BeginObject();
    for (const Field& field : internal::FieldsOf(id)) {
      field.presence == Presence::kRepeated ? PutRepeated(field, message)
                                            : PutSingular(id, field, message);
    }
    writer_.EndObject();
  }

  void PutRepeated(const Field& field, std::string_view message) {
    const WireType type = WireTypeOf(field.type);
    bool is_open = false;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      const bool is_one = tag == internal::Tag(field.number, type);
      const bool is_packed = !is_one && tag == internal::Tag(field.number, WireType::kBytes);
      if (!is_one && !is_packed) {
        cursor.Skip(tag);
        continue;
      }
      if (!is_open) writer_.Key(field.name).BeginArray();
      is_open = true;
      if (is_one) {
        PutValue(field, cursor);
      } else {
        Cursor values(cursor.ReadBytes());
        while (!values.empty()) PutValue(field, values);
      }
    }
    if (is_open) writer_.EndArray();
  }

  // Of several the last counts, messages merge by joining, and a later member of a oneof takes the
  // place of an earlier one.
  void PutSingular(MessageId id, const Field& field, std::string_view message) {
    const uint32_t wanted = internal::Tag(field.number, WireTypeOf(field.type));
    std::optional<Cursor> last;
    std::string_view whole;
    std::string joined;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      if (tag == wanted) {
        if (field.type == FieldType::kMessage) {
          Cursor value = cursor;
          if (last.has_value()) joined.append(joined.empty() ? whole : "");
          whole = value.ReadBytes();
          if (last.has_value()) joined.append(whole);
        }
        last = cursor;
      } else if (field.presence == Presence::kOneof && IsMemberOfOneof(id, tag)) {
        last.reset();
        joined.clear();
      }
      cursor.Skip(tag);
    }
    if (!last.has_value()) return;
    if (field.presence == Presence::kImplicit && IsDefault(*last, WireTypeOf(field.type))) return;
    writer_.Key(field.name);
    if (field.type == FieldType::kMessage) {
      PutMessage(field.message, joined.empty() ? whole : std::string_view(joined));
    } else {
      PutValue(field, *last);
    }
  }

  static bool IsMemberOfOneof(MessageId id, uint32_t tag) {
    for (const Field& field : internal::FieldsOf(id)) {
      if (field.presence == Presence::kOneof &&
          tag == internal::Tag(field.number, WireTypeOf(field.type))) {
        return true;
      }
    }
    return false;
  }

  static bool IsDefault(Cursor cursor, WireType type) {
    switch (type) {
      case WireType::kBytes:
        return cursor.ReadBytes().empty();
      case WireType::kFixed64:
        return cursor.ReadFixed64() == 0;
      default:
        return cursor.ReadVarint() == 0;
    }
  }

  void PutValue(const Field& field, Cursor& cursor) {
    switch (field.type) {
      case FieldType::kMessage:
        return PutMessage(field.message, cursor.ReadBytes());
      case FieldType::kString:
        writer_.String(cursor.ReadBytes());
        return;
      case FieldType::kBase64:
        writer_.String(Base64(cursor.ReadBytes()));
        return;
      case FieldType::kHex:
        writer_.String(Hex(cursor.ReadBytes()));
        return;
      case FieldType::kBool:
        writer_.Bool(cursor.ReadVarint() != 0);
        return;
      case FieldType::kUint32:
      case FieldType::kTemporality:
      case FieldType::kSpanKind:
      case FieldType::kStatusCode:
        writer_.Uint(cursor.ReadVarint() & UINT32_MAX);
        return;
      case FieldType::kSint32:
        writer_.Int(UnZigZag32(cursor.ReadVarint()));
        return;
      case FieldType::kInt64:
        writer_.String(std::to_string(static_cast<int64_t>(cursor.ReadVarint())));
        return;
      case FieldType::kUint64:
        writer_.String(std::to_string(cursor.ReadVarint()));
        return;
      case FieldType::kFixed64:
        writer_.String(std::to_string(cursor.ReadFixed64()));
        return;
      case FieldType::kSfixed64:
        writer_.String(std::to_string(static_cast<int64_t>(cursor.ReadFixed64())));
        return;
      case FieldType::kDouble:
        return PutDouble(std::bit_cast<double>(cursor.ReadFixed64()));
    }
  }

  void PutDouble(double value) {
    if (std::isnan(value)) {
      writer_.String("NaN");
    } else if (std::isinf(value)) {
      writer_.String(value > 0 ? "Infinity" : "-Infinity");
    } else {
      writer_.Double(value);
    }
  }

  json::Writer writer_;
};

}  // namespace

std::string EncodeMetricsJson(const Batch& batch) { return Printer().Run(EncodeMetrics(batch)); }

}  // namespace narthex::otlp
