#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace narthex::otlp {

// Who sent a request, and what came along with it outside its body: it goes with the request
// through pipelines, for those who route, label or sign by it. Immutable once it is shared.
// Source: OpenTelemetry Collector, client.Info.
struct ClientInfo {
  // Headers or gRPC metadata: names in lower case, each once, with its values in order.
  std::vector<std::pair<std::string, std::vector<std::string>>> metadata;
  std::string address;  // Without the port; empty when unknown.
  // What an authenticator has found out, "username" for one.
  std::vector<std::pair<std::string, std::string>> auth;

  // `name` in any case. Empty when absent.
  std::span<const std::string> Metadata(std::string_view name) const;
  // nullptr when absent.
  const std::string* Auth(std::string_view name) const;
  // `name` in any case; a repeated one gets a further value.
  void AddMetadata(std::string_view name, std::string_view value);
  size_t byte_size() const;

  // Metadata and address as a protobuf message; what authenticated the sender stays out of it.
  std::string Encode() const;
  // nullopt for damaged bytes.
  static std::optional<ClientInfo> Decode(std::string_view bytes);
};

using ClientPointer = std::shared_ptr<const ClientInfo>;  // Null where nothing is known.

// "127.0.0.1" of "127.0.0.1:4317", "::1" of "[::1]:4317".
std::string AddressOf(std::string_view peer);

// The values of some keys of metadata, by which requests are told apart. Immutable.
class MetadataKeys {
 public:
  MetadataKeys() = default;
  // In any case. Repeated ones count once.
  explicit MetadataKeys(std::vector<std::string> names);

  bool empty() const { return names_.empty(); }
  // The same for clients that have the same values for all keys. `client` may be null.
  std::string PartitionOf(const ClientInfo* client) const;
  // A client with nothing but these keys; null when it has none of them.
  ClientPointer Keep(const ClientInfo* client) const;

 private:
  std::vector<std::string> names_;  // In lower case, sorted.
};

}  // namespace narthex::otlp
