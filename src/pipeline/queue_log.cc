#include "pipeline/queue_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace narthex::pipeline {
namespace {

using base::Code;
using base::Fail;

// docs/format/queue.md
constexpr std::string_view kMagic = "NXQ1";
constexpr size_t kHeaderBytes = 12;  // Magic, length, checksum.
constexpr char kEntry = 'E';
constexpr char kDone = 'D';
constexpr std::string_view kSuffix = ".queue";

uint32_t Word(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}
uint64_t LongWord(std::string_view bytes, size_t at) {
  return uint64_t{Word(bytes, at)} << 32 | Word(bytes, at + 4);
}

// The payload of the record at `offset`; nullopt where there is no sound one.
std::optional<std::string_view> RecordAt(std::string_view bytes, size_t offset) {
  if (bytes.size() - offset < kHeaderBytes) return std::nullopt;
  if (bytes.substr(offset, kMagic.size()) != kMagic) return std::nullopt;
  const size_t size = Word(bytes, offset + 4);
  if (size < 9 || size > bytes.size() - offset - kHeaderBytes) return std::nullopt;
  const std::string_view payload = bytes.substr(offset + kHeaderBytes, size);
  if (base::Crc32c(payload) != Word(bytes, offset + 8)) return std::nullopt;
  return payload;
}

std::string Record(std::string_view payload) {
  std::string record(kMagic);
  base::PutBigEndian(record, static_cast<uint32_t>(payload.size()));
  base::PutBigEndian(record, base::Crc32c(payload));
  return record += payload;
}

constexpr size_t kEntryHeadBytes = 1 + 8 + 4;  // Kind, number, points.

}  // namespace

base::Result<std::unique_ptr<QueueLog>> QueueLog::Open(base::FileSystem& files, Options options,
                                                       base::Logger& logger) {
  std::unique_ptr<QueueLog> log(new QueueLog(files, std::move(options), logger));
  RETURN_IF_ERROR(files.CreateDirectories(log->options_.directory));
  base::MutexLock lock(log->mutex_);
  RETURN_IF_ERROR(log->Load());
  return log;
}

QueueLog::~QueueLog() = default;

std::string QueueLog::PathOf(uint64_t number) const {
  return base::JoinPath(options_.directory, fmt::format("{:016x}{}", number, kSuffix));
}

base::Status QueueLog::Load() {
  ASSIGN_OR_RETURN(const auto entries, files_.List(options_.directory));
  std::vector<uint64_t> numbers;
  for (const base::DirectoryEntry& entry : entries) {
    uint64_t number = 0;
    const char* last = entry.name.data() + 16;
    const bool is_ours = entry.name.size() == 16 + kSuffix.size() &&
                         entry.name.ends_with(kSuffix) &&
                         std::from_chars(entry.name.data(), last, number, 16).ptr == last;
    if (is_ours) numbers.push_back(number);
  }
  std::ranges::sort(numbers);
  for (const uint64_t number : numbers) {
    RETURN_IF_ERROR(LoadSegment(number, number == numbers.back()));
  }
  // A new segment, so that what a crash left at the end of the old one is never written behind.
  RETURN_IF_ERROR(StartSegment(numbers.empty() ? 1 : numbers.back() + 1));
  RemoveDone();
  return {};
}

base::Status QueueLog::LoadSegment(uint64_t number, bool is_last) {
  const std::string path = PathOf(number);
  ASSIGN_OR_RETURN(const std::string bytes, base::ReadFile(files_, path));
  Segment& segment = segments_[number];
  ASSIGN_OR_RETURN(segment.file, files_.Open(path, base::FileSystem::Mode::kRead));
  segment.size = bytes.size();
  bytes_ += bytes.size();
  size_t damaged = 0;
  for (size_t offset = 0; offset < bytes.size();) {
    const auto payload = RecordAt(bytes, offset);
    if (!payload.has_value()) {
      // Goes on at the next record that is sound.
      const size_t next = std::min(bytes.find(kMagic, offset + 1), bytes.size());
      damaged += next - offset;
      offset = next;
      continue;
    }
    TakeRecord(*payload, number, offset);
    offset += kHeaderBytes + payload->size();
  }
  if (damaged > 0) {
    // At the end of the newest it is what a crash leaves of a write that nobody was told of.
    if (is_last) {
      logger_.Info("queue", "cut off a torn end", {{"path", path}, {"bytes", damaged}});
    } else {
      logger_.Error("queue", "passed over damaged bytes", {{"path", path}, {"bytes", damaged}});
    }
  }
  return {};
}

void QueueLog::TakeRecord(std::string_view payload, uint64_t segment, uint64_t offset) {
  const uint64_t id = LongWord(payload, 1);
  if (payload[0] == kDone) return Strike(id);
  if (payload[0] != kEntry || payload.size() < kEntryHeadBytes) return;
  next_id_ = std::max(next_id_, id + 1);
  const auto [place, is_new] = places_.emplace(
      id, Place{segment, offset, payload.size() - kEntryHeadBytes, Word(payload, 9)});
  if (is_new) ++segments_[segment].open_entries;
}

