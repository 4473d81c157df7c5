#include "tsdb/head/head_chunks.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/fault_points.h"

namespace narthex::tsdb {
namespace {

constexpr uint32_t kMagic = 0x0130BC91;
constexpr uint8_t kVersion = 1;
constexpr size_t kFileHeaderBytes = 8;
constexpr size_t kChunkHeaderBytes = 8 + 8 + 8 + 1;  // Without the uvarint length.
constexpr size_t kCrcBytes = 4;
constexpr uint8_t kOutOfOrder = 0x80;  // In the encoding byte.
// Source: Prometheus, tsdb/chunks, MaxHeadChunkFileSize.
constexpr uint64_t kFileBytesMax = 128 << 20;
constexpr uint32_t kFilesMax = 99999999;
// No chunk of ours or of upstream comes near it; a longer one is damage.
constexpr uint64_t kChunkBytesMax = 16 << 20;

std::string FileName(uint32_t number) { return fmt::format("{:06}", number); }

std::optional<uint32_t> FileNumber(std::string_view name) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  if (number == 0 || number > kFilesMax || FileName(number) != name) return std::nullopt;
  return number;
}

struct Parsed {
  HeadChunks::Chunk chunk;
  size_t size;  // With header and checksum.
};

// The chunk at the beginning of `bytes`. Errors: kOutOfRange where the bytes end too early,
// kDataLoss for a checksum that does not fit, with `size` the length that the header gave.
base::Result<Parsed> ParseChunk(std::string_view bytes, size_t* size) {
  base::ByteReader reader(bytes);
  Parsed parsed;
  parsed.chunk.ref = reader.ReadBigEndian<uint64_t>();
  parsed.chunk.range.min = static_cast<model::Timestamp>(reader.ReadBigEndian<uint64_t>());
  parsed.chunk.range.max = static_cast<model::Timestamp>(reader.ReadBigEndian<uint64_t>());
  const uint8_t encoding = reader.ReadByte();
  const uint64_t length = reader.ReadUvarint();
  if (!reader.ok()) return base::Fail(base::Code::kOutOfRange, "the file ends inside a chunk");
  if (length > kChunkBytesMax) {
    return base::Fail(base::Code::kDataLoss, "a chunk of {} bytes", length);
  }
  parsed.size = reader.offset() + length + kCrcBytes;
  *size = parsed.size;
  parsed.chunk.bytes = reader.ReadBytes(length);
  const size_t covered = reader.offset();
  const auto crc = reader.ReadBigEndian<uint32_t>();
  if (!reader.ok()) return base::Fail(base::Code::kOutOfRange, "the file ends inside a chunk");
  if (base::Crc32c(bytes.substr(0, covered)) != crc) {
    return base::Fail(base::Code::kDataLoss, "checksum mismatch");
  }
  parsed.chunk.out_of_order = (encoding & kOutOfOrder) != 0;
  parsed.chunk.encoding = static_cast<chunk::Encoding>(encoding & ~kOutOfOrder);
  return parsed;
}

bool IsZero(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char c) { return c == '\0'; });
}

void AppendChunk(std::string& out, const HeadChunks::Chunk& chunk) {
  const size_t begin = out.size();
  base::PutBigEndian(out, chunk.ref);
  base::PutBigEndian(out, static_cast<uint64_t>(chunk.range.min));
  base::PutBigEndian(out, static_cast<uint64_t>(chunk.range.max));
  out += static_cast<char>(static_cast<uint8_t>(chunk.encoding) |
                           (chunk.out_of_order ? kOutOfOrder : 0));
  base::PutUvarintString(out, chunk.bytes);
  base::PutBigEndian(out, base::Crc32c(std::string_view(out).substr(begin)));
}

}  // namespace

