#include "tsdb/head/head_chunks.h"

#include <algorithm>
#include <charconv>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace narthex::tsdb {
namespace {

// Source: Prometheus, tsdb/chunks, MaxHeadChunkFileSize.
constexpr uint64_t kFileBytesMax = 128 << 20;
constexpr uint32_t kFilesMax = 99999999;
// Most of a usual chunk.
constexpr uint64_t kPrefetchBytes = 256;

std::string FileName(uint32_t number) { return fmt::format("{:06}", number); }

std::optional<uint32_t> FileNumber(std::string_view name) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  if (number == 0 || number > kFilesMax || FileName(number) != name) return std::nullopt;
  return number;
}

}  // namespace

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

  auto Damaged(uint64_t offset, std::string_view cause) const {
    damaged = true;
    return base::Fail(base::Code::kDataLoss, "{}: chunk at offset {}: {}", path, offset, cause);
  }

  // The bytes of a chunk, in `scratch`.
  base::Result<std::string_view> Read(uint64_t offset, std::string& scratch) const {
    std::shared_ptr<base::File> on_disk;
    {
      base::MutexLock lock(mutex);
      if (offset >= written) {
        const uint64_t at = offset - written;
        const bool newer = at >= writing.size();
        const std::string& from = newer ? waiting : writing;
        const uint64_t begin = newer ? at - writing.size() : at;
        if (begin >= from.size()) return Damaged(offset, "beyond the end");
        size_t size = 0;
        const auto parsed = ParseHeadChunk(std::string_view(from).substr(begin), &size);
        if (!parsed) return Damaged(offset, parsed.error().message);
        return scratch.assign(parsed->chunk.bytes);
      }
      on_disk = file;
    }
    // Most chunks are read whole by the first call.
    for (size_t ask = 512;;) {
      ASSIGN_OR_RETURN(scratch, on_disk->ReadAt(offset, ask));
      size_t size = 0;
      const auto parsed = ParseHeadChunk(scratch, &size);
      if (parsed) return parsed->chunk.bytes;
      if (size <= ask || scratch.size() < ask) return Damaged(offset, parsed.error().message);
      ask = size;
    }
  }

  // Shared by all who have it mapped at a time. Null where it cannot be.
  std::shared_ptr<const MappedHeadChunks> Map(base::FileSystem& disk) {
    base::MutexLock lock(mutex);
    if (file == nullptr || written == 0) return nullptr;
    std::shared_ptr<const MappedHeadChunks> shared = mapping.lock();
    // What has been written since is read through calls, until that is much.
    constexpr uint64_t kBehindMax = 4 << 20;
    if (shared != nullptr && shared->bytes.size() + kBehindMax >= written) return shared;
    base::Result<std::unique_ptr<base::MappedFile>> fresh = disk.Map(path);
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
  std::map<uint32_t, std::shared_ptr<HeadChunks::File>> files;
};

// One file of a view.
struct HeadChunks::View::Mapping {
  explicit Mapping(std::shared_ptr<File> of) : file(std::move(of)) {}

  const std::shared_ptr<File> file;
  std::atomic<uint32_t> reads{0};
  std::once_flag once;
  std::atomic<bool> mapped{false};              // `bytes` may be read without asking `once`.
  std::shared_ptr<const MappedHeadChunks> map;  // Null as well where it cannot be.
  std::string_view bytes;                       // Of it, what is sure to stay.

  void Map(base::FileSystem& disk) {
    map = file->Map(disk);
    if (map == nullptr) return;
    bytes = map->bytes;
    mapped.store(true, std::memory_order_release);
  }
};

