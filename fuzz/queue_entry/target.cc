// Any bytes are an error or an entry of a queue on disk; an entry written again is the same.

#include <cstdint>
#include <string>

#include "base/check.h"
#include "pipeline/queue_entry.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace narthex;
  const auto entry =
      pipeline::DecodeQueueEntry(std::string(reinterpret_cast<const char*>(data), size));
  if (!entry.has_value()) return 0;
  const auto again = pipeline::DecodeQueueEntry(pipeline::EncodeQueueEntry(*entry));
  CHECK(again.has_value());
  CHECK(again->encoding == entry->encoding && again->bytes == entry->bytes);
  if (entry->client == nullptr || entry->client->metadata.empty()) return 0;
  CHECK(again->client != nullptr && again->client->metadata == entry->client->metadata);
  return 0;
}
