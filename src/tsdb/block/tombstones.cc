#include "tsdb/block/tombstones.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace narthex::tsdb {

using base::Code;
using base::Fail;
using model::TimeRange;

namespace {

constexpr uint32_t kMagic = 0x0130BA30;
constexpr uint8_t kVersion = 1;
constexpr size_t kHeaderBytes = 5;
constexpr size_t kChecksumBytes = 4;

// `a` ends before `b` begins, with at least one instant between them.
bool Apart(TimeRange a, TimeRange b) { return a.max < b.min && b.min - 1 > a.max; }

}  // namespace

void Intervals::Add(TimeRange range) {
  CHECK(range.min <= range.max);
  const auto first = std::ranges::find_if(ranges_, [&](TimeRange r) { return !Apart(r, range); });
  auto last = first;
  for (; last != ranges_.end() && !Apart(range, *last); ++last) {
    range.min = std::min(range.min, last->min);
    range.max = std::max(range.max, last->max);
  }
  ranges_.insert(ranges_.erase(first, last), range);
}

bool Intervals::Cover(TimeRange range) const {
  return std::ranges::any_of(ranges_,
                             [&](TimeRange r) { return r.min <= range.min && range.max <= r.max; });
}

bool Intervals::Overlap(TimeRange range) const {
  return std::ranges::any_of(ranges_,
                             [&](TimeRange r) { return r.min <= range.max && range.min <= r.max; });
}

void Intervals::RemoveFrom(model::SampleColumns& samples, size_t begin) const {
  size_t kept = begin;
  bool gap = false;
  auto deleted = ranges_.begin();
  for (size_t i = begin; i < samples.size(); ++i) {
    while (deleted != ranges_.end() && deleted->max < samples.t[i]) ++deleted;
    if (deleted != ranges_.end() && deleted->Contains(samples.t[i])) {
      gap = true;
      continue;
    }
    samples.t[kept] = samples.t[i];
    samples.v[kept] = samples.v[i];
    if (samples.HasStarts()) samples.starts[kept] = samples.starts[i];
    if (samples.HasHistograms()) {
      samples.histograms[kept] = samples.histograms[i];
      // What it said was about a sample that is gone.
      if (gap) model::ForgetReset(samples.histograms[kept]);
    }
    gap = false;
    ++kept;
  }
  samples.t.resize(kept);
  samples.v.resize(kept);
  if (samples.HasStarts()) samples.starts.resize(kept);
  if (samples.HasHistograms()) samples.histograms.resize(kept);
}

size_t Intervals::RemoveFrom(std::vector<chunk::TimedValue>& samples) const {
  return std::erase_if(
      samples, [this](const chunk::TimedValue& sample) { return Cover({sample.t, sample.t}); });
}

base::Result<Tombstones> Tombstones::Decode(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes + kChecksumBytes ||
      base::LoadBigEndian<uint32_t>(bytes.data()) != kMagic) {
    return Fail(Code::kDataLoss, "tombstones: not a tombstones file");
  }
  if (const auto version = static_cast<uint8_t>(bytes[4]); version != kVersion) {
    return Fail(Code::kUnimplemented, "tombstones: version {} is not known", version);
  }
  const std::string_view entries =
      bytes.substr(kHeaderBytes, bytes.size() - kHeaderBytes - kChecksumBytes);
  if (base::Crc32c(entries) != base::LoadBigEndian<uint32_t>(entries.data() + entries.size())) {
    return Fail(Code::kDataLoss, "tombstones: checksum mismatch");
  }
  Tombstones tombstones;
  for (base::ByteReader reader(entries); !reader.empty();) {
    const uint64_t series = reader.ReadUvarint();
    const TimeRange range{reader.ReadVarint(), reader.ReadVarint()};
    if (!reader.ok() || range.min > range.max) {
      return Fail(Code::kDataLoss, "tombstones: damaged entry");
    }
    tombstones.Add(series, range);
  }
  return tombstones;
}

std::string Tombstones::Encode() const {
  std::string bytes;
  base::PutBigEndian(bytes, kMagic);
  bytes += static_cast<char>(kVersion);
  for (const auto& [series, intervals] : series_) {
    for (const TimeRange range : intervals.ranges()) {
      base::PutUvarint(bytes, series);
      base::PutVarint(bytes, range.min);
      base::PutVarint(bytes, range.max);
    }
  }
  base::PutBigEndian(bytes, base::Crc32c(std::string_view(bytes).substr(kHeaderBytes)));
  return bytes;
}

const Intervals* Tombstones::Find(uint64_t series) const {
  const auto found = series_.find(series);
  return found == series_.end() ? nullptr : &found->second;
}

uint64_t Tombstones::count() const {
  uint64_t count = 0;
  for (const auto& [series, intervals] : series_) count += intervals.ranges().size();
  return count;
}

}  // namespace narthex::tsdb
