#include "tsdb/index/postings_spool.h"

#include <algorithm>
#include <utility>

namespace narthex::tsdb {
namespace {

// Of one name, and of all.
constexpr size_t kExtentBytes = 64 << 10;
constexpr uint64_t kWaitingBytesMax = 4 << 20;

}  // namespace

base::Result<PostingsSpool> PostingsSpool::Create(base::FileSystem& files,
                                                  const std::string& path) {
  ASSIGN_OR_RETURN(BufferedFile file, BufferedFile::Create(files, path));
  return PostingsSpool(path, std::move(file));
}

base::Status PostingsSpool::Write(Column& column) {
  if (column.waiting.empty()) return {};
  column.written.push_back({file_.offset(), static_cast<uint32_t>(column.waiting.size())});
  RETURN_IF_ERROR(file_.Append(column.waiting));
  waiting_bytes_ -= column.waiting.size();
  column.waiting.clear();
  return {};
}

base::Status PostingsSpool::Append(const Part& part) {
  for (const auto& [name, from] : part.columns_) {
    Column& column = columns_[name];
    const size_t before = column.waiting.size();
    base::PutUvarint(column.waiting, series_);
    base::PutUvarint(column.waiting, from.entries);
    column.waiting += from.bytes;
    column.series += from.entries;
    waiting_bytes_ += column.waiting.size() - before;
    if (column.waiting.size() >= kExtentBytes) RETURN_IF_ERROR(Write(column));
  }
  series_ += part.series_;
  if (waiting_bytes_ < kWaitingBytesMax) return {};
  for (auto& [name, column] : columns_) {
    RETURN_IF_ERROR(Write(column));
    column.waiting.shrink_to_fit();
  }
  return {};
}

base::Status PostingsSpool::Finish() {
  for (auto& [name, column] : columns_) {
    RETURN_IF_ERROR(Write(column));
    column.waiting.shrink_to_fit();
  }
  return file_.Flush();
}

std::vector<PostingsSpool::Name> PostingsSpool::names() const {
  std::vector<Name> names;
  for (const auto& [name, column] : columns_) names.push_back({name, column.series});
  std::ranges::sort(names, {}, &Name::name);
  return names;
}

}  // namespace narthex::tsdb
