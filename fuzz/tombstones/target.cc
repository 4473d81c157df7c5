// A tombstones file of arbitrary bytes, with its checksum put right: what is decoded survives
// another round.

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "tsdb/block/tombstones.h"

using namespace narthex;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  std::ignore = tsdb::Tombstones::Decode(bytes);
  base::PutBigEndian(bytes, bytes.size() < 5 ? 0 : base::Crc32c(std::string_view(bytes).substr(5)));
  const auto decoded = tsdb::Tombstones::Decode(bytes);
  if (!decoded) return 0;
  const std::string again = decoded->Encode();
  const auto twice = tsdb::Tombstones::Decode(again);
  CHECK(twice.has_value() && twice->Encode() == again);
  model::SampleColumns samples;
  for (model::Timestamp t = -20; t < 20; ++t) samples.Add(t, 0);
  for (const auto& [series, intervals] : decoded->series()) intervals.RemoveFrom(samples, 0);
  return 0;
}
