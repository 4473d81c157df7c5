#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/metadata.h"
#include "model/sample.h"
#include "wal/records.h"

namespace narthex::wal {

// What a log keeps of series beside their samples. Source: Prometheus, tsdb/record.

struct ExemplarEntry {
  Ref ref;
  model::Timestamp t;
  double v;
  model::Labels labels;
};

struct MetadataEntry {
  Ref ref;
  model::Metadata metadata;
};

// Builds an exemplars record (type 4): times and references are stored relative to the first entry.
// One thread at a time.
class ExemplarsRecord {
 public:
  void Add(const ExemplarEntry& entry);
  bool empty() const { return bytes_.empty(); }
  std::string_view bytes() const { return bytes_; }

 private:
  std::string bytes_;
  Ref base_ref_ = 0;
  model::Timestamp base_time_ = 0;
};

// Builds a metadata record (type 6). One thread at a time.
class MetadataRecord {
 public:
  void Add(const MetadataEntry& entry);
  bool empty() const { return bytes_.empty(); }
  std::string_view bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Decoders take a whole record, type byte included, and append to `out`. Error: kDataLoss with the
// offset inside the record; entries before it are in `out`.
base::Status DecodeExemplars(std::string_view record, std::vector<ExemplarEntry>& out);
// Fields of other names than unit and help are passed over, types that are not known are kUnknown.
base::Status DecodeMetadata(std::string_view record, std::vector<MetadataEntry>& out);

}  // namespace narthex::wal
