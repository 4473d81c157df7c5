#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "wal/segment.h"

namespace narthex::wal {

// A place that could not be read.
struct Damage {
  std::string path;
  uint64_t offset;   // Of the first bad fragment, in bytes.
  uint64_t skipped;  // Bytes passed over until the next good record.
  std::string cause;
  bool torn_tail;  // An unfinished write at the very end of a segment: a crash, no damage.
};

// Reads every record of a list of segments in order. Damage costs the records that it hit and no
// others: it is reported, and reading goes on at the next fragment that checks out. (Upstream drops
// everything behind a damaged place.) One thread at a time.
class Reader {
 public:
  Reader(base::FileSystem& files, std::vector<SegmentFile> segments,
         std::function<void(const Damage&)> on_damage);

  // False at the end. Error: a segment that cannot be opened.
  base::Result<bool> Next();

  // The record that Next found; valid until the next call.
  std::string_view record() const { return record_; }
  const std::string& path() const { return segments_[current_].path; }
  uint32_t segment() const { return segments_[current_].index; }
  uint64_t offset() const { return record_offset_; }

 private:
  enum class Step { kRecord, kMore, kSegmentEnd, kDamaged };

  Step ReadFragment();
  // Notes damage from the record under way (or here) on; the search goes on at `resume`.
  Step Damaged(std::string cause, uint64_t resume);
  bool IsZero(uint64_t begin, uint64_t end) const;
  // True when a fragment with a matching CRC starts at `at`.
  bool Plausible(uint64_t at) const;
  void Recover();
  Step Complete(uint8_t flags);

  base::FileSystem& files_;
  const std::vector<SegmentFile> segments_;
  const std::function<void(const Damage&)> on_damage_;

  size_t current_ = 0;
  std::unique_ptr<base::MappedFile> mapping_;  // Of segments_[current_]; null before its first use.
  std::string_view bytes_;
  uint64_t at_ = 0;
  std::string partial_;  // Fragments of the record under way.
  bool in_record_ = false;
  uint64_t record_offset_ = 0;
  std::string_view record_;
  std::string decoded_;
  std::string cause_;  // Of the last kDamaged, with its place and where to look on.
  uint64_t damage_offset_ = 0;
  uint64_t resume_ = 0;
};

}  // namespace narthex::wal
