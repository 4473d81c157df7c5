#include "otlp/client_info.h"

#include <algorithm>

#include "otlp/internal/wire.h"
#include "otlp/writer.h"

namespace narthex::otlp {
namespace {

// Fields of the message that a client is written as.
constexpr uint32_t kMetadata = 1, kAddress = 2;
constexpr uint32_t kName = 1, kValue = 2;

constexpr uint32_t BytesTag(uint32_t field) {
  return internal::Tag(field, internal::WireType::kBytes);
}

char LowerOf(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), LowerOf);
  return lower;
}

bool EqualsLower(std::string_view lower, std::string_view text) {
  return std::ranges::equal(lower, text, {}, {}, LowerOf);
}

// False for damaged bytes.
bool DecodeMetadata(std::string_view bytes, ClientInfo& client) {
  std::string name;
  std::vector<std::string> values;
  internal::Cursor cursor(bytes);
  while (const uint32_t tag = cursor.NextTag()) {
    if (tag == BytesTag(kName)) {
      name = cursor.ReadBytes();
    } else if (tag == BytesTag(kValue)) {
      values.emplace_back(cursor.ReadBytes());
    } else {
      cursor.Skip(tag);
    }
  }
  for (const std::string& value : values) client.AddMetadata(name, value);
  return cursor.ok();
}

}  // namespace

std::span<const std::string> ClientInfo::Metadata(std::string_view name) const {
  for (const auto& [key, values] : metadata) {
    if (EqualsLower(key, name)) return values;
  }
  return {};
}

const std::string* ClientInfo::Auth(std::string_view name) const {
  for (const auto& [key, value] : auth) {
    if (key == name) return &value;
  }
  return nullptr;
}

void ClientInfo::AddMetadata(std::string_view name, std::string_view value) {
  for (auto& [key, values] : metadata) {
    if (EqualsLower(key, name)) return values.emplace_back(value), void();
  }
  metadata.emplace_back(Lower(name), std::vector<std::string>{std::string(value)});
}

size_t ClientInfo::byte_size() const {
  size_t bytes = sizeof(*this) + address.capacity();
  for (const auto& [name, values] : metadata) {
    bytes += sizeof(metadata[0]) + name.capacity();
    for (const std::string& value : values) bytes += sizeof(value) + value.capacity();
  }
  for (const auto& [name, value] : auth) bytes += sizeof(auth[0]) + name.size() + value.size();
  return bytes;
}

std::string ClientInfo::Encode() const {
  Writer writer;
  for (const auto& [name, values] : metadata) {
    const Writer::Mark mark = writer.Begin(kMetadata);
    writer.Bytes(kName, name);
    for (const std::string& value : values) writer.Bytes(kValue, value);
    writer.End(mark);
  }
  if (!address.empty()) writer.Bytes(kAddress, address);
  return writer.Take();
}

std::optional<ClientInfo> ClientInfo::Decode(std::string_view bytes) {
  ClientInfo client;
  internal::Cursor cursor(bytes);
  while (const uint32_t tag = cursor.NextTag()) {
    if (tag == BytesTag(kMetadata)) {
      if (!DecodeMetadata(cursor.ReadBytes(), client)) return std::nullopt;
    } else if (tag == BytesTag(kAddress)) {
      client.address = cursor.ReadBytes();
    } else {
      cursor.Skip(tag);
    }
  }
  if (!cursor.ok()) return std::nullopt;
  return client;
}

std::string AddressOf(std::string_view peer) {
  const size_t colon = peer.rfind(':');
  if (colon == std::string_view::npos) return std::string(peer);
  std::string_view host = peer.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return std::string(host);
}

MetadataKeys::MetadataKeys(std::vector<std::string> names) : names_(std::move(names)) {
  for (std::string& name : names_) name = Lower(name);
  std::ranges::sort(names_);
  const auto repeated = std::ranges::unique(names_);
  names_.erase(repeated.begin(), repeated.end());
}

std::string MetadataKeys::PartitionOf(const ClientInfo* client) const {
  std::string key;
  for (const std::string& name : names_) {
    const auto values = client != nullptr ? client->Metadata(name) : std::span<const std::string>();
    key += std::to_string(values.size()) + ':';
    for (const std::string& value : values) key += std::to_string(value.size()) + ':' + value;
  }
  return key;
}

ClientPointer MetadataKeys::Keep(const ClientInfo* client) const {
  if (client == nullptr) return nullptr;
  ClientInfo kept;
  for (const std::string& name : names_) {
    const auto values = client->Metadata(name);
    if (!values.empty())
      kept.metadata.emplace_back(name, std::vector(values.begin(), values.end()));
  }
  if (kept.metadata.empty()) return nullptr;
  return std::make_shared<const ClientInfo>(std::move(kept));
}

}  // namespace narthex::otlp