uint64_t ScanHeadChunkFile(std::string_view bytes,
                           const std::function<void(const HeadChunks::Chunk&, uint64_t)>& on_chunk,
                           const std::function<void(uint64_t, std::string)>& on_damage) {
  if (bytes.empty()) return 0;
  if (bytes.size() < kFileHeaderBytes) {
    on_damage(0, "the file ends inside its header");
    return 0;
  }
  if (base::LoadBigEndian<uint32_t>(bytes.data()) != kMagic ||
      static_cast<uint8_t>(bytes[4]) != kVersion) {
    on_damage(0, "no head chunk file of a known version");
    return 0;
  }
  uint64_t at = kFileHeaderBytes;
  while (at < bytes.size()) {
    const std::string_view rest = bytes.substr(at);
    // Upstream prepares files with zeros behind the last chunk.
    if (rest.size() >= 8 && base::LoadBigEndian<uint64_t>(rest.data()) == 0 && IsZero(rest)) break;
    size_t size = 0;
    const base::Result<Parsed> parsed = ParseChunk(rest, &size);
    if (parsed) {
      on_chunk(parsed->chunk, at);
      at += parsed->size;
      continue;
    }
    on_damage(at, parsed.error().message);
    // The length may be what is left of it: then the next chunk shows it.
    size_t next = 0;
    if (size == 0 || size >= rest.size() || !ParseChunk(rest.substr(size), &next)) return at;
    at += size;
  }
  return at;
}

// What of a file is there for good: a write that failed is cut off behind it.
struct MappedHeadChunks {
  std::unique_ptr<base::MappedFile> file;
  std::string_view bytes;
};

// One file: its first part is on the disk, the rest waits in memory.
struct HeadChunks::File {
  File(uint32_t file_number, std::string file_path)
      : number(file_number), path(std::move(file_path)) {}

  const uint32_t number;
  const std::string path;
  mutable std::atomic<bool> damaged{false};  // A chunk could not be read.
  mutable base::Mutex mutex;
  std::shared_ptr<base::File> file GUARDED_BY(mutex);  // Null until it is created.
  uint64_t written GUARDED_BY(mutex) = 0;
  bool torn GUARDED_BY(mutex) = false;    // There may be bytes behind `written` on the disk.
  std::string writing GUARDED_BY(mutex);  // Behind `written`, handed to the disk by Flush,
  std::string waiting GUARDED_BY(mutex);  // and behind that.
  model::Timestamp max_time GUARDED_BY(mutex) = model::kTimestampMin;
  std::weak_ptr<const MappedHeadChunks> mapping GUARDED_BY(mutex);

  uint64_t end() const REQUIRES_SHARED_LOCK(mutex) {
    return written + writing.size() + waiting.size();
  }

  base::Result<std::string> Read(uint64_t offset) const {
    const auto damaged_at = [&](std::string_view cause) {
      damaged = true;
      return base::Fail(base::Code::kDataLoss, "{}: chunk at offset {}: {}", path, offset, cause);
    };
    std::string bytes;
    std::shared_ptr<base::File> on_disk;
    {
      base::MutexLock lock(mutex);
      if (offset >= written) {
        const uint64_t at = offset - written;
        const bool newer = at >= writing.size();
        const std::string& from = newer ? waiting : writing;
        const uint64_t begin = newer ? at - writing.size() : at;
        if (begin >= from.size()) return damaged_at("beyond the end");
        size_t size = 0;
        const auto parsed = ParseChunk(std::string_view(from).substr(begin), &size);
        if (!parsed) return damaged_at(parsed.error().message);
        return std::string(parsed->chunk.bytes);
      }
      on_disk = file;
    }
    // Most chunks are read whole by the first call.
    for (size_t ask = 512;;) {
      ASSIGN_OR_RETURN(bytes, on_disk->ReadAt(offset, ask));
      size_t size = 0;
      const auto parsed = ParseChunk(bytes, &size);
      if (parsed) return std::string(parsed->chunk.bytes);
      if (size <= ask || bytes.size() < ask) return damaged_at(parsed.error().message);
      ask = size;
    }
  }

