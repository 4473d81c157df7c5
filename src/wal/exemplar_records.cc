#include "wal/exemplar_records.h"

#include <bit>

#include "base/bytes.h"

namespace narthex::wal {
namespace {

using base::ByteReader;

constexpr std::string_view kUnit = "UNIT";
constexpr std::string_view kHelp = "HELP";

auto Damaged(std::string_view what, const ByteReader& reader) {
  return base::Fail(base::Code::kDataLoss, "{} record: damaged at byte {}", what, reader.offset());
}

void PutString(std::string& out, std::string_view text) {
  base::PutUvarint(out, text.size());
  out += text;
}

}  // namespace

void ExemplarsRecord::Add(const ExemplarEntry& entry) {
  if (bytes_.empty()) {
    bytes_ += static_cast<char>(RecordType::kExemplars);
    base_ref_ = entry.ref;
    base_time_ = entry.t;
    base::PutBigEndian(bytes_, base_ref_);
    base::PutBigEndian(bytes_, base_time_);
  }
  base::PutVarint(bytes_, static_cast<int64_t>(entry.ref - base_ref_));
  base::PutVarint(bytes_, static_cast<int64_t>(static_cast<uint64_t>(entry.t) -
                                               static_cast<uint64_t>(base_time_)));
  base::PutBigEndian(bytes_, std::bit_cast<uint64_t>(entry.v));
  base::PutUvarint(bytes_, entry.labels.size());
  // The encoded labels are the same uvarint-prefixed names and values.
  bytes_ += entry.labels.bytes();
}

void MetadataRecord::Add(const MetadataEntry& entry) {
  if (bytes_.empty()) bytes_ += static_cast<char>(RecordType::kMetadata);
  base::PutUvarint(bytes_, entry.ref);
  bytes_ += static_cast<char>(entry.metadata.type);
  base::PutUvarint(bytes_, 2);
  PutString(bytes_, kUnit);
  PutString(bytes_, entry.metadata.unit);
  PutString(bytes_, kHelp);
  PutString(bytes_, entry.metadata.help);
}

base::Status DecodeExemplars(std::string_view record, std::vector<ExemplarEntry>& out) {
  ByteReader reader(record);
  if (reader.ReadByte() != static_cast<uint8_t>(RecordType::kExemplars)) {
    return Damaged("exemplars", reader);
  }
  if (reader.empty()) return {};
  const auto base_ref = reader.ReadBigEndian<uint64_t>();
  const auto base_time = reader.ReadBigEndian<uint64_t>();
  while (reader.ok() && !reader.empty()) {
    ExemplarEntry entry;
    entry.ref = base_ref + static_cast<uint64_t>(reader.ReadVarint());
    entry.t = static_cast<model::Timestamp>(base_time + static_cast<uint64_t>(reader.ReadVarint()));
    entry.v = std::bit_cast<double>(reader.ReadBigEndian<uint64_t>());
    std::vector<model::Label> labels;
    for (uint64_t left = reader.ReadUvarint(); left > 0 && reader.ok(); --left) {
      const std::string_view name = reader.ReadUvarintString();
      labels.push_back({std::string(name), std::string(reader.ReadUvarintString())});
    }
    if (!reader.ok()) break;
    base::Result<model::Labels> made = model::Labels::From(std::move(labels));
    if (!made) return Damaged("exemplars", reader);
    entry.labels = *std::move(made);
    out.push_back(std::move(entry));
  }
  if (!reader.ok()) return Damaged("exemplars", reader);
  return {};
}

base::Status DecodeMetadata(std::string_view record, std::vector<MetadataEntry>& out) {
  ByteReader reader(record);
  if (reader.ReadByte() != static_cast<uint8_t>(RecordType::kMetadata)) {
    return Damaged("metadata", reader);
  }
  while (reader.ok() && !reader.empty()) {
    MetadataEntry entry;
    entry.ref = reader.ReadUvarint();
    const uint8_t type = reader.ReadByte();
    if (type <= static_cast<uint8_t>(model::MetricType::kStateSet)) {
      entry.metadata.type = static_cast<model::MetricType>(type);
    }
    for (uint64_t left = reader.ReadUvarint(); left > 0 && reader.ok(); --left) {
      const std::string_view name = reader.ReadUvarintString();
      const std::string_view value = reader.ReadUvarintString();
      if (name == kUnit) entry.metadata.unit = value;
      if (name == kHelp) entry.metadata.help = value;
    }
    if (!reader.ok()) break;
    out.push_back(std::move(entry));
  }
  if (!reader.ok()) return Damaged("metadata", reader);
  return {};
}

}  // namespace narthex::wal
