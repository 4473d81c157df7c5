#include "otlp/internal/decoding.h"

#include <optional>

#include "otlp/decode.h"

namespace narthex::otlp::internal {
namespace {

// The index takes memory that the sender does not pay for: an empty point is two bytes on the wire.
// Real points are 20 bytes and more, so that this ratio only stops forgeries.
constexpr size_t kIndexBytesPerByte = 16;
constexpr size_t kIndexBytesFree = 1 << 20;

}  // namespace

Decoding::Decoding(std::string request)
    : index_bytes_max_(request.size() * kIndexBytesPerByte + kIndexBytesFree) {
  // Counts and offsets in the index are 32 bits.
  const bool is_too_large = request.size() > UINT32_MAX;
  buffers_.push_back(std::make_shared<const std::string>(std::move(request)));
  if (is_too_large) SetBad(buffers_[0]->data(), "the request is larger than 4 GiB");
}

base::Status Decoding::Verdict() const {
  if (is_too_dense_) {
    return base::Fail(base::Code::kInvalidArgument,
                      "protobuf: the request consists of empty messages, more than can be meant");
  }
  if (bad_ != nullptr) {
    return base::Fail(base::Code::kInvalidArgument, "protobuf: offset {}: {}",
                      bad_ - request().data(), reason_);
  }
  return {};
}

std::string_view Decoding::AttributesOf(std::string_view message, uint32_t attribute_tag) {
  Run attributes;
  Cursor cursor(message);
  while (const uint32_t tag = cursor.NextTag()) {
    if (tag == attribute_tag) {
      AddAttribute(cursor, attributes);
    } else {
      cursor.Skip(tag);
    }
  }
  Check(cursor);
  return attributes.Finish(buffers_);
}

// Walks an AnyValue to any depth that is allowed, without recursion.
void Decoding::CheckValue(std::string_view message) {
  enum class In : uint8_t { kValue, kArray, kMap, kKeyValue };
  struct Open {
    In in;
    Cursor cursor;
  };
  std::vector<Open> open = {{In::kValue, Cursor(message)}};
  while (!open.empty()) {
    Open& top = open.back();
    const uint32_t tag = top.cursor.NextTag();
    if (tag == 0) {
      Check(top.cursor);
      if (Stop()) return;
      open.pop_back();
      continue;
    }
    const In in = top.in;
    std::optional<In> child;
    if (in == In::kValue && tag == Bytes(5)) child = In::kArray;
    if (in == In::kValue && tag == Bytes(6)) child = In::kMap;
    if (in == In::kArray && tag == Bytes(1)) child = In::kValue;
    if (in == In::kMap && tag == Bytes(1)) child = In::kKeyValue;
    if (in == In::kKeyValue && tag == Bytes(2)) child = In::kValue;
    if (!child.has_value()) {
      top.cursor.Skip(tag);
      continue;
    }
    const std::string_view inner = top.cursor.ReadBytes();
    // A level of nesting is at most three messages: value, map, key-value.
    if (open.size() >= 3 * kValueDepthMax) return SetBad(inner.data(), "values nest too deeply");
    open.push_back({*child, Cursor(inner)});
  }
}

}  // namespace narthex::otlp::internal
