#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace narthex::exporters {

// Which of several servers a key belongs to: the same for everyone who knows the same servers, and
// for most keys the same when a server comes or goes. Immutable.
// Source: opentelemetry-collector-contrib, exporter/loadbalancingexporter: a circle of 36,000
// places, 200 for each server, by CRC-32.
class HashRing {
 public:
  HashRing() = default;
  // REQUIRES: sorted, so that two servers at one place are told apart alike everywhere.
  explicit HashRing(const std::vector<std::string>& endpoints);

  // The place in `endpoints`. REQUIRES: there are some.
  size_t EndpointFor(std::string_view key) const;

 private:
  struct Item {
    uint32_t position;
    uint32_t endpoint;
  };
  std::vector<Item> items_;  // By position; no two at one.
};

}  // namespace narthex::exporters
