#include "wal/reader.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "compress/compress.h"
#include "wal/records.h"

namespace narthex::wal {

Reader::Reader(base::FileSystem& files, std::vector<SegmentFile> segments,
               std::function<void(const Damage&)> on_damage)
    : files_(files), segments_(std::move(segments)), on_damage_(std::move(on_damage)) {}

base::Result<bool> Reader::Next() {
  while (current_ < segments_.size()) {
    if (mapping_ == nullptr) {
      ASSIGN_OR_RETURN(mapping_, files_.Map(segments_[current_].path));
      bytes_ = mapping_->bytes();
      at_ = 0;
      in_record_ = false;
    }
    switch (ReadFragment()) {
      case Step::kRecord:
        return true;
      case Step::kMore:
        break;
      case Step::kDamaged:
        Recover();
        break;
      case Step::kSegmentEnd:
        if (!mapping_->intact()) {
          on_damage_({.path = path(),
                      .offset = record_offset_,
                      .skipped = 0,
                      .cause = "the file was cut off, or cannot be read any more",
                      .torn_tail = false});
        }
        mapping_ = nullptr;
        ++current_;
        break;
    }
  }
  return false;
}

bool Reader::IsZero(uint64_t begin, uint64_t end) const {
  return std::ranges::all_of(bytes_.substr(begin, end - begin), [](char c) { return c == '\0'; });
}

Reader::Step Reader::Damaged(std::string cause, uint64_t resume) {
  cause_ = std::move(cause);
  damage_offset_ = in_record_ ? record_offset_ : std::min(at_, resume);
  resume_ = resume;
  in_record_ = false;
  return Step::kDamaged;
}

Reader::Step Reader::ReadFragment() {
  if (at_ >= bytes_.size()) {
    if (!in_record_) return Step::kSegmentEnd;
    return Damaged("the segment ends inside a record", at_);
  }
  const uint64_t page_end = std::min<uint64_t>(bytes_.size(), (at_ / kPageBytes + 1) * kPageBytes);
  const auto type_byte = static_cast<uint8_t>(bytes_[at_]);
  if (type_byte == 0 || page_end - at_ < kFragmentHeaderBytes) {
    if (!IsZero(at_, page_end)) {
      return Damaged(type_byte == 0 ? "data behind the end of a page" : "a cut-off fragment header",
                     at_ + 1);
    }
    at_ = page_end;
    return Step::kMore;
  }
  const uint64_t length = base::LoadBigEndian<uint16_t>(bytes_.data() + at_ + 1);
  const auto type = static_cast<FragmentType>(type_byte & kFragmentTypeMask);
  const bool known_bits = (type_byte & ~(kFragmentTypeMask | kSnappyFlag | kZstdFlag)) == 0 &&
                          type >= FragmentType::kFull && type <= FragmentType::kLast;
  if (!known_bits || at_ + kFragmentHeaderBytes + length > page_end) {
    return Damaged(known_bits ? "a fragment longer than its page" : "an impossible fragment type",
                   at_ + 1);
  }
  const std::string_view data = bytes_.substr(at_ + kFragmentHeaderBytes, length);
  if (base::Crc32c(data) != base::LoadBigEndian<uint32_t>(bytes_.data() + at_ + 3)) {
    return Damaged("checksum mismatch", at_ + 1);
  }
  const bool begins = type == FragmentType::kFull || type == FragmentType::kFirst;
  // The intruder is itself good: go on right there.
  if (begins && in_record_) return Damaged("a record begins inside another", at_);
  if (!begins && !in_record_) return Damaged("a fragment without a beginning", at_ + 1);
  if (begins) {
    record_offset_ = at_;
    partial_.clear();
  }
  at_ += kFragmentHeaderBytes + length;
  if (type == FragmentType::kFull) {
    record_ = data;
    return Complete(type_byte);
  }
  in_record_ = true;
  if (partial_.size() + data.size() > kRecordBytesMax) {
    return Damaged("a record over the size limit", at_);
  }
  partial_ += data;
  if (type != FragmentType::kLast) return Step::kMore;
  record_ = partial_;
  return Complete(type_byte);
}

namespace {

bool IsRecord(std::string_view bytes) {
  return !bytes.empty() && bytes[0] >= 1 && static_cast<uint8_t>(bytes[0]) <= kRecordTypeMax;
}

}  // namespace

Reader::Step Reader::Complete(uint8_t flags) {
  in_record_ = true;  // Until it is known to be good, damage counts from its beginning.
  // No checksum covers the flags: what they say is tried first, then what they could have been. The
  // other readings have to make a known record, while the first may be of a type yet to come.
  const bool raw = (flags & (kSnappyFlag | kZstdFlag)) == 0;
  if (raw && (record_.empty() || IsRecord(record_))) {
    in_record_ = false;
    return Step::kRecord;
  }
  const bool zstd_first = (flags & kZstdFlag) != 0;
  std::string cause;
  for (const bool zstd : {zstd_first, !zstd_first}) {
    base::Result<std::string> decoded = zstd ? compress::ZstdDecode(record_, kRecordBytesMax)
                                             : compress::SnappyDecode(record_, kRecordBytesMax);
    const bool as_flagged = !raw && zstd == zstd_first;
    if (decoded && (as_flagged || IsRecord(*decoded))) {
      in_record_ = false;
      decoded_ = *std::move(decoded);
      record_ = decoded_;
      return Step::kRecord;
    }
    if (as_flagged) cause = decoded.error().message;
  }
  if (raw || IsRecord(record_)) {
    in_record_ = false;
    return Step::kRecord;
  }
  return Damaged(std::move(cause), at_);
}

bool Reader::Plausible(uint64_t at) const {
  const uint64_t page_end = std::min<uint64_t>(bytes_.size(), (at / kPageBytes + 1) * kPageBytes);
  if (page_end - at < kFragmentHeaderBytes) return false;
  const auto type_byte = static_cast<uint8_t>(bytes_[at]);
  const unsigned type = type_byte & kFragmentTypeMask;
  // Only the beginning of a record is a place to go on.
  if ((type_byte & ~(kFragmentTypeMask | kSnappyFlag | kZstdFlag)) != 0 || type < 1 || type > 2) {
    return false;
  }
  const uint64_t length = base::LoadBigEndian<uint16_t>(bytes_.data() + at + 1);
  // Nothing of length 0 is ever written, and its CRC would match by accident in a run of zeros.
  if (length == 0 || at + kFragmentHeaderBytes + length > page_end) return false;
  return base::Crc32c(bytes_.substr(at + kFragmentHeaderBytes, length)) ==
         base::LoadBigEndian<uint32_t>(bytes_.data() + at + 3);
}

void Reader::Recover() {
  uint64_t next = resume_;
  while (next < bytes_.size() && !Plausible(next)) ++next;
  on_damage_({.path = path(),
              .offset = damage_offset_,
              .skipped = next - damage_offset_,
              .cause = cause_,
              .torn_tail = next >= bytes_.size()});
  at_ = next;
}

}  // namespace narthex::wal
