#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "otlp/exponential.h"

namespace narthex::connectors {

// A moment, by both clocks.
struct SpanTime {
  uint64_t wall_ns = 0;  // Since the Unix epoch.
  int64_t monotonic_ns = 0;
};

// A span behind a number. A value.
struct SpanExemplar {
  std::array<char, 16> trace_id;
  std::array<char, 8> span_id;
  double duration;  // In the metric's unit.
};

// The spans that have the same dimensions: how many there were and, where that is asked for, how
// long they took. One thread at a time.
struct SpanSeries {
  std::string attributes;  // KeyValue messages as fields.
  uint64_t start_ns = 0;   // Of what is counted, since the epoch.
  int64_t seen_ns = 0;     // When the last span came, monotonic.
  uint64_t count = 0;
  bool is_idle = false;           // No span came between the last two flushes of deltas.
  double sum = 0;                 // Of durations, in the metric's unit.
  std::vector<uint64_t> buckets;  // One more than bounds, or none.
  std::unique_ptr<otlp::ExponentialRecorder> recorder;
  std::vector<SpanExemplar> exemplars;
};

}  // namespace narthex::connectors
