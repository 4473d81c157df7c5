#include "wal/segment.h"

#include <charconv>

namespace narthex::wal {
namespace {

std::optional<uint32_t> ParseIndex(std::string_view digits) {
  uint32_t index = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return index;
}

base::Result<std::vector<base::DirectoryEntry>> ListIfPresent(base::FileSystem& files,
                                                              const std::string& directory) {
  ASSIGN_OR_RETURN(const bool exists, files.Exists(directory));
  if (!exists) return std::vector<base::DirectoryEntry>();
  return files.List(directory);
}

}  // namespace

std::string SegmentName(uint32_t index) { return fmt::format("{:08}", index); }

base::Result<std::vector<SegmentFile>> ListSegments(base::FileSystem& files,
                                                    const std::string& directory) {
  ASSIGN_OR_RETURN(const auto entries, ListIfPresent(files, directory));
  std::vector<SegmentFile> segments;
  for (const base::DirectoryEntry& entry : entries) {
    const std::optional<uint32_t> index = ParseIndex(entry.name);
    if (!index || entry.is_directory || entry.name.size() < 8) continue;
    segments.push_back({*index, base::JoinPath(directory, entry.name), entry.size});
  }
  return segments;
}

base::Result<std::optional<Checkpoint>> FindCheckpoint(base::FileSystem& files,
                                                       const std::string& directory) {
  constexpr std::string_view kPrefix = "checkpoint.";
  ASSIGN_OR_RETURN(const auto entries, ListIfPresent(files, directory));
  std::optional<Checkpoint> newest;
  for (const base::DirectoryEntry& entry : entries) {
    if (!entry.is_directory || !entry.name.starts_with(kPrefix)) continue;
    const std::optional<uint32_t> index =
        ParseIndex(std::string_view(entry.name).substr(kPrefix.size()));
    if (!index || (newest && newest->index > *index)) continue;
    newest = Checkpoint{*index, base::JoinPath(directory, entry.name)};
  }
  return newest;
}

}  // namespace narthex::wal
