#include <algorithm>

#include "receivers/hostmetrics/proc_text.h"
#include "receivers/hostmetrics/scrapers.h"

namespace narthex::receivers {
namespace {

using Shape = HostMetric::Shape;

constexpr HostMetric kUsage{"system.memory.usage", "By", Shape::kSum, true,
                            "Bytes of memory in use."};
constexpr HostMetric kUtilization{"system.memory.utilization", "1", Shape::kGauge, false,
                                  "Percentage of memory bytes in use."};
constexpr HostMetric kLimit{"system.memory.limit", "By", Shape::kSum, false,
                            "Total bytes of memory available."};
constexpr HostMetric kAvailable{
    "system.linux.memory.available", "By", Shape::kSum, false,
    "An estimate of how much memory is available for starting new applications, without swapping."};
constexpr HostMetric kDirty{"system.linux.memory.dirty", "By", Shape::kSum, false,
                            "The amount of dirty memory according to /proc/meminfo."};
constexpr HostMetric kMemoryTable[] = {kUsage, kUtilization, kLimit, kAvailable, kDirty};

constexpr HostMetric kSwapUsage{"system.paging.usage", "By", Shape::kSum, true,
                                "Swap (unix) or pagefile (windows) usage."};
constexpr HostMetric kSwapUtilization{"system.paging.utilization", "1", Shape::kGauge, false,
                                      "Swap (unix) or pagefile (windows) utilization."};
constexpr HostMetric kPageOperations{"system.paging.operations", "{operations}", Shape::kCounter,
                                     true, "The number of paging operations."};
constexpr HostMetric kFaults{"system.paging.faults", "{faults}", Shape::kCounter, true,
                             "The number of page faults."};
constexpr HostMetric kPagingTable[] = {kSwapUsage, kSwapUtilization, kPageOperations, kFaults};

int64_t Signed(uint64_t value) { return static_cast<int64_t>(value); }

void AddSwaps(const std::string& swaps, HostPage& page) {
  auto lines = Lines(swaps);
  if (!lines.empty()) lines.erase(lines.begin());  // Headings.
  for (const std::string_view line : lines) {
    const auto words = Words(line);
    if (words.size() < 4) continue;
    const std::string device = Unescape(words[0]);
    const uint64_t size = UintAt(words, 2) * 1024;
    const uint64_t used = std::min(UintAt(words, 3) * 1024, size);
    const auto share = [&](uint64_t part) {
      return size > 0 ? static_cast<double>(part) / static_cast<double>(size) : 0.0;
    };
    page.Add(kSwapUsage, Signed(used), {{"device", device}, {"state", "used"}});
    page.Add(kSwapUsage, Signed(size - used), {{"device", device}, {"state", "free"}});
    page.Add(kSwapUtilization, share(used), {{"device", device}, {"state", "used"}});
    page.Add(kSwapUtilization, share(size - used), {{"device", device}, {"state", "free"}});
  }
}

}  // namespace

const std::span<const HostMetric> kMemoryMetrics = kMemoryTable;
const std::span<const HostMetric> kPagingMetrics = kPagingTable;

base::Status ScrapeMemory(HostView& view, HostPage& page) {
  ASSIGN_OR_RETURN(const std::string text, view.Read("/proc/meminfo"));
  const auto bytes = [&](std::string_view name) { return ValueOf(text, name).value_or(0) * 1024; };
  const uint64_t total = bytes("MemTotal"), free = bytes("MemFree"), buffered = bytes("Buffers");
  const uint64_t reclaimable = bytes("SReclaimable");
  if (total == 0) return base::Fail(base::Code::kDataLoss, "/proc/meminfo: MemTotal is missing");
  // As the official receiver counts: what the kernel can give back of its own is cached.
  const uint64_t cached = bytes("Cached") + reclaimable;
  const uint64_t not_used = std::min(free + buffered + cached, total);
  const std::pair<std::string_view, uint64_t> states[] = {
      {"used", total - not_used},
      {"free", free},
      {"buffered", buffered},
      {"cached", cached},
      {"slab_reclaimable", reclaimable},
      {"slab_unreclaimable", bytes("SUnreclaim")},
  };
  for (const auto& [state, value] : states) {
    page.Add(kUsage, Signed(value), {{"state", state}});
    page.Add(kUtilization, static_cast<double>(value) / static_cast<double>(total),
             {{"state", state}});
  }
  page.Add(kLimit, Signed(total));
  page.Add(kAvailable, Signed(bytes("MemAvailable")));
  page.Add(kDirty, Signed(bytes("Dirty")));
  return {};
}

base::Status ScrapePaging(HostView& view, HostPage& page) {
  ASSIGN_OR_RETURN(const std::string vmstat, view.Read("/proc/vmstat"));
  // A kernel without swapping has no such file.
  if (const auto swaps = view.Read("/proc/swaps"); swaps.has_value()) AddSwaps(*swaps, page);
  const auto value = [&](std::string_view name) { return ValueOf(vmstat, name).value_or(0); };
  const auto operations = [&](std::string_view name, std::string_view direction,
                              std::string_view type) {
    page.Add(kPageOperations, Signed(value(name)), {{"direction", direction}, {"type", type}});
  };
  operations("pswpin", "page_in", "major");
  operations("pswpout", "page_out", "major");
  operations("pgpgin", "page_in", "minor");
  operations("pgpgout", "page_out", "minor");
  const uint64_t major = value("pgmajfault");
  page.Add(kFaults, Signed(major), {{"type", "major"}});
  page.Add(kFaults, Signed(std::max(value("pgfault"), major) - major), {{"type", "minor"}});
  return {};
}

}  // namespace narthex::receivers
