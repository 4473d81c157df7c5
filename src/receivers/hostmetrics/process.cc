#include <algorithm>

#include "receivers/hostmetrics/proc_text.h"
#include "receivers/hostmetrics/scrapers.h"

namespace narthex::receivers {
namespace {

using Shape = HostMetric::Shape;

// The other units of /proc/PID/stat, the same on every Linux of ours.
constexpr uint64_t kNsPerTick = 10'000'000;
constexpr uint64_t kPageBytes = 4096;

constexpr HostMetric kCpuTime{"process.cpu.time", "s", Shape::kCounter, true,
                              "Total CPU seconds broken down by different states."};
constexpr HostMetric kCpuUtilization{
    "process.cpu.utilization", "1", Shape::kGauge, false,
    "Percentage of total CPU time used by the process since last scrape, expressed as a value "
    "between 0 and 1."};
constexpr HostMetric kMemoryUsage{"process.memory.usage", "By", Shape::kSum, true,
                                  "The amount of physical memory in use."};
constexpr HostMetric kMemoryVirtual{"process.memory.virtual", "By", Shape::kSum, true,
                                    "Virtual memory size."};
constexpr HostMetric kMemoryUtilization{
    "process.memory.utilization", "1", Shape::kGauge, false,
    "Percentage of total physical memory that is used by the process."};
constexpr HostMetric kDiskIo{"process.disk.io", "By", Shape::kCounter, true,
                             "Disk bytes transferred."};
constexpr HostMetric kDiskOperations{"process.disk.operations", "{operations}", Shape::kCounter,
                                     false, "Number of disk operations performed by the process."};
constexpr HostMetric kThreads{"process.threads", "{threads}", Shape::kSum, false,
                              "Process threads count."};
constexpr HostMetric kOpenFiles{"process.open_file_descriptors", "{count}", Shape::kSum, false,
                                "Number of file descriptors in use by the process."};
constexpr HostMetric kSwitches{"process.context_switches", "{count}", Shape::kCounter, false,
                               "Number of times the process has been context switched."};
constexpr HostMetric kFaults{"process.paging.faults", "{faults}", Shape::kCounter, false,
                             "Number of page faults the process has made."};
constexpr HostMetric kSignals{"process.signals_pending", "{signals}", Shape::kSum, false,
                              "Number of pending signals for the process."};
constexpr HostMetric kUptime{"process.uptime", "s", Shape::kGauge, false,
                             "The time the process has been running."};
constexpr HostMetric kTable[] = {
    kCpuTime, kCpuUtilization, kMemoryUsage, kMemoryVirtual, kMemoryUtilization,
    kDiskIo,  kDiskOperations, kThreads,     kOpenFiles,     kSwitches,
    kFaults,  kSignals,        kUptime};

// A process by what /proc/PID/stat says.
struct Process {
  std::string pid, folder, name;
  std::vector<uint64_t> fields;  // Behind the name, from the state on, whose letter is a 0.
  // The field with that number in proc(5).
  uint64_t Field(size_t number) const {
    return number - 3 < fields.size() ? fields[number - 3] : 0;
  }
};

std::optional<Process> ReadStat(const HostView& view, const std::string& pid) {
  Process process{.pid = pid, .folder = "/proc/" + pid, .name = {}, .fields = {}};
  const auto stat = view.Read(process.folder + "/stat");
  if (!stat.has_value()) return std::nullopt;  // It has ended meanwhile.
  const size_t open = stat->find('('), close = stat->rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  process.name = stat->substr(open + 1, close - open - 1);
  for (const std::string_view word : Words(std::string_view(*stat).substr(close + 1))) {
    process.fields.push_back(ToUint(word).value_or(0));
  }
  return process;
}

// Arguments with blanks between them; the first is the command.
std::string CommandLine(const HostView& view, const Process& process) {
  std::string text = view.Read(process.folder + "/cmdline").value_or("");
  while (text.ends_with('\0')) text.pop_back();
  return text;
}

std::string OwnerOf(const HostView& view, std::string_view status) {
  const auto id = ValueOf(status, "Uid");
  if (!id.has_value()) return "";
  const std::string number = std::to_string(*id);
  const std::string users = view.Read("/etc/passwd").value_or("");
  for (const std::string_view line : Lines(users)) {
    const size_t name = line.find(':');
    if (name == std::string_view::npos) continue;
    const size_t password = line.find(':', name + 1);
    if (password == std::string_view::npos) continue;
    const std::string_view rest = line.substr(password + 1);
    if (rest.substr(0, rest.find(':')) == number) return std::string(line.substr(0, name));
  }
  return number;
}

otlp::AttributeMap ResourceOf(const HostView& view, const Process& process,
                              std::string_view status) {
  otlp::AttributeMap resource;
  otlp::Put(resource, "process.pid", static_cast<int64_t>(ToUint(process.pid).value_or(0)));
  otlp::Put(resource, "process.parent_pid", static_cast<int64_t>(process.Field(4)));
  otlp::Put(resource, "process.executable.name", process.name);
  std::string line = CommandLine(view, process);
  const std::string command = line.substr(0, line.find('\0'));
  std::ranges::replace(line, '\0', ' ');
  otlp::Put(resource, "process.command", command);
  otlp::Put(resource, "process.command_line", std::move(line));
  otlp::Put(resource, "process.owner", OwnerOf(view, status));
  return resource;
}

void AddCpu(HostView& view, HostPage& page, const Process& process) {
  const std::vector<uint64_t> ticks = {process.Field(14), process.Field(15), process.Field(42)};
  constexpr std::string_view kStates[] = {"user", "system", "wait"};
  std::vector<uint64_t>& last = view.last_cpu_ticks[process.pid];
  const double seconds = static_cast<double>(view.now_ns - view.last_ns) / 1e9;
  for (size_t i = 0; i < ticks.size(); ++i) {
    page.Add(kCpuTime, static_cast<double>(ticks[i]) / kTicksPerSecond, {{"state", kStates[i]}});
    if (last.size() != ticks.size() || view.last_ns == 0 || seconds <= 0) continue;
    const uint64_t grown = ticks[i] > last[i] ? ticks[i] - last[i] : 0;
    page.Add(kCpuUtilization, static_cast<double>(grown) / kTicksPerSecond / seconds,
             {{"state", kStates[i]}});
  }
  last = ticks;
}

// Files of others are shown to root only: what cannot be read is left out.
void AddDisk(const HostView& view, HostPage& page, const Process& process) {
  if (!page.Wants(kDiskIo) && !page.Wants(kDiskOperations)) return;
  const auto io = view.Read(process.folder + "/io");
  if (!io.has_value()) return;
  const auto add = [&](const HostMetric& metric, std::string_view name,
                       std::string_view direction) {
    const auto value = ValueOf(*io, name);
    if (value.has_value()) {
      page.Add(metric, static_cast<int64_t>(*value), {{"direction", direction}});
    }
  };
  add(kDiskIo, "read_bytes", "read");
  add(kDiskIo, "write_bytes", "write");
  add(kDiskOperations, "syscr", "read");
  add(kDiskOperations, "syscw", "write");
}

void AddRest(const HostView& view, HostPage& page, const Process& process,
             std::string_view status) {
  page.Add(kThreads, static_cast<int64_t>(process.Field(20)));
  page.Add(kFaults, static_cast<int64_t>(process.Field(12)), {{"type", "major"}});
  page.Add(kFaults, static_cast<int64_t>(process.Field(10)), {{"type", "minor"}});
  if (page.Wants(kOpenFiles)) {
    if (const auto files = view.files.List(view.root + process.folder + "/fd")) {
      page.Add(kOpenFiles, static_cast<int64_t>(files->size()));
    }
  }
  const auto add = [&](const HostMetric& metric, std::string_view name, std::string_view type) {
    const auto value = ValueOf(status, name);
    if (value.has_value()) page.Add(metric, static_cast<int64_t>(*value), {{"type", type}});
  };
  add(kSwitches, "voluntary_ctxt_switches", "voluntary");
  add(kSwitches, "nonvoluntary_ctxt_switches", "involuntary");
  for (const std::string_view line : Lines(status)) {
    const auto words = Words(line);  // "SigQ: 3/15000": queued, and their limit.
    if (words.size() < 2 || words[0] != "SigQ:") continue;
    const auto pending = ToUint(words[1].substr(0, words[1].find('/')));
    page.Add(kSignals, static_cast<int64_t>(pending.value_or(0)));
  }
}

}  // namespace

const std::span<const HostMetric> kProcessMetrics = kTable;

base::Status ScrapeProcess(HostView& view, HostPage& page) {
  ASSIGN_OR_RETURN(const auto entries, view.files.List(view.root + "/proc"));
  const auto meminfo = view.Read("/proc/meminfo");
  const uint64_t total_bytes =
      meminfo.has_value() ? ValueOf(*meminfo, "MemTotal").value_or(0) << 10 : 0;
  std::set<std::string> alive;
  for (const auto& entry : entries) {
    if (!ToUint(entry.name).has_value()) continue;
    const auto process = ReadStat(view, entry.name);
    if (!process.has_value() || !view.options.processes.Passes(process->name)) continue;
    alive.insert(entry.name);
    const std::string status = view.Read(process->folder + "/status").value_or("");
    const uint64_t start_ns = view.boot_ns + process->Field(22) * kNsPerTick;
    page.BeginResource("process", ResourceOf(view, *process, status), start_ns);
    AddCpu(view, page, *process);
    const uint64_t resident = process->Field(24) * kPageBytes;
    page.Add(kMemoryUsage, static_cast<int64_t>(resident));
    page.Add(kMemoryVirtual, static_cast<int64_t>(process->Field(23)));
    if (total_bytes > 0) {
      page.Add(kMemoryUtilization,
               static_cast<double>(resident) / static_cast<double>(total_bytes));
    }
    AddDisk(view, page, *process);
    AddRest(view, page, *process, status);
    const auto now_ns = static_cast<uint64_t>(view.now_ns);
    if (now_ns > start_ns) page.Add(kUptime, static_cast<double>(now_ns - start_ns) / 1e9);
  }
  std::erase_if(view.last_cpu_ticks, [&](const auto& last) { return !alive.contains(last.first); });
  view.last_ns = view.now_ns;
  return {};
}

}  // namespace narthex::receivers
