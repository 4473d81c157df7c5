#pragma once

#include <utility>

#include "otlp/tree.h"

namespace narthex::otlp {

// The batch that a tree taken from `origin` has become, of the same client and sender. Buffers of
// the origin without bytes go with it: a stage before may count what is held by them, as the memory
// limiter does.
inline Batch Rebuilt(const Tree& tree, const Batch& origin) {
  Batch batch = tree.ToBatch();
  batch.client = origin.client;
  batch.throttle = origin.throttle;
  for (const auto& buffer : origin.buffers) {
    if (buffer->empty()) batch.buffers.push_back(buffer);
  }
  return batch;
}

}  // namespace narthex::otlp
