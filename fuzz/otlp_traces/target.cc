// Any bytes are an error or spans that can be walked, as protobuf and as JSON.

#include <cstdint>
#include <string>

#include "base/check.h"
#include "otlp/traces.h"
#include "otlp/value.h"

namespace {

using namespace narthex;

void WalkAttributes(std::string_view fields) {
  otlp::KeyValues attributes(fields);
  while (const auto item = attributes.Next()) (void)otlp::Text(item->value);
}

void Walk(const otlp::Traces& traces) {
  size_t spans = 0, events = 0;
  for (const otlp::ResourceSpans& resource : traces.resources) {
    WalkAttributes(resource.attributes);
    for (const otlp::ScopeSpans& scope : traces.ScopesOf(resource)) {
      WalkAttributes(scope.attributes);
      for (const otlp::Span& span : traces.SpansOf(scope)) {
        ++spans;
        WalkAttributes(span.attributes);
        for (const otlp::SpanEvent& event : traces.EventsOf(span)) {
          ++events;
          WalkAttributes(event.attributes);
        }
      }
    }
  }
  CHECK(spans == traces.spans.size() && events == traces.events.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  if (const auto traces = otlp::DecodeTraces(bytes)) Walk(*traces);
  if (const auto traces = otlp::DecodeTracesJson(bytes)) Walk(*traces);
  return 0;
}
