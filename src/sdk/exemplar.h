#pragma once

#include <array>
#include <cstdint>

#include "sdk/attributes.h"

namespace narthex::sdk {

// The identity of a span, as the tracing library in use knows it.
struct SpanContext {
  std::array<uint8_t, 16> trace_id{};
  std::array<uint8_t, 8> span_id{};
  bool is_sampled = false;
};

namespace internal {
inline constinit thread_local const SpanContext* active_span = nullptr;
}

// While it lives, measurements of this thread belong to `span`, and may become its exemplars.
// Scopes nest. To be destroyed on the thread that made it, the last made first.
class SpanScope {
 public:
  explicit SpanScope(const SpanContext& span) : span_(span), outer_(internal::active_span) {
    internal::active_span = &span_;
  }
  ~SpanScope() { internal::active_span = outer_; }
  SpanScope(const SpanScope&) = delete;
  SpanScope& operator=(const SpanScope&) = delete;

 private:
  const SpanContext span_;
  const SpanContext* const outer_;
};

// Which measurements may become exemplars: those inside a sampled span, all, none.
enum class ExemplarFilter { kTraceBased, kAlwaysOn, kAlwaysOff };

// One measurement, kept as an example of its point.
struct Exemplar {
  int64_t time_ns = 0;
  double value = 0;
  bool has_span = false;
  SpanContext span;
  OwnedAttributes filtered_attributes;  // Those that the point does not have.
};

}  // namespace narthex::sdk
