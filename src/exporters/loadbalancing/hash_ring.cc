#include "exporters/loadbalancing/hash_ring.h"

#include <zlib.h>

#include <algorithm>

#include "base/check.h"

namespace narthex::exporters {
namespace {

constexpr uint32_t kPositions = 36'000;
constexpr uint32_t kPointsOfEndpoint = 200;

uint32_t PositionOf(std::string_view bytes) {
  const uLong sum =
      ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size()));
  return static_cast<uint32_t>(sum) % kPositions;
}

}  // namespace

HashRing::HashRing(const std::vector<std::string>& endpoints) {
  for (uint32_t endpoint = 0; endpoint < endpoints.size(); ++endpoint) {
    std::string bytes = endpoints[endpoint] + '\0';
    for (uint32_t i = 0; i < kPointsOfEndpoint; ++i) {
      bytes.back() = static_cast<char>(i);
      items_.push_back({.position = PositionOf(bytes), .endpoint = endpoint});
    }
  }
  std::ranges::stable_sort(items_, {}, &Item::position);
  const auto repeated = std::ranges::unique(items_, {}, &Item::position);
  items_.erase(repeated.begin(), repeated.end());
}

size_t HashRing::EndpointFor(std::string_view key) const {
  CHECK(!items_.empty());
  const auto found = std::ranges::lower_bound(items_, PositionOf(key), {}, &Item::position);
  return (found == items_.end() ? items_.front() : *found).endpoint;
}

}  // namespace narthex::exporters
