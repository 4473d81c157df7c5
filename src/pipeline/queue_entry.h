#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "otlp/client_info.h"
#include "otlp/response.h"

namespace narthex::pipeline {

// What a queue on disk keeps of one request. Format: docs/format/queue.md.
struct QueueEntry {
  otlp::Encoding encoding = otlp::Encoding::kProtobuf;
  otlp::ClientPointer client;  // Its metadata; null without any.
  std::string bytes;           // An Export…ServiceRequest.
};

std::string EncodeQueueEntry(const QueueEntry& entry);
// Error: kDataLoss for a damaged head.
base::Result<QueueEntry> DecodeQueueEntry(std::string bytes);

}  // namespace narthex::pipeline
