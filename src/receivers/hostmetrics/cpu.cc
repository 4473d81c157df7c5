#include <algorithm>
#include <array>
#include <numeric>

#include "receivers/hostmetrics/proc_text.h"
#include "receivers/hostmetrics/scrapers.h"

namespace narthex::receivers {
namespace {

using Shape = HostMetric::Shape;

constexpr HostMetric kTime{"system.cpu.time", "s", Shape::kCounter, true,
                           "Total seconds each logical CPU spent on each mode."};
constexpr HostMetric kUtilization{
    "system.cpu.utilization", "1", Shape::kGauge, false,
    "Difference in system.cpu.time since the last measurement per logical CPU, divided by the "
    "elapsed time."};
constexpr HostMetric kFrequency{"system.cpu.frequency", "Hz", Shape::kGauge, false,
                                "Current frequency of the CPU core in Hz."};
constexpr HostMetric kLogical{"system.cpu.logical.count", "{cpu}", Shape::kSum, false,
                              "Number of available logical CPUs."};
constexpr HostMetric kPhysical{"system.cpu.physical.count", "{cpu}", Shape::kSum, false,
                               "Number of available physical CPUs."};
constexpr HostMetric kCpuTable[] = {kTime, kUtilization, kFrequency, kLogical, kPhysical};

constexpr HostMetric kLoad1{"system.cpu.load_average.1m", "{thread}", Shape::kGauge, true,
                            "Average CPU Load over 1 minute."};
constexpr HostMetric kLoad5{"system.cpu.load_average.5m", "{thread}", Shape::kGauge, true,
                            "Average CPU Load over 5 minutes."};
constexpr HostMetric kLoad15{"system.cpu.load_average.15m", "{thread}", Shape::kGauge, true,
                             "Average CPU Load over 15 minutes."};
constexpr HostMetric kLoadTable[] = {kLoad1, kLoad5, kLoad15};

constexpr HostMetric kUptime{"system.uptime", "s", Shape::kGauge, true,
                             "The time the system has been running."};
constexpr HostMetric kSystemTable[] = {kUptime};

// In the order of /proc/stat.
constexpr std::string_view kStates[] = {"user", "nice",      "system",  "idle",
                                        "wait", "interrupt", "softirq", "steal"};

// "cpu0 1 2 3 …" of each CPU, without the line of them all.
std::vector<std::vector<std::string_view>> CpuLines(std::string_view stat) {
  std::vector<std::vector<std::string_view>> cpus;
  for (const std::string_view line : Lines(stat)) {
    auto words = Words(line);
    if (words.empty() || !words[0].starts_with("cpu") || words[0] == "cpu") continue;
    cpus.push_back(std::move(words));
  }
  return cpus;
}

// What a CPU did since the last look, as shares of that time. Nothing the first time.
void AddUtilization(HostView& view, HostPage& page, std::string_view cpu,
                    const std::vector<uint64_t>& ticks) {
  std::vector<uint64_t>& last = view.last_cpu_ticks[std::string(cpu)];
  if (last.size() == ticks.size()) {
    std::vector<double> grown(ticks.size());
    // A counter that falls, as iowait may, counts as standing still.
    std::ranges::transform(ticks, last, grown.begin(), [](uint64_t now, uint64_t then) {
      return now > then ? static_cast<double>(now - then) : 0.0;
    });
    const double total = std::accumulate(grown.begin(), grown.end(), 0.0);
    for (size_t i = 0; i < grown.size(); ++i) {
      page.Add(kUtilization, total > 0 ? grown[i] / total : 0.0,
               {{"cpu", cpu}, {"state", kStates[i]}});
    }
  }
  last = ticks;
}

// Frequencies and cores, which only some machines tell.
void AddCpuInfo(const HostView& view, HostPage& page) {
  if (!page.Wants(kFrequency) && !page.Wants(kPhysical)) return;
  const auto info = view.Read("/proc/cpuinfo");
  if (!info.has_value()) return;
  std::string processor, package;
  std::set<std::string> cores;
  for (const std::string_view line : Lines(*info)) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const auto values = Words(line.substr(colon + 1));
    if (values.empty()) continue;
    if (line.starts_with("processor")) processor = "cpu" + std::string(values[0]);
    if (line.starts_with("physical id")) package = values[0];
    if (line.starts_with("core id")) cores.insert(package + "/" + std::string(values[0]));
    if (line.starts_with("cpu MHz")) {
      page.Add(kFrequency, ToDouble(values[0]).value_or(0) * 1e6, {{"cpu", processor}});
    }
  }
  if (!cores.empty()) page.Add(kPhysical, static_cast<int64_t>(cores.size()));
}

}  // namespace

const std::span<const HostMetric> kCpuMetrics = kCpuTable;
const std::span<const HostMetric> kLoadMetrics = kLoadTable;
const std::span<const HostMetric> kSystemMetrics = kSystemTable;

base::Status ScrapeCpu(HostView& view, HostPage& page) {
  ASSIGN_OR_RETURN(const std::string stat, view.Read("/proc/stat"));
  const auto cpus = CpuLines(stat);
  for (const std::vector<std::string_view>& words : cpus) {
    std::vector<uint64_t> ticks;
    for (size_t i = 0; i < std::size(kStates); ++i) ticks.push_back(UintAt(words, i + 1));
    for (size_t i = 0; i < ticks.size(); ++i) {
      page.Add(kTime, static_cast<double>(ticks[i]) / kTicksPerSecond,
               {{"cpu", words[0]}, {"state", kStates[i]}});
    }
    if (page.Wants(kUtilization)) AddUtilization(view, page, words[0], ticks);
  }
  page.Add(kLogical, static_cast<int64_t>(cpus.size()));
  AddCpuInfo(view, page);
  return {};
}

base::Status ScrapeLoad(HostView& view, HostPage& page) {
  ASSIGN_OR_RETURN(const std::string text, view.Read("/proc/loadavg"));
  const auto words = Words(text);
  double share = 1;
  if (view.options.load_per_cpu) {
    ASSIGN_OR_RETURN(const std::string stat, view.Read("/proc/stat"));
    share = static_cast<double>(std::max<size_t>(CpuLines(stat).size(), 1));
  }
  for (size_t i = 0; i < std::size(kLoadTable); ++i) {
    const auto load = i < words.size() ? ToDouble(words[i]) : std::nullopt;
    if (!load.has_value()) {
      return base::Fail(base::Code::kDataLoss, "/proc/loadavg: three numbers are expected");
    }
    page.Add(kLoadTable[i], *load / share);
  }
  return {};
}

base::Status ScrapeSystem(HostView& view, HostPage& page) {
  ASSIGN_OR_RETURN(const std::string text, view.Read("/proc/uptime"));
  const auto words = Words(text);
  const auto seconds = words.empty() ? std::nullopt : ToDouble(words[0]);
  if (!seconds.has_value()) {
    return base::Fail(base::Code::kDataLoss, "/proc/uptime: a number is expected");
  }
  page.Add(kUptime, *seconds);
  return {};
}

}  // namespace narthex::receivers
