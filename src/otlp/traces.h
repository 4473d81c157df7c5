#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace narthex::otlp {

// The spans of a request, as far as metrics are made of them: an index over the protobuf bytes.
// Records hold views. Source: opentelemetry-proto 1.11, trace.proto.

struct SpanEvent {
  std::string_view name;
  std::string_view attributes;  // For KeyValues.
};

// Kinds and codes as they are sent; names are those of the enumerations, empty for unknown values.
std::string_view SpanKindName(uint32_t kind);
std::string_view StatusCodeName(uint32_t code);

struct Span {
  std::string_view trace_id;  // Bytes, not hexadecimal.
  std::string_view span_id;
  std::string_view trace_state;  // Of W3C Trace Context.
  std::string_view name;
  std::string_view attributes;
  uint64_t start_ns = 0;  // Since the Unix epoch.
  uint64_t end_ns = 0;
  uint32_t kind = 0;
  uint32_t status_code = 0;
  uint32_t first_event = 0;
  uint32_t event_count = 0;
};

struct ScopeSpans {
  std::string_view name;
  std::string_view version;
  std::string_view attributes;
  uint32_t first_span = 0;
  uint32_t span_count = 0;
};

struct ResourceSpans {
  std::string_view attributes;
  uint32_t first_scope = 0;
  uint32_t scope_count = 0;
};

// Move-only. One thread at a time.
struct Traces {
  Traces() = default;
  Traces(Traces&&) noexcept = default;
  Traces& operator=(Traces&&) noexcept = default;

  std::span<const ScopeSpans> ScopesOf(const ResourceSpans& resource) const {
    return std::span(scopes).subspan(resource.first_scope, resource.scope_count);
  }
  std::span<const Span> SpansOf(const ScopeSpans& scope) const {
    return std::span(spans).subspan(scope.first_span, scope.span_count);
  }
  std::span<const SpanEvent> EventsOf(const Span& span) const {
    return std::span(events).subspan(span.first_event, span.event_count);
  }

  std::vector<ResourceSpans> resources;
  std::vector<ScopeSpans> scopes;
  std::vector<Span> spans;
  std::vector<SpanEvent> events;
  // What the views lead into.
  std::vector<std::shared_ptr<const std::string>> buffers;
};

// Indexes the bytes of an ExportTraceServiceRequest (or TracesData) and takes them over. Checks
// all that it reads, once, so that views need no checks. Fields that it does not read are skipped.
// Error: kInvalidArgument with the offset of the damage.
base::Result<Traces> DecodeTraces(std::string request);

// The same of OTLP/JSON, with what DecodeMetricsJson takes. Error: kInvalidArgument, naming the key
// whose value has the wrong shape.
base::Result<Traces> DecodeTracesJson(std::string_view json);

}  // namespace narthex::otlp
