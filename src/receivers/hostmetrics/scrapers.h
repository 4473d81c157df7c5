#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "config/reader.h"
#include "receivers/hostmetrics/page.h"

namespace re2 {
class RE2;
}

namespace narthex::receivers {

// Names that are wanted, as `include` and `exclude` blocks say. Immutable.
class NameFilter {
 public:
  // A block of `match_type` and a list under `list_key`; null: no rule.
  void Include(const config::Node* node, std::string_view list_key,
               config::Diagnostics& diagnostics);
  void Exclude(const config::Node* node, std::string_view list_key,
               config::Diagnostics& diagnostics);
  bool Passes(std::string_view name) const;

 private:
  struct Words {
    std::vector<std::string> strict;
    std::vector<std::shared_ptr<const re2::RE2>> patterns;
    bool Match(std::string_view name) const;
  };
  static std::optional<Words> Read(const config::Node* node, std::string_view list_key,
                                   config::Diagnostics& diagnostics);

  std::optional<Words> include_, exclude_;
};

// What a scraper's block says beside its metrics. A value.
struct ScraperOptions {
  NameFilter devices, interfaces, fs_types, mount_points, processes;
  bool virtual_filesystems = false;
  bool load_per_cpu = false;
};

// The host's files, and what the last scrape saw, for rates. One thread at a time.
struct HostView {
  base::FileSystem& files;
  std::string root;      // In front of every path: empty, or `root_path`.
  int64_t now_ns = 0;    // Of this scrape, since the epoch.
  uint64_t boot_ns = 0;  // When the machine started.
  int64_t last_ns = 0;   // Of the scrape before; 0: there was none.
  ScraperOptions options;
  // Of CPUs by name, or of processes by number, in ticks by state.
  std::map<std::string, std::vector<uint64_t>> last_cpu_ticks;

  base::Result<std::string> Read(std::string_view path) const {
    return base::ReadFile(files, root + std::string(path));
  }
};

// One scraper: its name in the configuration, what it can say, and how.
struct HostScraper {
  std::string_view name;
  std::span<const HostMetric> metrics;
  base::Status (*scrape)(HostView& view, HostPage& page);
};

// All there are. Source: opentelemetry-collector-contrib, receiver/hostmetricsreceiver.
std::span<const HostScraper> HostScrapers();

// The tables and functions, by family.
extern const std::span<const HostMetric> kCpuMetrics, kLoadMetrics, kMemoryMetrics, kDiskMetrics,
    kFilesystemMetrics, kNetworkMetrics, kPagingMetrics, kProcessMetrics, kProcessesMetrics,
    kSystemMetrics;
base::Status ScrapeCpu(HostView& view, HostPage& page);
base::Status ScrapeLoad(HostView& view, HostPage& page);
base::Status ScrapeProcess(HostView& view, HostPage& page);
base::Status ScrapeMemory(HostView& view, HostPage& page);
base::Status ScrapeDisk(HostView& view, HostPage& page);
base::Status ScrapeFilesystem(HostView& view, HostPage& page);
base::Status ScrapeNetwork(HostView& view, HostPage& page);
base::Status ScrapePaging(HostView& view, HostPage& page);
base::Status ScrapeProcesses(HostView& view, HostPage& page);
base::Status ScrapeSystem(HostView& view, HostPage& page);

}  // namespace narthex::receivers
