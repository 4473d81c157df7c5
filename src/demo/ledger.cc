#include "demo/ledger.h"

#include <fmt/format.h>

#include <set>

namespace narthex::demo {
namespace {

uint64_t CountOf(const RequestCounts& counts, const RequestKey& key) {
  const auto found = counts.find(key);
  return found == counts.end() ? 0 : found->second;
}

// `slack` requests may be in `to` only: an answer that came too late for the sender.
void Compare(std::string_view from_name, const RequestCounts& from, std::string_view to_name,
             const RequestCounts& to, uint64_t slack, std::vector<std::string>& differences) {
  std::set<RequestKey> keys;
  for (const auto& [key, count] : from) keys.insert(key);
  for (const auto& [key, count] : to) keys.insert(key);
  for (const RequestKey& key : keys) {
    const uint64_t out = CountOf(from, key);
    const uint64_t in = CountOf(to, key);
    if (out == in) continue;
    if (in > out && in - out <= slack) {
      slack -= in - out;
      continue;
    }
    differences.push_back(fmt::format("{} {} {}: {} counted {}, {} counted {}", key.method,
                                      key.endpoint, key.status, from_name, out, to_name, in));
  }
}

}  // namespace

uint64_t TotalOf(const RequestCounts& counts) {
  uint64_t total = 0;
  for (const auto& [key, count] : counts) total += count;
  return total;
}

std::vector<std::string> Ledger::Differences() const {
  std::vector<std::string> differences;
  if (load.has_value()) {
    if (load->planned != load->sent + load->dropped) {
      differences.push_back(fmt::format("load: planned {}, but sent {} and dropped {}",
                                        load->planned, load->sent, load->dropped));
    }
    if (load->sent != load->completed + load->failed + load->in_flight) {
      differences.push_back(fmt::format("load: sent {}, but completed {}, failed {} and waiting {}",
                                        load->sent, load->completed, load->failed,
                                        load->in_flight));
    }
    Compare("load", load->requests, "api", api.requests, load->failed, differences);
  }
  if (api.in_flight != 0) {
    differences.push_back(fmt::format("api: {} requests still in flight", api.in_flight));
  }
  Compare("api", api.requests, "collector", collector.requests, 0, differences);
  Compare("collector", collector.requests, "server", server.requests, 0, differences);
  const uint64_t lost =
      collector.refused_points + collector.failed_points + collector.send_failed_points;
  if (lost > 0) differences.push_back(fmt::format("collector: lost {} points", lost));
  if (collector.accepted_points != collector.sent_points + collector.send_failed_points) {
    differences.push_back(fmt::format("collector: accepted {} points, but passed on {}",
                                      collector.accepted_points, collector.sent_points));
  }
  return differences;
}

}  // namespace narthex::demo