HeadChunks::HeadChunks(base::FileSystem* disk, bool read_only, std::string directory, uint32_t next)
    : disk_(disk),
      files_(read_only ? nullptr : disk),
      directory_(std::move(directory)),
      current_(std::make_shared<HeadChunkFiles>()),
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
    const bool empty = good <= kHeadChunkFileHeaderBytes && max_time == model::kTimestampMin;
    if (!read_only && newest && empty && size <= kHeadChunkFileHeaderBytes) {
      RETURN_IF_ERROR(files.Remove(file->path));  // Begun and never used.
      base::MutexLock lock(chunks->mutex_);
      chunks->next_ = number;
      continue;
    }
    const bool cut = !read_only && newest && good < size && good >= kHeadChunkFileHeaderBytes;
    const auto mode = cut ? base::FileSystem::Mode::kAppend : base::FileSystem::Mode::kRead;
    ASSIGN_OR_RETURN(std::unique_ptr<base::File> on_disk, files.Open(file->path, mode));
    // Readers of other makes take an unfinished end for damage.
    if (cut) RETURN_IF_ERROR(on_disk->Truncate(good));
    {
      base::MutexLock file_lock(file->mutex);
      file->file = std::move(on_disk);
      file->written = cut ? good : size;
      file->max_time = max_time;
    }
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
    {
      base::MutexLock file_lock(file->mutex);
      file->file = std::move(on_disk);
      file->written = size;
      file->max_time = max_time;
    }
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
    if (newest_->end() + chunk.bytes.size() + kHeadChunkHeaderBytes + 16 > kFileBytesMax) {
      newest_ = nullptr;
    }
  }
  if (newest_ == nullptr) {
    const uint32_t number = next_++;
    newest_ = std::make_shared<File>(number, base::JoinPath(directory_, FileName(number)));
    {
      base::MutexLock file_lock(newest_->mutex);
      AppendHeadChunkFileHeader(newest_->waiting);
      pending_ += newest_->waiting.size();
    }
    AddFile(newest_);
  }
  base::MutexLock file_lock(newest_->mutex);
  const uint64_t offset = newest_->end();
  const size_t before = newest_->waiting.size();
  AppendHeadChunk(newest_->waiting, chunk);
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
  std::shared_ptr<const HeadChunkFiles> current;
  {
    base::MutexLock lock(mutex_);
    current = current_;
  }
  View view;
  view.disk_ = disk_;
  view.files_ = std::make_shared<std::map<uint32_t, View::Mapping>>();
  for (const auto& [number, file] : current->files) view.files_->try_emplace(number, file);
  return view;
}

base::Result<std::string_view> HeadChunks::View::Read(Location location,
                                                      std::string& scratch) const {
  // A call costs less than the first touch of a mapped page, but not less than the next ones.
  constexpr uint32_t kCallsMax = 64;
  const auto found = files_->find(static_cast<uint32_t>(location >> 32));
  if (found == files_->end()) {
    return base::Fail(base::Code::kDataLoss, "chunks_head: no file {}", location >> 32);
  }
  Mapping& mapping = found->second;
  const uint64_t offset = location & 0xffffffff;
  if (disk_ != nullptr && mapping.reads.fetch_add(1, std::memory_order_relaxed) >= kCallsMax) {
    std::call_once(mapping.once, [&] { mapping.Map(*disk_); });
    if (offset < mapping.bytes.size()) {
      // A copy is checked, and nothing else is used: a file that is cut off reads as zeros from
      // then on, also between its checksum and its use. Where it fails, the file itself says why.
      const std::string_view rest = mapping.bytes.substr(offset);
      scratch.assign(rest.substr(0, HeadChunkSize(rest)));
      size_t size = 0;
      if (const auto parsed = ParseHeadChunk(scratch, &size)) return parsed->chunk.bytes;
    }
  }
  return mapping.file->Read(offset, scratch);
}

void HeadChunks::View::Prefetch(Location location) const {
  const auto found = files_->find(static_cast<uint32_t>(location >> 32));
  if (found == files_->end() || !found->second.mapped.load(std::memory_order_acquire)) return;
  const std::string_view bytes = found->second.bytes;
  const uint64_t offset = location & 0xffffffff;
  for (uint64_t ahead = 0; ahead < kPrefetchBytes && offset + ahead < bytes.size(); ahead += 64) {
    __builtin_prefetch(bytes.data() + offset + ahead);
  }
}

base::Result<std::string> HeadChunks::View::Read(Location location) const {
  std::string scratch;
  ASSIGN_OR_RETURN(const std::string_view bytes, Read(location, scratch));
  return std::string(bytes);
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
