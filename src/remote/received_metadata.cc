#include "remote/received_metadata.h"

#include <protozero/pbf_message.hpp>

#include "model/labels.h"

namespace narthex::remote {

using model::Metadata;
using model::MetricType;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

namespace {

// Field numbers. Source: prometheus/prometheus, prompb/types.proto.
enum class MetadataField : protozero::pbf_tag_type { kType = 1, kFamily = 2, kHelp = 4, kUnit = 5 };

constexpr int64_t kHourNs = int64_t{3600} * 1'000'000'000;
// What was told is taken again after so long, before it is forgotten.
constexpr int64_t kToldNs = kHourNs / 6;
constexpr size_t kToldMax = 1 << 18;  // Subjects, of 20 bytes or so.

size_t SizeOf(std::string_view family, const Metadata& metadata) {
  return family.size() + metadata.help.size() + metadata.unit.size();
}

}  // namespace

MetricType TypeFromNumber(int32_t number) {
  const bool known = number >= 0 && number <= static_cast<int32_t>(MetricType::kStateSet);
  return known ? static_cast<MetricType>(number) : MetricType::kUnknown;
}

ReceivedMetadata::Entry ReceivedMetadata::Decode(std::string_view message) {
  Entry entry;
  protozero::pbf_message<MetadataField> reader(message.data(), message.size());
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(MetadataField::kType, pbf_wire_type::varint): {
        entry.metadata.type = TypeFromNumber(reader.get_enum());
        break;
      }
      case tag_and_type(MetadataField::kFamily, pbf_wire_type::length_delimited):
        entry.family = reader.get_string();
        break;
      case tag_and_type(MetadataField::kHelp, pbf_wire_type::length_delimited):
        entry.metadata.help = reader.get_string();
        break;
      case tag_and_type(MetadataField::kUnit, pbf_wire_type::length_delimited):
        entry.metadata.unit = reader.get_string();
        break;
      default:
        reader.skip();
    }
  }
  return entry;
}

ReceivedMetadata::ReceivedMetadata(const base::Clock& clock, size_t bytes_max)
    : clock_(clock),
      bytes_max_(bytes_max),
      told_since_ns_(clock.MonotonicNs()),
      forgot_ns_(clock.MonotonicNs()) {}

void ReceivedMetadata::Forget() {
  const int64_t now = clock_.MonotonicNs();
  if (now - forgot_ns_ < kHourNs) return;
  forgot_ns_ = now;
  for (auto at = families_.begin(); at != families_.end();) {
    if (now - at->second.told_ns < kHourNs) {
      ++at;
      continue;
    }
    bytes_ -= SizeOf(at->first, at->second.metadata);
    at = families_.erase(at);
  }
}

void ReceivedMetadata::Compare(std::span<Telling> tellings) const {
  base::SharedLock lock(mutex_);
  if (clock_.MonotonicNs() - told_since_ns_ >= kToldNs) return;
  for (Telling& telling : tellings) {
    const auto known = told_.find(telling.subject);
    telling.is_new = known == told_.end() || known->second != telling.content;
  }
}

void ReceivedMetadata::Remember(const Entry& entry) {
  if (entry.subject == 0) return;
  const int64_t now = clock_.MonotonicNs();
  if (now - told_since_ns_ >= kToldNs || told_.size() >= kToldMax) {
    told_ = {};
    told_since_ns_ = now;
  }
  told_.insert_or_assign(entry.subject, entry.content);
}

void ReceivedMetadata::Take(const std::vector<Entry>& entries) {
  if (entries.empty()) return;
  base::MutexLock lock(mutex_);
  Forget();
  const int64_t now = clock_.MonotonicNs();
  for (const Entry& entry : entries) {
    const auto& [family, metadata, subject, content] = entry;
    Remember(entry);
    const bool text = model::IsValidUtf8(family) && model::IsValidUtf8(metadata.help) &&
                      model::IsValidUtf8(metadata.unit);
    if (family.empty() || !text) continue;
    const auto found = families_.find(family);
    const size_t before = found == families_.end() ? 0 : SizeOf(family, found->second.metadata);
    const size_t after = bytes_ - before + SizeOf(family, metadata);
    if (after > bytes_max_) {
      ++passed_over_;
      continue;
    }
    bytes_ = after;
    families_.insert_or_assign(family, Known{metadata, now});
  }
}

void ReceivedMetadata::ForEach(
    const std::function<void(std::string_view, const Metadata&)>& visit) const {
  std::vector<Entry> entries;
  {
    base::SharedLock lock(mutex_);
    for (const auto& [family, known] : families_)
      entries.push_back({.family = family, .metadata = known.metadata});
  }
  for (const Entry& entry : entries) visit(entry.family, entry.metadata);
}

ReceivedMetadata::Statistics ReceivedMetadata::statistics() const {
  base::SharedLock lock(mutex_);
  return {.families = families_.size(), .passed_over = passed_over_};
}

}  // namespace narthex::remote
