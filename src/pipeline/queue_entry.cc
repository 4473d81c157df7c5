#include "pipeline/queue_entry.h"

#include <memory>

#include "base/bytes.h"

namespace narthex::pipeline {
namespace {

// No message begins like this: in protobuf the first byte's wire type does not exist, in JSON it is
// no text.
constexpr std::string_view kMagic = "\xffNQE";
constexpr size_t kLengthBytes = 4;
constexpr char kProtobuf = 0, kJson = 1;

auto Damaged() { return base::Fail(base::Code::kDataLoss, "the head of the entry is damaged"); }

}  // namespace

std::string EncodeQueueEntry(const QueueEntry& entry) {
  const bool has_client = entry.client != nullptr && !entry.client->metadata.empty();
  const bool is_plain = entry.encoding == otlp::Encoding::kProtobuf && !has_client;
  if (is_plain && !entry.bytes.starts_with(kMagic)) return entry.bytes;
  const std::string client = has_client ? entry.client->Encode() : "";
  std::string out(kMagic);
  base::PutBigEndian(out, static_cast<uint32_t>(1 + client.size()));
  out += entry.encoding == otlp::Encoding::kJson ? kJson : kProtobuf;
  out += client;
  return out += entry.bytes;
}

base::Result<QueueEntry> DecodeQueueEntry(std::string bytes) {
  QueueEntry entry;
  if (!bytes.starts_with(kMagic)) {
    entry.bytes = std::move(bytes);
    return entry;
  }
  std::string_view rest = std::string_view(bytes).substr(kMagic.size());
  if (rest.size() < kLengthBytes) return Damaged();
  size_t size = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    size = size << 8 | static_cast<unsigned char>(rest[i]);
  }
  rest.remove_prefix(kLengthBytes);
  if (size == 0 || size > rest.size()) return Damaged();
  const std::string_view head = rest.substr(0, size);
  if (head[0] != kProtobuf && head[0] != kJson) return Damaged();
  if (head[0] == kJson) entry.encoding = otlp::Encoding::kJson;
  if (size > 1) {
    auto client = otlp::ClientInfo::Decode(head.substr(1));
    if (!client.has_value()) return Damaged();
    entry.client = std::make_shared<const otlp::ClientInfo>(*std::move(client));
  }
  entry.bytes = rest.substr(size);
  return entry;
}

}  // namespace narthex::pipeline
