#include "remote/received_metadata.h"

#include <protozero/pbf_message.hpp>

#include "model/labels.h"

namespace narthex::remote {

using model::Metadata;
using model::MetricType;

namespace {

// Field numbers. Source: prometheus/prometheus, prompb/types.proto.
enum class MetadataField : protozero::pbf_tag_type { kType = 1, kFamily = 2, kHelp = 4, kUnit = 5 };

constexpr int64_t kHourNs = int64_t{3600} * 1'000'000'000;

size_t SizeOf(std::string_view family, const Metadata& metadata) {
  return family.size() + metadata.help.size() + metadata.unit.size();
}

}  // namespace

ReceivedMetadata::Entry ReceivedMetadata::Decode(std::string_view message) {
  Entry entry;
  protozero::pbf_message<MetadataField> reader(message.data(), message.size());
  while (reader.next()) {
    switch (reader.tag()) {
      case MetadataField::kType: {
        const int32_t type = reader.get_enum();
        const bool known = type >= 0 && type <= static_cast<int32_t>(MetricType::kStateSet);
        entry.metadata.type = known ? static_cast<MetricType>(type) : MetricType::kUnknown;
        break;
      }
      case MetadataField::kFamily:
        entry.family = reader.get_string();
        break;
      case MetadataField::kHelp:
        entry.metadata.help = reader.get_string();
        break;
      case MetadataField::kUnit:
        entry.metadata.unit = reader.get_string();
        break;
      default:
        reader.skip();
    }
  }
  return entry;
}

ReceivedMetadata::ReceivedMetadata(const base::Clock& clock, size_t bytes_max)
    : clock_(clock), bytes_max_(bytes_max), forgot_ns_(clock.MonotonicNs()) {}

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

void ReceivedMetadata::Take(const std::vector<Entry>& entries) {
  if (entries.empty()) return;
  base::MutexLock lock(mutex_);
  Forget();
  const int64_t now = clock_.MonotonicNs();
  for (const auto& [family, metadata] : entries) {
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
    for (const auto& [family, known] : families_) entries.push_back({family, known.metadata});
  }
  for (const auto& [family, metadata] : entries) visit(family, metadata);
}

ReceivedMetadata::Statistics ReceivedMetadata::statistics() const {
  base::SharedLock lock(mutex_);
  return {.families = families_.size(), .passed_over = passed_over_};
}

}  // namespace narthex::remote
