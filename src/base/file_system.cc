#include "base/file_system.h"

namespace narthex::base {

std::string JoinPath(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') path += '/';
  path += name;
  return path;
}

std::string ParentPath(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

Result<std::string> ReadFile(FileSystem& files, const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, files.Open(path, FileSystem::Mode::kRead));
  std::string content;
  for (constexpr size_t kChunk = 1 << 20;;) {
    ASSIGN_OR_RETURN(const std::string part, file->ReadAt(content.size(), kChunk));
    content += part;
    if (part.size() < kChunk) return content;
  }
}

Status WriteFileAtomically(FileSystem& files, const std::string& path, std::string_view bytes) {
  const std::string temporary = path + ".tmp";
  if (const Status removed = files.Remove(temporary);
      !removed && removed.error().code != Code::kNotFound) {
    return removed;
  }
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                     files.Open(temporary, FileSystem::Mode::kCreateNew));
    RETURN_IF_ERROR(file->Append(bytes));
    RETURN_IF_ERROR(file->Sync());
  }
  RETURN_IF_ERROR(files.Rename(temporary, path));
  return files.SyncDirectory(ParentPath(path));
}

Status RemoveAll(FileSystem& files, const std::string& path) {
  // An explicit stack of directories, so that a deep tree cannot exhaust ours.
  std::vector<std::string> directories;
  if (Result<std::vector<DirectoryEntry>> listed = files.List(path); !listed) {
    if (const Status removed = files.Remove(path);
        !removed && removed.error().code != Code::kNotFound) {
      return removed;
    }
    return {};
  }
  directories.push_back(path);
  for (size_t i = 0; i < directories.size(); ++i) {
    ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.List(directories[i]));
    for (const DirectoryEntry& entry : entries) {
      std::string child = JoinPath(directories[i], entry.name);
      if (entry.is_directory) {
        directories.push_back(std::move(child));
      } else {
        RETURN_IF_ERROR(files.Remove(child));
      }
    }
  }
  for (size_t i = directories.size(); i-- > 0;) RETURN_IF_ERROR(files.Remove(directories[i]));
  return {};
}

}  // namespace narthex::base
