#include "wal/histogram_records.h"

#include <bit>

#include "base/bytes.h"
#include "base/check.h"

namespace narthex::wal {
namespace {

using base::ByteReader;

auto Damaged(const ByteReader& reader) {
  return base::Fail(base::Code::kDataLoss, "histogram record: damaged at byte {}", reader.offset());
}

void PutDouble(std::string& out, double value) {
  base::PutBigEndian(out, std::bit_cast<uint64_t>(value));
}

double ReadDouble(ByteReader& reader) {
  return std::bit_cast<double>(reader.ReadBigEndian<uint64_t>());
}

void PutSpans(std::string& out, const std::vector<model::BucketSpan>& spans) {
  base::PutUvarint(out, spans.size());
  for (const model::BucketSpan& span : spans) {
    base::PutVarint(out, span.offset);
    base::PutUvarint(out, span.length);
  }
}

// A count from outside must not reserve more than the record can hold.
bool ReadCount(ByteReader& reader, size_t bytes_each, uint64_t& count) {
  count = reader.ReadUvarint();
  return reader.ok() && count <= reader.remaining() / bytes_each;
}

bool ReadSpans(ByteReader& reader, std::vector<model::BucketSpan>& spans) {
  uint64_t count = 0;
  if (!ReadCount(reader, 2, count)) return false;
  for (uint64_t i = 0; i < count; ++i) {
    const int64_t offset = reader.ReadVarint();
    spans.push_back({static_cast<int32_t>(offset), static_cast<uint32_t>(reader.ReadUvarint())});
  }
  return reader.ok();
}

bool ReadDoubles(ByteReader& reader, std::vector<double>& values) {
  uint64_t count = 0;
  if (!ReadCount(reader, sizeof(double), count)) return false;
  for (uint64_t i = 0; i < count; ++i) values.push_back(ReadDouble(reader));
  return reader.ok();
}

void PutDoubles(std::string& out, const std::vector<double>& values) {
  base::PutUvarint(out, values.size());
  for (const double value : values) PutDouble(out, value);
}

// Zero count and count: uvarints, or the bits of a float.
void PutCount(std::string& out, uint64_t count) { base::PutUvarint(out, count); }
void PutCount(std::string& out, double count) { PutDouble(out, count); }
void TakeCount(ByteReader& reader, uint64_t& count) { count = reader.ReadUvarint(); }
void TakeCount(ByteReader& reader, double& count) { count = ReadDouble(reader); }

void PutBuckets(std::string& out, const std::vector<int64_t>& deltas) {
  base::PutUvarint(out, deltas.size());
  for (const int64_t delta : deltas) base::PutVarint(out, delta);
}
void PutBuckets(std::string& out, const std::vector<double>& counts) { PutDoubles(out, counts); }
bool ReadBuckets(ByteReader& reader, std::vector<int64_t>& deltas) {
  uint64_t count = 0;
  if (!ReadCount(reader, 1, count)) return false;
  for (uint64_t i = 0; i < count; ++i) deltas.push_back(reader.ReadVarint());
  return reader.ok();
}
bool ReadBuckets(ByteReader& reader, std::vector<double>& counts) {
  return ReadDoubles(reader, counts);
}

auto& PositiveOf(model::IntegerHistogram& h) { return h.positive_deltas; }
auto& PositiveOf(model::FloatHistogram& h) { return h.positive; }
auto& NegativeOf(model::IntegerHistogram& h) { return h.negative_deltas; }
auto& NegativeOf(model::FloatHistogram& h) { return h.negative; }
const auto& PositiveOf(const model::IntegerHistogram& h) { return h.positive_deltas; }
const auto& PositiveOf(const model::FloatHistogram& h) { return h.positive; }
const auto& NegativeOf(const model::IntegerHistogram& h) { return h.negative_deltas; }
const auto& NegativeOf(const model::FloatHistogram& h) { return h.negative; }

template <class Histogram>
void PutHistogram(std::string& out, const Histogram& h) {
  out += static_cast<char>(h.hint);
  base::PutVarint(out, h.schema);
  PutDouble(out, h.zero_threshold);
  PutCount(out, h.zero_count);
  PutCount(out, h.count);
  PutDouble(out, h.sum);
  PutSpans(out, h.positive_spans);
  PutSpans(out, h.negative_spans);
  PutBuckets(out, PositiveOf(h));
  PutBuckets(out, NegativeOf(h));
  if (h.schema == model::kCustomBucketsSchema) PutDoubles(out, h.custom_bounds);
}

template <class Histogram>
bool ReadHistogram(ByteReader& reader, Histogram& h) {
  h.hint = static_cast<model::ResetHint>(reader.ReadByte() & 3);
  h.schema = static_cast<int32_t>(reader.ReadVarint());
  h.zero_threshold = ReadDouble(reader);
  TakeCount(reader, h.zero_count);
  TakeCount(reader, h.count);
  h.sum = ReadDouble(reader);
  if (!ReadSpans(reader, h.positive_spans) || !ReadSpans(reader, h.negative_spans) ||
      !ReadBuckets(reader, PositiveOf(h)) || !ReadBuckets(reader, NegativeOf(h))) {
    return false;
  }
  if (h.schema > model::kExponentialSchemaMax && h.schema <= model::kExponentialSchemaReadMax) {
    h.ReduceResolution(model::kExponentialSchemaMax);
  }
  return h.schema != model::kCustomBucketsSchema || ReadDoubles(reader, h.custom_bounds);
}

// Those with start times: the first sample is absolute, references then relative to the one before.
template <class Entry>
base::Status DecodeWithStarts(ByteReader& reader, std::vector<Entry>& out) {
  Ref ref = 0;
  uint64_t first_time = 0;
  for (bool first = true; !reader.empty(); first = false) {
    Entry entry;
    ref += static_cast<uint64_t>(reader.ReadVarint());
    const auto time = static_cast<uint64_t>(reader.ReadVarint());
    if (first) first_time = time;
    entry.ref = ref;
    entry.t = static_cast<model::Timestamp>(first ? time : first_time + time);
    if (first) {
      reader.ReadVarint();  // Its start time.
    } else {
      const uint8_t start_time = reader.ReadByte();
      if (start_time == kExplicitStart) reader.ReadVarint();
      if (start_time > kExplicitStart) return Damaged(reader);
    }
    if (!reader.ok() || !ReadHistogram(reader, entry.histogram)) return Damaged(reader);
    out.push_back(std::move(entry));
  }
  return {};
}

template <class Entry>
base::Status Decode(std::string_view record, RecordType plain, RecordType custom,
                    RecordType with_starts, std::vector<Entry>& out) {
  ByteReader reader(record);
  const auto type = static_cast<RecordType>(reader.ReadByte());
  if (reader.ok() && type == with_starts) return DecodeWithStarts(reader, out);
  if (!reader.ok() || (type != plain && type != custom)) return Damaged(reader);
  if (reader.empty()) return {};
  const auto base_ref = reader.ReadBigEndian<uint64_t>();
  const auto base_time = reader.ReadBigEndian<uint64_t>();
  while (reader.ok() && !reader.empty()) {
    Entry entry;
    entry.ref = base_ref + static_cast<uint64_t>(reader.ReadVarint());
    const uint64_t t = base_time + static_cast<uint64_t>(reader.ReadVarint());
    entry.t = static_cast<model::Timestamp>(t);
    if (!ReadHistogram(reader, entry.histogram)) return Damaged(reader);
    out.push_back(std::move(entry));
  }
  if (!reader.ok()) return Damaged(reader);
  return {};
}

}  // namespace

void HistogramsRecord::Begin(RecordType type, Ref ref, model::Timestamp t) {
  if (bytes_.empty()) {
    bytes_ += static_cast<char>(type);
    base_ref_ = ref;
    base_time_ = t;
    base::PutBigEndian(bytes_, base_ref_);
    base::PutBigEndian(bytes_, base_time_);
  }
  DCHECK(bytes_[0] == static_cast<char>(type));
  base::PutVarint(bytes_, static_cast<int64_t>(ref - base_ref_));
  base::PutVarint(
      bytes_, static_cast<int64_t>(static_cast<uint64_t>(t) - static_cast<uint64_t>(base_time_)));
}

void HistogramsRecord::Add(const HistogramEntry& entry) {
  const bool custom = entry.histogram.schema == model::kCustomBucketsSchema;
  Begin(custom ? RecordType::kCustomHistograms : RecordType::kHistograms, entry.ref, entry.t);
  PutHistogram(bytes_, entry.histogram);
}

void HistogramsRecord::Add(const FloatHistogramEntry& entry) {
  const bool custom = entry.histogram.custom();
  Begin(custom ? RecordType::kCustomFloatHistograms : RecordType::kFloatHistograms, entry.ref,
        entry.t);
  PutHistogram(bytes_, entry.histogram);
}

base::Status DecodeHistograms(std::string_view record, std::vector<HistogramEntry>& out) {
  return Decode(record, RecordType::kHistograms, RecordType::kCustomHistograms,
                RecordType::kHistogramsV2, out);
}

base::Status DecodeFloatHistograms(std::string_view record, std::vector<FloatHistogramEntry>& out) {
  return Decode(record, RecordType::kFloatHistograms, RecordType::kCustomFloatHistograms,
                RecordType::kFloatHistogramsV2, out);
}

}  // namespace narthex::wal
