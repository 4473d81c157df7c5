#include "otlp/traces.h"

#include <utility>

#include "otlp/internal/decoding.h"
#include "otlp/internal/schema.h"

namespace narthex::otlp {
namespace {

using internal::Bytes;
using internal::Cursor;
using internal::Fixed;
using internal::Run;
using internal::Varint;

std::string_view NameOf(internal::FieldType type, uint32_t value) {
  const auto names = internal::EnumNames(type);
  return value < names.size() ? names[value] : std::string_view();
}

class Decoder : private internal::Decoding {
 public:
  explicit Decoder(std::string request) : Decoding(std::move(request)) {}

  base::Result<Traces> Decode() {
    Cursor cursor(request());
    while (const uint32_t tag = Stop() ? 0 : cursor.NextTag()) {
      if (tag == Bytes(1)) {
        DecodeResourceSpans(cursor.ReadBytes());
      } else {
        cursor.Skip(tag);
      }
    }
    Check(cursor);
    RETURN_IF_ERROR(Verdict());
    traces_.buffers = std::move(buffers());
    return std::move(traces_);
  }

 private:
  void DecodeResourceSpans(std::string_view message) {
    ResourceSpans resource{.first_scope = static_cast<uint32_t>(traces_.scopes.size())};
    Run resource_fields;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      switch (tag) {
        case Bytes(1):
          resource_fields.Add(cursor.ReadBytes());  // Messages that lie apart merge by joining.
          break;
        case Bytes(1000):  // Of senders before 0.15.
        case Bytes(2):
          DecodeScopeSpans(cursor.ReadBytes());
          break;
        default:
          cursor.Skip(tag);
      }
      if (Stop()) return;
    }
    Check(cursor);
    resource.scope_count = static_cast<uint32_t>(traces_.scopes.size()) - resource.first_scope;
    resource.attributes = AttributesOf(resource_fields.Finish(buffers()), Bytes(1));
    Add(traces_.resources, resource);
  }

  void DecodeScopeSpans(std::string_view message) {
    ScopeSpans scope{.first_span = static_cast<uint32_t>(traces_.spans.size())};
    Run scope_fields;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      switch (tag) {
        case Bytes(1):
          scope_fields.Add(cursor.ReadBytes());
          break;
        case Bytes(2):
          DecodeSpan(cursor.ReadBytes());
          break;
        default:
          cursor.Skip(tag);
      }
      if (Stop()) return;
    }
    Check(cursor);
    scope.span_count = static_cast<uint32_t>(traces_.spans.size()) - scope.first_span;
    ReadScope(scope_fields.Finish(buffers()), scope);
    Add(traces_.scopes, scope);
  }

  void DecodeSpan(std::string_view message) {
    Span& span =
        Add(traces_.spans, Span{.first_event = static_cast<uint32_t>(traces_.events.size())});
    Run attributes;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      switch (tag) {
        case Bytes(1):
          span.trace_id = cursor.ReadBytes();
          break;
        case Bytes(2):
          span.span_id = cursor.ReadBytes();
          break;
        case Bytes(3):
          span.trace_state = cursor.ReadBytes();
          break;
        case Bytes(5):
          span.name = cursor.ReadBytes();
          break;
        case Varint(6):
          span.kind = static_cast<uint32_t>(cursor.ReadVarint());
          break;
        case Fixed(7):
          span.start_ns = cursor.ReadFixed64();
          break;
        case Fixed(8):
          span.end_ns = cursor.ReadFixed64();
          break;
        case Bytes(9):
          AddAttribute(cursor, attributes);
          break;
        case Bytes(11):
          DecodeEvent(cursor.ReadBytes());
          break;
        case Bytes(15):
          DecodeStatus(cursor.ReadBytes(), span);
          break;
        default:
          cursor.Skip(tag);
      }
    }
    Check(cursor);
    span.event_count = static_cast<uint32_t>(traces_.events.size()) - span.first_event;
    span.attributes = attributes.Finish(buffers());
  }

  void DecodeEvent(std::string_view message) {
    SpanEvent& event = Add(traces_.events, SpanEvent());
    Run attributes;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      switch (tag) {
        case Bytes(2):
          event.name = cursor.ReadBytes();
          break;
        case Bytes(3):
          AddAttribute(cursor, attributes);
          break;
        default:
          cursor.Skip(tag);
      }
    }
    Check(cursor);
    event.attributes = attributes.Finish(buffers());
  }

  void DecodeStatus(std::string_view message, Span& span) {
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      if (tag == Varint(3)) {
        span.status_code = static_cast<uint32_t>(cursor.ReadVarint());
      } else {
        cursor.Skip(tag);
      }
    }
    Check(cursor);
  }

  Traces traces_;
};

}  // namespace

std::string_view SpanKindName(uint32_t kind) {
  return NameOf(internal::FieldType::kSpanKind, kind);
}

std::string_view StatusCodeName(uint32_t code) {
  return NameOf(internal::FieldType::kStatusCode, code);
}

base::Result<Traces> DecodeTraces(std::string request) {
  return Decoder(std::move(request)).Decode();
}

}  // namespace narthex::otlp
