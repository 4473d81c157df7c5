#include "otlp/tree_exemplar.h"

#include <bit>

#include "otlp/exemplar.h"
#include "otlp/internal/wire.h"
#include "otlp/writer.h"

namespace narthex::otlp {

using internal::Cursor;
using internal::Tag;
using internal::WireType;

TreeExemplar TreeExemplar::From(std::string_view message) {
  const Exemplar read = DecodeExemplar(message);
  TreeExemplar exemplar{.attributes = AttributesFrom(read.attributes),
                        .time_ns = read.time_ns,
                        .value = {},
                        .trace_id = std::string(read.trace_id),
                        .span_id = std::string(read.span_id)};
  // Whether it is whole only the wire says.
  Cursor cursor(message);
  while (const uint32_t tag = cursor.NextTag()) {
    if (tag == Tag(3, WireType::kFixed64)) {
      exemplar.value = std::bit_cast<double>(cursor.ReadFixed64());
    } else if (tag == Tag(6, WireType::kFixed64)) {
      exemplar.value = static_cast<int64_t>(cursor.ReadFixed64());
    } else {
      cursor.Skip(tag);
    }
  }
  return exemplar;
}

std::string TreeExemplar::Encode() const {
  Writer writer;
  if (time_ns != 0) writer.Fixed64(2, time_ns);
  if (const auto* real = std::get_if<double>(&value)) writer.Double(3, *real);
  if (!span_id.empty()) writer.Bytes(4, span_id);
  if (!trace_id.empty()) writer.Bytes(5, trace_id);
  if (const auto* whole = std::get_if<int64_t>(&value)) {
    writer.Fixed64(6, static_cast<uint64_t>(*whole));
  }
  PutAttributes(writer, 7, attributes);
  return writer.Take();
}

}  // namespace narthex::otlp
