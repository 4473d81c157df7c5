#include <cstdint>
#include <string>

#include "base/testing/memory_file_system.h"
#include "pipeline/queue_log.h"

// Whatever lies in a segment can be opened, read, added to and opened again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace narthex;
  base::MemoryFileSystem files;
  (void)files.CreateDirectories("d");
  files.SetContent("d/0000000000000001.queue",
                   std::string(reinterpret_cast<const char*>(data), size));
  size_t entries = 0;
  for (int round = 0; round < 2; ++round) {
    const auto log = pipeline::QueueLog::Open(files, {.directory = "d"}, base::NullLogger());
    if (!log.has_value()) return 0;
    const auto pending = (*log)->pending();
    if (round == 1 && pending.size() != entries) __builtin_trap();
    for (const auto& entry : pending) (void)(*log)->Read(entry.id);
    entries = pending.size();
    if (round == 0 && (*log)->Append("x", 1).has_value()) ++entries;
  }
  return 0;
}
