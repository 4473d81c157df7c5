// Every file under /proc with the same content, whatever it is: all scrapers come to an end.
#include <cstdint>
#include <string>

#include "base/testing/memory_file_system.h"
#include "receivers/hostmetrics/scrapers.h"

namespace receivers = narthex::receivers;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  narthex::base::MemoryFileSystem files;
  for (const char* path :
       {"/proc/stat", "/proc/cpuinfo", "/proc/loadavg", "/proc/uptime", "/proc/meminfo",
        "/proc/vmstat", "/proc/swaps", "/proc/diskstats", "/proc/filesystems", "/proc/self/mounts",
        "/proc/net/dev", "/proc/net/tcp", "/proc/1/stat"}) {
    files.SetContent(path, text);
  }
  for (const receivers::HostScraper& scraper : receivers::HostScrapers()) {
    std::set<std::string, std::less<>> on;
    for (const receivers::HostMetric& metric : scraper.metrics) on.emplace(metric.name);
    receivers::HostView view{.files = files};
    for (int i = 0; i < 2; ++i) {
      receivers::HostPage page(2, 1, on);
      page.BeginScope(scraper.name);
      (void)scraper.scrape(view, page);
      (void)page.Take().ToBatch();
    }
  }
  return 0;
}