  // Shared by all who have it mapped at a time. Null where it cannot be.
  std::shared_ptr<const MappedHeadChunks> Map(base::FileSystem* disk) {
    base::MutexLock lock(mutex);
    if (disk == nullptr || file == nullptr || written == 0) return nullptr;
    std::shared_ptr<const MappedHeadChunks> shared = mapping.lock();
    // What has been written since is read through calls, until that is much.
    constexpr uint64_t kBehindMax = 4 << 20;
    if (shared != nullptr && shared->bytes.size() + kBehindMax >= written) return shared;
    base::Result<std::unique_ptr<base::MappedFile>> fresh = disk->Map(path);
    if (!fresh) return nullptr;
    const std::string_view bytes = (*fresh)->bytes().substr(0, written);
    shared = std::make_shared<const MappedHeadChunks>(*std::move(fresh), bytes);
    mapping = shared;
    return shared;
  }

  base::Status Flush(base::FileSystem& files, std::atomic<uint64_t>& pending) {
    uint64_t begin = 0;
    bool cut = false;
    {
      base::MutexLock lock(mutex);
      if (writing.empty()) writing.swap(waiting);
      if (writing.empty()) return {};
      begin = written;
      cut = torn;
      if (file == nullptr) {
        ASSIGN_OR_RETURN(file, files.Open(path, base::FileSystem::Mode::kCreateNew));
      }
    }
    // Only Flush, one at a time, changes `file`, `writing` and `written`.
    if (cut) RETURN_IF_ERROR(Handle().Truncate(begin));
    const base::Status appended = Handle().Append(Writing());
    base::MutexLock lock(mutex);
    torn = !appended;
    if (!appended) return appended;
    written += writing.size();
    pending -= writing.size();
    writing = {};
    return {};
  }

 private:
  base::File& Handle() const NO_THREAD_SAFETY_ANALYSIS { return *file; }
  const std::string& Writing() const NO_THREAD_SAFETY_ANALYSIS { return writing; }
};

struct HeadChunkFiles {
  base::FileSystem* disk = nullptr;  // nullptr: memory only.
  std::map<uint32_t, std::shared_ptr<HeadChunks::File>> files;
};

HeadChunks::HeadChunks(base::FileSystem* disk, bool read_only, std::string directory, uint32_t next)
    : disk_(disk),
      files_(read_only ? nullptr : disk),
      directory_(std::move(directory)),
      current_(std::make_shared<HeadChunkFiles>(HeadChunkFiles{.disk = disk, .files = {}})),
      next_(next) {}

HeadChunks::HeadChunks() : HeadChunks(nullptr, true, "", 1) {}
HeadChunks::~HeadChunks() = default;

base::Result<std::unique_ptr<HeadChunks>> HeadChunks::Open(base::FileSystem& files,
                                                           std::string directory, bool read_only,
                                                           const Callbacks& callbacks) {
  ASSIGN_OR_RETURN(const bool exists, files.Exists(directory));
  if (!exists && !read_only) RETURN_IF_ERROR(files.CreateDirectories(directory));
  std::vector<uint32_t> numbers;
  if (exists) {
    ASSIGN_OR_RETURN(const std::vector<base::DirectoryEntry> entries, files.List(directory));
    for (const base::DirectoryEntry& entry : entries) {
      const auto number = FileNumber(entry.name);
      if (number && !entry.is_directory) numbers.push_back(*number);
    }
  }
  std::ranges::sort(numbers);
  std::unique_ptr<HeadChunks> chunks(
      new HeadChunks(&files, read_only, directory, numbers.empty() ? 1 : numbers.back() + 1));
  for (const uint32_t number : numbers) {
    auto file = std::make_shared<File>(number, base::JoinPath(directory, FileName(number)));
    const bool newest = number == numbers.back();
    model::Timestamp max_time = model::kTimestampMin;
    std::optional<Damage> damage;
    uint64_t good = 0;
    uint64_t size = 0;
    {
      ASSIGN_OR_RETURN(const std::unique_ptr<base::MappedFile> mapping, files.Map(file->path));
      size = mapping->bytes().size();
      const auto report = [&] {
        if (damage) callbacks.on_damage(*std::exchange(damage, std::nullopt));
      };
      good = ScanHeadChunkFile(
          mapping->bytes(),
          [&](const Chunk& chunk, uint64_t offset) {
            report();
            max_time = std::max(max_time, chunk.range.max);
            callbacks.on_chunk(chunk, Location{number} << 32 | offset);
          },
          [&](uint64_t offset, std::string cause) {
            report();
            damage = Damage{file->path, offset, std::move(cause), false};
          });
      if (damage) damage->torn_tail = newest && damage->offset == good;
      if (!mapping->intact()) {
        report();
        damage =
            Damage{file->path, good, "the file was cut off, or cannot be read any more", false};
      }
      report();
    }
    const bool empty = good <= kFileHeaderBytes && max_time == model::kTimestampMin;
    if (!read_only && newest && empty && size <= kFileHeaderBytes) {
      RETURN_IF_ERROR(files.Remove(file->path));  // Begun and never used.
      base::MutexLock lock(chunks->mutex_);
      chunks->next_ = number;
      continue;
    }
    const bool cut = !read_only && newest && good < size && good >= kFileHeaderBytes;
    const auto mode = cut ? base::FileSystem::Mode::kAppend : base::FileSystem::Mode::kRead;
    ASSIGN_OR_RETURN(std::unique_ptr<base::File> on_disk, files.Open(file->path, mode));
    // Readers of other makes take an unfinished end for damage.
    if (cut) RETURN_IF_ERROR(on_disk->Truncate(good));
    base::MutexLock file_lock(file->mutex);
    file->file = std::move(on_disk);
    file->written = cut ? good : size;
    file->max_time = max_time;
    base::MutexLock lock(chunks->mutex_);
    chunks->AddFile(std::move(file));
  }
  return chunks;
}

