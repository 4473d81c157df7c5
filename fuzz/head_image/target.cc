// A head image of arbitrary bytes, also with its sections behind good checksums: what the head
// takes of it answers, takes more and can be cut, whatever it says.

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/check.h"
#include "base/testing/memory_file_system.h"
#include "tsdb/head/head.h"
#include "tsdb/head/image_file.h"

using namespace narthex;

namespace {

std::string Save(const tsdb::Head& head) {
  base::MemoryFileSystem disk;
  auto writer = *tsdb::ImageWriter::Create(disk, "/i");
  CHECK(head.SaveImage(writer).has_value());
  CHECK(writer.Finish().has_value());
  return disk.Content("/i");
}

void Use(std::string_view bytes) {
  const auto file = tsdb::ImageFile::Parse(bytes);
  if (!file) return;
  tsdb::Head head({});
  if (!head.LoadImage(*file)) return;
  const auto read = [&] {
    const auto set = head.Select({}, {});
    for (size_t i = 0; i < set->size(); ++i) {
      model::SampleColumns samples;
      (void)set->Read(i, {}, samples);  // Chunks are in no file here.
      const auto again = head.Resolve(set->labels(i));
      CHECK(again.has_value());
    }
  };
  read();
  (void)head.memory();
  (void)head.AnalyzeLabels(3);
  (void)head.SelectMetadata({});
  const std::string saved = Save(head);
  const auto second = tsdb::ImageFile::Parse(saved);
  CHECK(second.has_value());
  tsdb::Head twin({});
  CHECK(twin.LoadImage(*second).has_value());
  CHECK(twin.statistics().series == head.statistics().series);
  CHECK(twin.statistics().chunks == head.statistics().chunks);
  const auto slot = head.Resolve(*model::Labels::From({{"a", "b"}}));
  std::vector<tsdb::Head::Entry> batch;
  for (tsdb::Slot i = 0; i <= *slot; ++i) {
    for (const model::Timestamp t : {1'000'000, 1'000'010, 1'000'020}) batch.push_back({i, t, 1.5});
  }
  head.Publish(batch);
  read();
  head.Truncate(1'000'005, true);
  head.Truncate(model::kTimestampMax, true);
  read();
}

// The input as sections: for each a number, a uvarint length, and its bytes.
std::string Build(std::string_view input) {
  base::MemoryFileSystem disk;
  auto writer = *tsdb::ImageWriter::Create(disk, "/i");
  base::ByteReader reader(input);
  uint32_t begun = 0;
  while (!reader.empty()) {
    const uint8_t section = reader.ReadByte() % (tsdb::kImageSectionMax + 1);
    const std::string_view bytes = reader.ReadUvarintString();
    if (!reader.ok() || section == 0 || (begun & (1u << section)) != 0) break;
    begun |= 1u << section;
    CHECK(writer.Begin(static_cast<tsdb::ImageSection>(section)).has_value());
    CHECK(writer.Append(bytes).has_value());
  }
  CHECK(writer.Finish().has_value());
  return disk.Content("/i");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  Use(input);
  Use(Build(input));
  return 0;
}
