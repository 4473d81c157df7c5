#include <array>

#include "receivers/hostmetrics/proc_text.h"
#include "receivers/hostmetrics/scrapers.h"

namespace narthex::receivers {
namespace {

using Shape = HostMetric::Shape;

constexpr HostMetric kIo{"system.network.io", "By", Shape::kCounter, true,
                         "The number of bytes transmitted and received."};
constexpr HostMetric kPackets{"system.network.packets", "{packets}", Shape::kCounter, true,
                              "The number of packets transferred."};
constexpr HostMetric kErrors{"system.network.errors", "{errors}", Shape::kCounter, true,
                             "The number of errors encountered."};
constexpr HostMetric kDropped{"system.network.dropped", "{packets}", Shape::kCounter, true,
                              "The number of packets dropped."};
constexpr HostMetric kConnections{"system.network.connections", "{connections}", Shape::kSum, true,
                                  "The number of connections."};
constexpr HostMetric kConntrackCount{"system.network.conntrack.count", "{entries}", Shape::kSum,
                                     false, "The count of entries in conntrack table."};
constexpr HostMetric kConntrackMax{"system.network.conntrack.max", "{entries}", Shape::kSum, false,
                                   "The limit for entries in the conntrack table."};
constexpr HostMetric kNetworkTable[] = {kIo,          kPackets,        kErrors,      kDropped,
                                        kConnections, kConntrackCount, kConntrackMax};

// By their numbers in /proc/net/tcp, from 1. Source: kernel, include/net/tcp_states.h.
constexpr std::string_view kStates[] = {
    "ESTABLISHED", "SYN_SENT",   "SYN_RECEIVED", "FIN_WAIT_1", "FIN_WAIT_2", "TIME_WAIT",
    "CLOSE",       "CLOSE_WAIT", "LAST_ACK",     "LISTEN",     "CLOSING",
};

constexpr HostMetric kCount{"system.processes.count", "{processes}", Shape::kSum, true,
                            "Total number of processes in each state."};
constexpr HostMetric kCreated{"system.processes.created", "{processes}", Shape::kCounter, true,
                              "Total number of created processes."};
constexpr HostMetric kProcessesTable[] = {kCount, kCreated};

constexpr std::pair<char, std::string_view> kStatuses[] = {
    {'D', "blocked"}, {'I', "idle"},    {'W', "paging"},  {'R', "running"}, {'S', "sleeping"},
    {'T', "stopped"}, {'t', "stopped"}, {'Z', "zombies"}, {'X', "unknown"},
};

// "eth0: 1 2 3 …": eight numbers received, eight sent. Source: proc(5), /proc/net/dev.
void AddInterface(std::string_view device, const std::vector<std::string_view>& words,
                  HostPage& page) {
  const auto add = [&](const HostMetric& metric, size_t index) {
    for (const auto& [offset, direction] : {std::pair(0, "receive"), std::pair(8, "transmit")}) {
      page.Add(metric, static_cast<int64_t>(UintAt(words, index + static_cast<size_t>(offset))),
               {{"device", device}, {"direction", direction}});
    }
  };
  add(kIo, 0);
  add(kPackets, 1);
  add(kErrors, 2);
  add(kDropped, 3);
}

void AddConnections(const HostView& view, HostPage& page) {
  if (!page.Wants(kConnections)) return;
  std::array<int64_t, std::size(kStates)> counts{};
  for (const char* path : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    const auto text = view.Read(path);
    if (!text.has_value()) continue;
    for (const std::string_view line : Lines(*text)) {
      const auto words = Words(line);
      if (words.size() < 4 || words[3].size() != 2 || words[3][0] != '0') continue;
      const char digit = words[3][1];
      const int state = digit >= '1' && digit <= '9'   ? digit - '0'
                        : digit >= 'A' && digit <= 'B' ? digit - 'A' + 10
                                                       : 0;
      if (state > 0) ++counts[static_cast<size_t>(state) - 1];
    }
  }
  for (size_t i = 0; i < counts.size(); ++i) {
    page.Add(kConnections, counts[i], {{"protocol", "tcp"}, {"state", kStates[i]}});
  }
}

void AddNumberOf(const HostView& view, HostPage& page, const HostMetric& metric,
                 std::string_view path) {
  if (!page.Wants(metric)) return;
  const auto text = view.Read(path);
  if (!text.has_value()) return;  // Without the module there is no such file.
  const auto lines = Lines(*text);
  const auto value = lines.empty() ? std::nullopt : ToUint(lines[0]);
  if (value.has_value()) page.Add(metric, static_cast<int64_t>(*value));
}

// The letter behind the name, which stands in parentheses and may contain any.
char StatusOf(std::string_view stat) {
  const size_t end = stat.rfind(')');
  return end != std::string_view::npos && end + 2 < stat.size() ? stat[end + 2] : '?';
}

}  // namespace

const std::span<const HostMetric> kNetworkMetrics = kNetworkTable;
const std::span<const HostMetric> kProcessesMetrics = kProcessesTable;

base::Status ScrapeNetwork(HostView& view, HostPage& page) {
  ASSIGN_OR_RETURN(const std::string text, view.Read("/proc/net/dev"));
  for (const std::string_view line : Lines(text)) {
    const size_t colon = line.rfind(':');
    if (colon == std::string_view::npos) continue;  // Headings.
    const auto names = Words(line.substr(0, colon));
    if (names.size() != 1 || !view.options.interfaces.Passes(names[0])) continue;
    AddInterface(names[0], Words(line.substr(colon + 1)), page);
  }
  AddConnections(view, page);
  AddNumberOf(view, page, kConntrackCount, "/proc/sys/net/netfilter/nf_conntrack_count");
  AddNumberOf(view, page, kConntrackMax, "/proc/sys/net/netfilter/nf_conntrack_max");
  return {};
}

base::Status ScrapeProcesses(HostView& view, HostPage& page) {
  ASSIGN_OR_RETURN(const std::string stat, view.Read("/proc/stat"));
  if (const auto created = ValueOf(stat, "processes"); created.has_value()) {
    page.Add(kCreated, static_cast<int64_t>(*created));
  }
  if (!page.Wants(kCount)) return {};
  ASSIGN_OR_RETURN(const auto entries, view.files.List(view.root + "/proc"));
  std::map<std::string_view, int64_t> counts;
  for (const base::DirectoryEntry& entry : entries) {
    if (!ToUint(entry.name).has_value()) continue;
    const auto text = view.Read("/proc/" + entry.name + "/stat");
    if (!text.has_value()) continue;  // It has ended meanwhile.
    const char letter = StatusOf(*text);
    std::string_view status = "unknown";
    for (const auto& [known, name] : kStatuses) {
      if (known == letter) status = name;
    }
    ++counts[status];
  }
  for (const auto& [status, count] : counts) page.Add(kCount, count, {{"status", status}});
  return {};
}

}  // namespace narthex::receivers