base::Result<std::unique_ptr<HeadChunks>> HeadChunks::OpenKnown(base::FileSystem& files,
                                                                std::string directory,
                                                                bool read_only,
                                                                std::span<const KnownFile> known) {
  std::unique_ptr<HeadChunks> chunks(
      new HeadChunks(&files, read_only, directory, known.empty() ? 1 : known.back().number + 1));
  for (const auto& [number, max_time] : known) {
    auto file = std::make_shared<File>(number, base::JoinPath(directory, FileName(number)));
    ASSIGN_OR_RETURN(std::unique_ptr<base::File> on_disk,
                     files.Open(file->path, base::FileSystem::Mode::kRead));
    ASSIGN_OR_RETURN(const uint64_t size, on_disk->Size());
    base::MutexLock file_lock(file->mutex);
    file->file = std::move(on_disk);
    file->written = size;
    file->max_time = max_time;
    base::MutexLock lock(chunks->mutex_);
    chunks->AddFile(std::move(file));
  }
  return chunks;
}

base::Result<std::vector<HeadChunks::KnownFile>> HeadChunks::SyncForImage() {
  base::MutexLock flush(flush_mutex_);
  std::shared_ptr<const HeadChunkFiles> all;
  {
    base::MutexLock lock(mutex_);
    all = current_;
  }
  std::vector<KnownFile> known;
  for (const auto& [number, file] : all->files) {
    base::MutexLock lock(file->mutex);
    if (file->damaged) {
      return base::Fail(base::Code::kFailedPrecondition, "{} has a damaged chunk", file->path);
    }
    if (file->torn || file->file == nullptr || file->end() != file->written) {
      return base::Fail(base::Code::kFailedPrecondition, "{} is not written", file->path);
    }
    RETURN_IF_ERROR(file->file->Sync());
    known.push_back({number, file->max_time});
  }
  return known;
}

void HeadChunks::AddFile(std::shared_ptr<File> file) {
  auto next = std::make_shared<HeadChunkFiles>(*current_);
  const uint32_t number = file->number;
  next->files.emplace(number, std::move(file));
  current_ = std::move(next);
}

