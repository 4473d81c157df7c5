#include "base/process.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>

#include "base/file_system.h"

namespace narthex::base {

void ReturnLargeBlocks() {
#if defined(__GLIBC__)
  // Above what comes and goes many times a query: a tile of the engine is 1 MiB.
  ::mallopt(M_MMAP_THRESHOLD, 2 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 4 << 20);
#endif
}

ProcessUsage ReadProcessUsage() {
  ProcessUsage usage;
  struct rusage times;
  if (::getrusage(RUSAGE_SELF, &times) == 0) {
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    usage.cpu_seconds = seconds(times.ru_utime) + seconds(times.ru_stime);
  }
  if (const auto statm = ReadFile(PosixFileSystem(), "/proc/self/statm")) {
    unsigned long long total = 0;
    unsigned long long resident = 0;
    if (std::sscanf(statm->c_str(), "%llu %llu", &total, &resident) == 2) {
      const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
      usage.virtual_bytes = total * page;
      usage.resident_bytes = resident * page;
    }
  }
  if (const auto files = PosixFileSystem().List("/proc/self/fd")) usage.open_files = files->size();
  if (const auto threads = PosixFileSystem().List("/proc/self/task")) {
    usage.threads = threads->size();
  }
  return usage;
}

std::string HostName() {
  char name[256] = {};
  return ::gethostname(name, sizeof(name) - 1) == 0 ? name : "";
}

std::string CurrentDirectory() {
  char path[4096];
  return ::getcwd(path, sizeof(path)) != nullptr ? path : "";
}

}  // namespace narthex::base
