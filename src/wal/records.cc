#include "wal/records.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>

#include "base/bytes.h"

namespace narthex::wal {
namespace {

using base::ByteReader;

auto Damaged(std::string_view what, const ByteReader& reader) {
  return base::Fail(base::Code::kDataLoss, "{} record: damaged at byte {}", what, reader.offset());
}

int64_t Difference(uint64_t a, uint64_t b) { return static_cast<int64_t>(a - b); }

}  // namespace

void SeriesRecord::Add(Ref ref, const model::Labels& labels) {
  if (bytes_.empty()) bytes_ += static_cast<char>(RecordType::kSeries);
  base::PutBigEndian(bytes_, ref);
  base::PutUvarint(bytes_, labels.size());
  // The encoded labels are the same uvarint-prefixed names and values.
  bytes_ += labels.bytes();
}

void SamplesRecord::Add(const SampleEntry& sample) {
  constexpr size_t kHeaderBytes = 1 + 8 + 8;
  constexpr size_t kSampleBytesMax = 2 * base::kVarintBytesMax + 8;
  if (buffer_.size() - size_ < kHeaderBytes + kSampleBytesMax) {
    buffer_.resize(std::max<size_t>(1024, buffer_.size() * 2));
  }
  char* at = buffer_.data() + size_;
  if (size_ == 0) {
    *at++ = static_cast<char>(RecordType::kSamples);
    base_ref_ = sample.ref;
    base_time_ = sample.t;
    base::StoreBigEndian(at, base_ref_);
    base::StoreBigEndian(at + 8, base_time_);
    at += 16;
  }
  at = base::StoreVarint(at, Difference(sample.ref, base_ref_));
  at = base::StoreVarint(
      at, Difference(static_cast<uint64_t>(sample.t), static_cast<uint64_t>(base_time_)));
  base::StoreBigEndian(at, std::bit_cast<uint64_t>(sample.v));
  size_ = static_cast<size_t>(at + 8 - buffer_.data());
}

void TombstonesRecord::Add(const TombstoneEntry& entry) {
  if (bytes_.empty()) bytes_ += static_cast<char>(RecordType::kTombstones);
  base::PutBigEndian(bytes_, entry.ref);
  base::PutVarint(bytes_, entry.range.min);
  base::PutVarint(bytes_, entry.range.max);
}

base::Status DecodeTombstones(std::string_view record, std::vector<TombstoneEntry>& out) {
  ByteReader reader(record);
  if (reader.ReadByte() != static_cast<uint8_t>(RecordType::kTombstones)) {
    return Damaged("tombstones", reader);
  }
  while (!reader.empty()) {
    const Ref ref = reader.ReadBigEndian<uint64_t>();
    const int64_t min = reader.ReadVarint();
    const int64_t max = reader.ReadVarint();
    if (!reader.ok()) return Damaged("tombstones", reader);
    out.push_back({ref, {min, max}});
  }
  return {};
}

namespace {

// Writers put labels in order, each with a value: then nothing needs copies of them.
base::Result<model::Labels> MakeLabels(const std::vector<model::LabelView>& labels) {
  const bool as_kept = std::ranges::adjacent_find(labels, std::greater_equal(),
                                                  &model::LabelView::name) == labels.end() &&
                       std::ranges::none_of(labels, [](const model::LabelView& label) {
                         return label.name.empty() || label.value.empty();
                       });
  if (as_kept) return model::Labels::FromSorted(labels);
  std::vector<model::Label> copies;
  for (const model::LabelView& label : labels) {
    copies.push_back({std::string(label.name), std::string(label.value)});
  }
  return model::Labels::From(std::move(copies));
}

}  // namespace

base::Status DecodeSeries(std::string_view record, std::vector<SeriesEntry>& out) {
  ByteReader reader(record);
  if (reader.ReadByte() != static_cast<uint8_t>(RecordType::kSeries)) {
    return Damaged("series", reader);
  }
  std::vector<model::LabelView> labels;
  while (!reader.empty()) {
    const Ref ref = reader.ReadBigEndian<uint64_t>();
    labels.clear();
    for (uint64_t left = reader.ReadUvarint(); left > 0 && reader.ok(); --left) {
      const std::string_view name = reader.ReadUvarintString();
      labels.push_back({name, reader.ReadUvarintString()});
    }
    if (!reader.ok()) return Damaged("series", reader);
    base::Result<model::Labels> made = MakeLabels(labels);
    if (!made) return Damaged("series", reader);
    out.push_back({ref, *std::move(made)});
  }
  return {};
}

namespace {

base::Status DecodeSamplesV1(ByteReader& reader, std::vector<SampleEntry>& out) {
  if (reader.empty()) return {};
  const auto base_ref = reader.ReadBigEndian<uint64_t>();
  const auto base_time = reader.ReadBigEndian<uint64_t>();
  // Room for all is made first: growing costs as much as decoding.
  constexpr size_t kSampleBytesMin = 10;
  size_t size = out.size();
  out.resize(size + reader.remaining() / kSampleBytesMin);
  while (reader.ok() && !reader.empty()) {
    const Ref ref = base_ref + static_cast<uint64_t>(reader.ReadVarint());
    const uint64_t t = base_time + static_cast<uint64_t>(reader.ReadVarint());
    const auto v = std::bit_cast<double>(reader.ReadBigEndian<uint64_t>());
    if (!reader.ok()) break;
    out[size++] = {ref, static_cast<model::Timestamp>(t), v};
  }
  out.resize(size);
  if (!reader.ok()) return Damaged("samples", reader);
  return {};
}

base::Status DecodeSamplesV2(ByteReader& reader, std::vector<SampleEntry>& out) {
  if (reader.empty()) return {};
  Ref ref = static_cast<uint64_t>(reader.ReadVarint());
  const auto first_time = static_cast<uint64_t>(reader.ReadVarint());
  reader.ReadVarint();  // Start time.
  auto v = std::bit_cast<double>(reader.ReadBigEndian<uint64_t>());
  if (!reader.ok()) return Damaged("samples", reader);
  out.push_back({ref, static_cast<model::Timestamp>(first_time), v});
  while (!reader.empty()) {
    ref += static_cast<uint64_t>(reader.ReadVarint());
    const uint64_t t = first_time + static_cast<uint64_t>(reader.ReadVarint());
    const uint8_t start_time = reader.ReadByte();
    if (start_time == kExplicitStart) reader.ReadVarint();
    v = std::bit_cast<double>(reader.ReadBigEndian<uint64_t>());
    if (!reader.ok() || start_time > kExplicitStart) return Damaged("samples", reader);
    out.push_back({ref, static_cast<model::Timestamp>(t), v});
  }
  return {};
}

}  // namespace

base::Status DecodeSamples(std::string_view record, std::vector<SampleEntry>& out) {
  ByteReader reader(record);
  switch (static_cast<RecordType>(reader.ReadByte())) {
    case RecordType::kSamples:
      return DecodeSamplesV1(reader, out);
    case RecordType::kSamplesV2:
      return DecodeSamplesV2(reader, out);
    default:
      return Damaged("samples", reader);
  }
}

}  // namespace narthex::wal