base::Status QueueLog::StartSegment(uint64_t number) {
  ASSIGN_OR_RETURN(auto file, files_.Open(PathOf(number), base::FileSystem::Mode::kAppend));
  if (options_.fsync) RETURN_IF_ERROR(files_.SyncDirectory(options_.directory));
  segments_[number].file = std::move(file);
  return {};
}

base::Status QueueLog::AppendRecord(std::string_view payload) {
  const std::string record = Record(payload);
  if (segments_.rbegin()->second.size >= options_.segment_bytes) {
    RETURN_IF_ERROR(StartSegment(segments_.rbegin()->first + 1));
  }
  Segment& segment = segments_.rbegin()->second;
  base::Status status = segment.file->Append(record);
  if (status.has_value() && options_.fsync && payload[0] == kEntry) status = segment.file->Sync();
  if (!status.has_value()) {
    // Nobody was told of it. Where the file cannot be cut, the rest goes to another.
    const bool is_cut = segment.file->Truncate(segment.size).has_value();
    if (!is_cut) {
      segment.size = options_.segment_bytes;
    }
    return status;
  }
  segment.size += record.size();
  bytes_ += record.size();
  return {};
}

base::Result<uint64_t> QueueLog::Append(std::string_view bytes, size_t points) {
  base::MutexLock lock(mutex_);
  const uint64_t size = kHeaderBytes + kEntryHeadBytes + bytes.size();
  if (options_.bytes_max > 0 && bytes_ + size > options_.bytes_max) {
    return Fail(Code::kResourceExhausted, "the queue on disk has {} bytes, no more fit", bytes_);
  }
  if (bytes.size() > UINT32_MAX - kEntryHeadBytes) {
    return Fail(Code::kInvalidArgument, "an entry of {} bytes is too large", bytes.size());
  }
  const uint64_t id = next_id_;
  std::string payload(1, kEntry);
  payload.reserve(kEntryHeadBytes + bytes.size());
  base::PutBigEndian(payload, id);
  base::PutBigEndian(payload, static_cast<uint32_t>(std::min<size_t>(points, UINT32_MAX)));
  payload += bytes;
  RETURN_IF_ERROR(AppendRecord(payload));
  ++next_id_;
  Segment& segment = segments_.rbegin()->second;
  ++segment.open_entries;
  const uint64_t offset = segment.size - kHeaderBytes - payload.size();
  places_[id] = {segments_.rbegin()->first, offset, bytes.size(), points};
  return id;
}

base::Result<std::string> QueueLog::Read(uint64_t id) const {
  base::MutexLock lock(mutex_);
  const auto place = places_.find(id);
  if (place == places_.end()) return Fail(Code::kNotFound, "no entry {} in the queue", id);
  const size_t size = kHeaderBytes + kEntryHeadBytes + place->second.bytes;
  const base::File& file = *segments_.at(place->second.segment).file;
  ASSIGN_OR_RETURN(std::string bytes, file.ReadAt(place->second.offset, size));
  const auto payload = RecordAt(bytes, 0);
  if (!payload.has_value() || payload->size() != kEntryHeadBytes + place->second.bytes) {
    return Fail(Code::kDataLoss, "entry {} of the queue: checksum mismatch", id);
  }
  return bytes.substr(kHeaderBytes + kEntryHeadBytes);
}

void QueueLog::Done(uint64_t id) {
  base::MutexLock lock(mutex_);
  if (!places_.contains(id)) return;
  std::string payload(1, kDone);
  base::PutBigEndian(payload, id);
  // Without the record the entry comes again after a restart, which is better than to stop here.
  if (const base::Status status = AppendRecord(payload); !status.has_value()) {
    logger_.Warn("queue", "cannot note that an entry is done with",
                 {{"directory", options_.directory}, {"error", status.error().message}});
  }
  Strike(id);
  RemoveDone();
}

void QueueLog::Strike(uint64_t id) {
  const auto place = places_.find(id);
  if (place == places_.end()) return;
  --segments_.at(place->second.segment).open_entries;
  places_.erase(place);
}

void QueueLog::RemoveDone() {
  // In order: what a segment says about older ones must not go before they do.
  while (segments_.size() > 1 && segments_.begin()->second.open_entries == 0) {
    const auto oldest = segments_.begin();
    if (const base::Status status = files_.Remove(PathOf(oldest->first)); !status.has_value()) {
      logger_.Warn("queue", "cannot remove a segment", {{"error", status.error().message}});
      return;
    }
    bytes_ -= std::min(bytes_, oldest->second.size);
    segments_.erase(oldest);
  }
}

std::vector<QueueLog::Entry> QueueLog::pending() const {
  base::MutexLock lock(mutex_);
  std::vector<Entry> entries;
  for (const auto& [id, place] : places_) entries.push_back({id, place.points, place.bytes});
  return entries;
}

uint64_t QueueLog::byte_size() const {
  base::MutexLock lock(mutex_);
  return bytes_;
}

}  // namespace narthex::pipeline
