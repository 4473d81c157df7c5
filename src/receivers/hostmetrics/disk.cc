#include <algorithm>
#include <set>

#include "receivers/hostmetrics/proc_text.h"
#include "receivers/hostmetrics/scrapers.h"

namespace narthex::receivers {
namespace {

using Shape = HostMetric::Shape;

constexpr uint64_t kSectorBytes = 512;  // Of /proc/diskstats, whatever the disk's are.

constexpr HostMetric kIo{"system.disk.io", "By", Shape::kCounter, true, "Disk bytes transferred."};
constexpr HostMetric kOperations{"system.disk.operations", "{operations}", Shape::kCounter, true,
                                 "Disk operations count."};
constexpr HostMetric kIoTime{
    "system.disk.io_time", "s", Shape::kCounter, true,
    "Time disk spent activated. On Windows, this is calculated as the inverse of disk idle time."};
constexpr HostMetric kOperationTime{"system.disk.operation_time", "s", Shape::kCounter, true,
                                    "Time spent in disk operations."};
constexpr HostMetric kWeightedTime{"system.disk.weighted_io_time", "s", Shape::kCounter, true,
                                   "Time disk spent activated multiplied by the queue length."};
constexpr HostMetric kPending{"system.disk.pending_operations", "{operations}", Shape::kSum, true,
                              "The queue size of pending I/O operations."};
constexpr HostMetric kMerged{
    "system.disk.merged", "{operations}", Shape::kCounter, true,
    "The number of disk reads/writes merged into single physical disk access operations."};
constexpr HostMetric kDiskTable[] = {kIo,           kOperations, kIoTime, kOperationTime,
                                     kWeightedTime, kPending,    kMerged};

constexpr HostMetric kUsage{"system.filesystem.usage", "By", Shape::kSum, true,
                            "Filesystem bytes used."};
constexpr HostMetric kInodes{"system.filesystem.inodes.usage", "{inodes}", Shape::kSum, true,
                             "FileSystem inodes used."};
constexpr HostMetric kUtilization{"system.filesystem.utilization", "1", Shape::kGauge, false,
                                  "Fraction of filesystem bytes used."};
constexpr HostMetric kFilesystemTable[] = {kUsage, kInodes, kUtilization};

int64_t Signed(uint64_t value) { return static_cast<int64_t>(value); }
double Seconds(uint64_t ms) { return static_cast<double>(ms) / 1e3; }

// A line of /proc/diskstats. Source: kernel, Documentation/admin-guide/iostats.rst.
void AddDisk(const std::vector<std::string_view>& words, HostPage& page) {
  const std::string_view device = words[2];
  const auto at = [&](size_t field) { return UintAt(words, field + 2); };  // From 1.
  const auto add = [&](const HostMetric& metric, auto read, auto write) {
    page.Add(metric, read, {{"device", device}, {"direction", "read"}});
    page.Add(metric, write, {{"device", device}, {"direction", "write"}});
  };
  add(kOperations, Signed(at(1)), Signed(at(5)));
  add(kMerged, Signed(at(2)), Signed(at(6)));
  add(kIo, Signed(at(3) * kSectorBytes), Signed(at(7) * kSectorBytes));
  add(kOperationTime, Seconds(at(4)), Seconds(at(8)));
  page.Add(kPending, Signed(at(9)), {{"device", device}});
  page.Add(kIoTime, Seconds(at(10)), {{"device", device}});
  page.Add(kWeightedTime, Seconds(at(11)), {{"device", device}});
}

struct Mount {
  std::string device, point, type;
  std::string_view mode;
};

// Kinds of file systems that have no device of their own.
std::set<std::string> VirtualTypes(const HostView& view) {
  std::set<std::string> types;
  const auto text = view.Read("/proc/filesystems");
  if (!text.has_value()) return types;
  for (const std::string_view line : Lines(*text)) {
    const auto words = Words(line);
    // As upstream: zfs keeps its devices to itself.
    if (words.size() == 2 && words[0] == "nodev" && words[1] != "zfs") types.emplace(words[1]);
  }
  return types;
}

std::vector<Mount> Mounts(const HostView& view, std::string_view text) {
  const std::set<std::string> hidden =
      view.options.virtual_filesystems ? std::set<std::string>() : VirtualTypes(view);
  std::vector<Mount> mounts;
  std::set<std::pair<std::string, std::string>> seen;
  for (const std::string_view line : Lines(text)) {
    const auto words = Words(line);
    if (words.size() < 4) continue;
    Mount mount{Unescape(words[0]), Unescape(words[1]), std::string(words[2]),
                words[3] == "ro" || words[3].starts_with("ro,") ? "ro" : "rw"};
    const bool is_wanted =
        !hidden.contains(mount.type) && view.options.devices.Passes(mount.device) &&
        view.options.fs_types.Passes(mount.type) && view.options.mount_points.Passes(mount.point);
    if (is_wanted && seen.emplace(mount.device, mount.point).second) {
      mounts.push_back(std::move(mount));
    }
  }
  return mounts;
}

void AddMount(const Mount& mount, const base::DiskSpace& space, HostPage& page) {
  const auto add = [&](const HostMetric& metric, auto value, std::string_view state) {
    page.Add(metric, value,
             {{"device", mount.device},
              {"mode", mount.mode},
              {"mountpoint", mount.point},
              {"type", mount.type},
              {"state", state}});
  };
  const uint64_t used = space.total - std::min(space.free_for_root, space.total);
  const uint64_t reserved = space.free_for_root - std::min(space.free, space.free_for_root);
  add(kUsage, Signed(used), "used");
  add(kUsage, Signed(space.free), "free");
  add(kUsage, Signed(reserved), "reserved");
  add(kInodes, Signed(space.inodes - std::min(space.inodes_free, space.inodes)), "used");
  add(kInodes, Signed(space.inodes_free), "free");
  if (!page.Wants(kUtilization)) return;
  // Of what the unprivileged can use, as df has it.
  const auto usable = static_cast<double>(used + space.free);
  page.Add(kUtilization, usable > 0 ? static_cast<double>(used) / usable : 0.0,
           {{"device", mount.device},
            {"mode", mount.mode},
            {"mountpoint", mount.point},
            {"type", mount.type}});
}

}  // namespace

const std::span<const HostMetric> kDiskMetrics = kDiskTable;
const std::span<const HostMetric> kFilesystemMetrics = kFilesystemTable;

base::Status ScrapeDisk(HostView& view, HostPage& page) {
  ASSIGN_OR_RETURN(const std::string text, view.Read("/proc/diskstats"));
  for (const std::string_view line : Lines(text)) {
    const auto words = Words(line);
    if (words.size() >= 14 && view.options.devices.Passes(words[2])) AddDisk(words, page);
  }
  return {};
}

base::Status ScrapeFilesystem(HostView& view, HostPage& page) {
  // Under another root the mounts are those of its first process.
  const std::string_view path = view.root.empty() ? "/proc/self/mounts" : "/proc/1/mounts";
  ASSIGN_OR_RETURN(const std::string text, view.Read(path));
  for (const Mount& mount : Mounts(view, text)) {
    const auto space = view.files.Space(view.root + mount.point);
    // One that cannot be looked at does not hide the others.
    if (space.has_value() && space->total > 0) AddMount(mount, *space, page);
  }
  return {};
}

}  // namespace narthex::receivers