HeadChunks::Location HeadChunks::Write(const Chunk& chunk) {
  ++chunks_written_;
  base::MutexLock lock(mutex_);
  if (newest_ != nullptr) {
    base::MutexLock file_lock(newest_->mutex);
    if (newest_->end() + chunk.bytes.size() + kChunkHeaderBytes + 16 > kFileBytesMax) {
      newest_ = nullptr;
    }
  }
  if (newest_ == nullptr) {
    const uint32_t number = next_++;
    newest_ = std::make_shared<File>(number, base::JoinPath(directory_, FileName(number)));
    {
      base::MutexLock file_lock(newest_->mutex);
      base::PutBigEndian(newest_->waiting, kMagic);
      newest_->waiting += static_cast<char>(kVersion);
      newest_->waiting.append(3, '\0');
      pending_ += newest_->waiting.size();
    }
    AddFile(newest_);
  }
  base::MutexLock file_lock(newest_->mutex);
  const uint64_t offset = newest_->end();
  const size_t before = newest_->waiting.size();
  AppendChunk(newest_->waiting, chunk);
  pending_ += newest_->waiting.size() - before;
  newest_->max_time = std::max(newest_->max_time, chunk.range.max);
  return Location{newest_->number} << 32 | offset;
}

uint64_t HeadChunks::bytes() const {
  base::MutexLock lock(mutex_);
  uint64_t bytes = 0;
  for (const auto& [number, file] : current_->files) {
    base::MutexLock file_lock(file->mutex);
    bytes += file->end();
  }
  return bytes;
}

base::Status HeadChunks::Flush() {
  if (files_ == nullptr) return {};
  base::MutexLock flush(flush_mutex_);
  std::shared_ptr<const HeadChunkFiles> all;
  {
    base::MutexLock lock(mutex_);
    all = current_;
  }
  for (const auto& [number, file] : all->files) {
    if (base::Status flushed = file->Flush(*files_, pending_); !flushed) {
      return std::unexpected(std::move(flushed).error().In("chunks_head"));
    }
  }
  return {};
}

HeadChunks::View HeadChunks::view() const {
  base::MutexLock lock(mutex_);
  View view;
  view.files_ = current_;
  return view;
}

base::Result<std::string> HeadChunks::View::Read(Location location) const {
  std::string scratch;
  ASSIGN_OR_RETURN(const std::string_view bytes, ReadInto(location, scratch));
  return std::string(bytes);
}

base::Result<std::string_view> HeadChunks::View::ReadInto(Location location,
                                                          std::string& scratch) const {
  const auto number = static_cast<uint32_t>(location >> 32);
  const auto offset = static_cast<uint32_t>(location);
  if (const auto mapped = mapped_.find(number); mapped != mapped_.end()) {
    const std::string_view bytes = mapped->second->bytes;
    size_t size = 0;
    if (offset < bytes.size()) {
      // Where it fails, the file itself says why: it may have grown meanwhile.
      if (const auto parsed = ParseChunk(bytes.substr(offset), &size)) return parsed->chunk.bytes;
    }
  }
  const auto found = files_->files.find(number);
  if (found == files_->files.end()) {
    return base::Fail(base::Code::kDataLoss, "chunks_head: no file {}", number);
  }
  ASSIGN_OR_RETURN(scratch, found->second->Read(offset));
  return scratch;
}

void HeadChunks::View::Map() {
  for (const auto& [number, file] : files_->files) {
    if (auto mapped = file->Map(files_->disk)) mapped_.emplace(number, std::move(mapped));
  }
}

base::Status HeadChunks::Truncate(model::Timestamp mint) {
  base::MutexLock flush(flush_mutex_);
  base::MutexLock lock(mutex_);
  newest_ = nullptr;
  while (!current_->files.empty()) {
    const std::shared_ptr<File> oldest = current_->files.begin()->second;
    {
      base::MutexLock file_lock(oldest->mutex);
      if (oldest->max_time >= mint) break;
      if (files_ != nullptr && oldest->file != nullptr) {
        // In order, so that no number is missing between two others.
        RETURN_IF_ERROR(files_->Remove(oldest->path));
      }
    }
    {
      base::MutexLock file_lock(oldest->mutex);
      pending_ -= oldest->writing.size() + oldest->waiting.size();
    }
    auto rest = std::make_shared<HeadChunkFiles>(*current_);
    rest->files.erase(oldest->number);
    current_ = std::move(rest);
  }
  return {};
}

}  // namespace narthex::tsdb
