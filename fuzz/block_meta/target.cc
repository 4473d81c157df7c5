// Arbitrary text as meta.json: what is read survives being written.

#include <cstdint>

#include "base/check.h"
#include "tsdb/block/meta.h"

using namespace narthex;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto meta = tsdb::BlockMeta::Parse({reinterpret_cast<const char*>(data), size});
  if (!meta) return 0;
  const std::string written = meta->ToJson();
  const auto again = tsdb::BlockMeta::Parse(written);
  CHECK(again.has_value());
  CHECK(again->ToJson() == written);
  return 0;
}
