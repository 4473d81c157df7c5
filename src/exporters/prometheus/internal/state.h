#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exporters/prometheus/internal/hash.h"
#include "exporters/prometheus/internal/series.h"
#include "exporters/prometheus/internal/slots.h"
#include "translate/series_labels.h"

namespace narthex::exporters::internal {

template <class Value>
using HashMap = boost::unordered_flat_map<Hash128, Value, HashOfHash>;

// A series, as long as the slot has not been given to another.
struct Alias {
  uint32_t slot;
  uint32_t generation;
};

// What all series of a resource have in common.
struct Resource {
  translate::SeriesLabels labels;  // job, instance, constant and chosen resource labels.
  Hash128 identity;
  int64_t seen_ns = 0;
  bool has_target = false;
  std::string job, instance;
  std::optional<Alias> target;  // The series of target_info.
};

struct ScopeLabels {
  translate::SeriesLabels labels;
  Hash128 identity;
  int64_t seen_ns = 0;
};

// Where the points of a metric go.
struct Route {
  enum class Refusal : uint8_t { kNone, kTypeClash, kBadName, kUnsupported };
  Family* family = nullptr;
  Refusal refusal = Refusal::kNone;
  int64_t seen_ns = 0;
};

// All that a store knows. Of a steady series only its entry in `by_bytes` and its reading are
// touched when a point comes; both are found ahead for many points at once.
struct State {
  State(uint64_t key, int64_t now_ns) : seed{key, ~key}, origin_ns(now_ns) {}

  bool IsCurrent(const Alias& alias) const {
    return series[alias.slot].generation == alias.generation;
  }
  uint32_t AddSlot();
  // Gives the slot free, for a series to come.
  void Free(uint32_t slot);
  // Drops what has not been seen for longer than this. Returns how many series.
  size_t Expire(int64_t now_ns, int64_t after_ns);
  // What is known by its bytes can be found out again, so that a sender who varies them without
  // making new series cannot fill the memory.
  void LimitCaches();
  // Monotonic time for `Reading::seen`; a wrap after years does no harm to differences. Rounded up,
  // so that nothing seems older than it is.
  uint32_t TickOf(int64_t now_ns) const {
    return static_cast<uint32_t>((now_ns - origin_ns + kTickNs - 1) / kTickNs);
  }

  static constexpr int64_t kTickNs = 62'500'000;

  const Hash128 seed;
  const int64_t origin_ns;
  std::map<std::string, Family, std::less<>> families;  // By name.
  SlotArray<Reading, 16> readings;
  SlotArray<Series, 10> series;
  std::vector<uint32_t> free_slots;
  SlotTable by_identity;  // Family and labels.
  SlotTable by_bytes;     // Metric and raw attributes.
  HashMap<std::unique_ptr<Resource>> resources;
  HashMap<std::unique_ptr<ScopeLabels>> scopes;
  HashMap<Route> routes;
  size_t page_bytes = 0;  // Of the last page.
};

}  // namespace narthex::exporters::internal
