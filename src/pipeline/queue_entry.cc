#include "pipeline/queue_entry.h"

#include <memory>

#include "base/bytes.h"
#include "otlp/internal/wire.h"
#include "otlp/writer.h"

namespace narthex::pipeline {
namespace {

using otlp::internal::Tag;
using otlp::internal::WireType;

// No message begins like this: in protobuf the first byte's wire type does not exist, in JSON it is
// no text.
constexpr std::string_view kMagic = "\xffNQE";
constexpr uint32_t kEncoding = 1, kClient = 2;

auto Damaged() { return base::Fail(base::Code::kDataLoss, "the head of the entry is damaged"); }

}  // namespace

std::string EncodeQueueEntry(const QueueEntry& entry) {
  const bool has_client = entry.client != nullptr && !entry.client->metadata.empty();
  if (!has_client && entry.encoding == otlp::Encoding::kProtobuf) return entry.bytes;
  otlp::Writer head;
  head.Varint(kEncoding, entry.encoding == otlp::Encoding::kJson ? 1 : 0);
  if (has_client) head.Bytes(kClient, entry.client->Encode());
  const std::string fields = head.Take();
  std::string out(kMagic);
  base::PutBigEndian(out, static_cast<uint32_t>(fields.size()));
  out += fields;
  return out += entry.bytes;
}

base::Result<QueueEntry> DecodeQueueEntry(std::string bytes) {
  QueueEntry entry;
  if (!bytes.starts_with(kMagic)) {
    entry.bytes = std::move(bytes);
    return entry;
  }
  std::string_view rest = std::string_view(bytes).substr(kMagic.size());
  if (rest.size() < 4) return Damaged();
  uint32_t size = 0;
  for (size_t i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(rest[i]);
  rest.remove_prefix(4);
  if (size > rest.size()) return Damaged();
  otlp::internal::Cursor cursor(rest.substr(0, size));
  while (const uint32_t tag = cursor.NextTag()) {
    if (tag == Tag(kEncoding, WireType::kVarint)) {
      if (cursor.ReadVarint() == 1) entry.encoding = otlp::Encoding::kJson;
    } else if (tag == Tag(kClient, WireType::kBytes)) {
      auto client = otlp::ClientInfo::Decode(cursor.ReadBytes());
      if (!client.has_value()) return Damaged();
      entry.client = std::make_shared<const otlp::ClientInfo>(*std::move(client));
    } else {
      cursor.Skip(tag);
    }
  }
  if (!cursor.ok()) return Damaged();
  entry.bytes = rest.substr(size);
  return entry;
}

}  // namespace narthex::pipeline
