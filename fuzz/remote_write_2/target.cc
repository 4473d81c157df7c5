// Remote-write bodies of version 2, behind snappy: no input may do more than be refused.

#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "remote/write_receiver.h"
#include "storage/testing/memory_storage.h"

using namespace narthex;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  storage::MemoryStorage storage;
  remote::WriteReceiver receiver(storage, base::SystemClock(), {});
  std::ignore =
      receiver.Write({reinterpret_cast<const char*>(data), size}, remote::WriteMessage::kVersion2);
  return 0;
}
