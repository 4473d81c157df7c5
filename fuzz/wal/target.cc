// A segment of arbitrary bytes: the reader ends, accounts for every byte that it passes over, and
// the record decoders stay inside their record.

#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/testing/memory_file_system.h"
#include "wal/exemplar_records.h"
#include "wal/histogram_records.h"
#include "wal/reader.h"
#include "wal/records.h"

using namespace narthex;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Record decoders by themselves: framing would hide most inputs behind its checksum.
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::vector<wal::SeriesEntry> series;
  std::vector<wal::SampleEntry> samples;
  std::ignore = wal::DecodeSeries(bytes, series);
  std::ignore = wal::DecodeSamples(bytes, samples);
  std::vector<wal::HistogramEntry> histograms;
  std::vector<wal::FloatHistogramEntry> float_histograms;
  std::ignore = wal::DecodeHistograms(bytes, histograms);
  std::ignore = wal::DecodeFloatHistograms(bytes, float_histograms);
  // What can be read can be written and read again.
  std::vector<wal::ExemplarEntry> exemplars;
  if (wal::DecodeExemplars(bytes, exemplars)) {
    wal::ExemplarsRecord record;
    for (const wal::ExemplarEntry& entry : exemplars) record.Add(entry);
    std::vector<wal::ExemplarEntry> again;
    CHECK(record.empty() || wal::DecodeExemplars(record.bytes(), again));
    CHECK(again.size() == exemplars.size());
  }
  std::vector<wal::MetadataEntry> metadata;
  if (wal::DecodeMetadata(bytes, metadata)) {
    wal::MetadataRecord record;
    for (const wal::MetadataEntry& entry : metadata) record.Add(entry);
    std::vector<wal::MetadataEntry> again;
    CHECK(record.empty() || wal::DecodeMetadata(record.bytes(), again));
    CHECK(again.size() == metadata.size());
    for (size_t i = 0; i < again.size(); ++i) {
      CHECK(again[i].ref == metadata[i].ref && again[i].metadata == metadata[i].metadata);
    }
  }

  base::MemoryFileSystem disk;
  std::ignore = disk.CreateDirectories("/wal");
  disk.SetContent("/wal/00000000", std::string(bytes));
  uint64_t damaged = 0;
  wal::Reader reader(disk, *wal::ListSegments(disk, "/wal"), [&](const wal::Damage& damage) {
    CHECK(damage.offset + damage.skipped <= size);
    ++damaged;
  });
  for (;;) {
    const auto more = reader.Next();
    if (!more || !*more) break;
    CHECK(reader.offset() < size);
  }
  CHECK(damaged <= size);
  return 0;
}
