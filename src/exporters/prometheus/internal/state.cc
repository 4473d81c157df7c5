#include "exporters/prometheus/internal/state.h"

#include <algorithm>

namespace narthex::exporters::internal {

uint32_t State::AddSlot() {
  if (free_slots.empty()) {
    series.Add();
    return readings.Add();
  }
  const uint32_t slot = free_slots.back();
  free_slots.pop_back();
  return slot;
}

void State::Free(uint32_t slot) {
  const uint32_t generation = series[slot].generation + 1;
  series[slot] = Series();
  series[slot].generation = generation;
  readings[slot] = Reading();
  free_slots.push_back(slot);
}

size_t State::Expire(int64_t now_ns, int64_t after_ns) {
  const auto now = static_cast<uint32_t>((now_ns - origin_ns) / kTickNs);
  const auto is_gone = [&](uint32_t slot) {
    const Reading& reading = readings[slot];
    return !reading.is_shown || static_cast<int32_t>(now - reading.seen) * kTickNs > after_ns;
  };
  std::vector<uint32_t> gone;
  for (uint32_t slot = 0; slot < readings.size(); ++slot) {
    if (readings[slot].is_used && is_gone(slot)) gone.push_back(slot);
  }
  if (!gone.empty()) {
    by_identity.EraseIf(is_gone);
    by_bytes.EraseIf(is_gone);
    for (const uint32_t slot : gone) Free(slot);
    for (auto& [name, family] : families) {
      std::erase_if(family.members, [&](uint32_t slot) { return series[slot].family != &family; });
    }
  }
  const int64_t limit_ns = now_ns - after_ns;
  const auto is_old = [&](const auto& entry) { return entry.second->seen_ns < limit_ns; };
  boost::unordered::erase_if(resources, is_old);
  boost::unordered::erase_if(scopes, is_old);
  // A family without series gives its name free, which may settle a clash.
  boost::unordered::erase_if(routes, [&](const auto& entry) {
    const Route& route = entry.second;
    return route.seen_ns < limit_ns || route.family == nullptr || route.family->members.empty();
  });
  std::erase_if(families, [](const auto& entry) { return entry.second.members.empty(); });
  return gone.size();
}

void State::LimitCaches() {
  constexpr size_t kContextsMax = 65'536;
  if (by_bytes.size() > kContextsMax + 4 * by_identity.size()) by_bytes.Clear();
  if (resources.size() > kContextsMax) resources.clear();
  if (scopes.size() > kContextsMax) scopes.clear();
  if (routes.size() > kContextsMax) routes.clear();
}

}  // namespace narthex::exporters::internal
