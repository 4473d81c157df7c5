#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/file_system.h"
#include "base/result.h"
#include "tsdb/buffered_file.h"

namespace narthex::tsdb {

// Which series have which value of each label name, on the way into an index: in a file, since all
// of it at once is more than memory should hold. Series are counted from 0 in the order of the
// index, names and values are symbols. One thread at a time, but for Visit.
class PostingsSpool {
 public:
  // Of some series that follow one another. One thread at a time.
  class Part {
   public:
    // A label of the next series.
    void Add(uint32_t name, uint32_t value) {
      Column& column = columns_[name];
      base::PutUvarint(column.bytes, series_ - column.next);
      base::PutUvarint(column.bytes, value);
      column.next = series_ + 1;
      ++column.entries;
    }
    void EndSeries() { ++series_; }

   private:
    friend class PostingsSpool;
    struct Column {
      std::string bytes;  // Per entry: series passed over, value.
      uint32_t entries = 0;
      uint32_t next = 0;
    };
    boost::unordered_flat_map<uint32_t, Column> columns_;
    uint32_t series_ = 0;
  };

  // The file is gone once Remove has been called. Errors: those of the disk.
  static base::Result<PostingsSpool> Create(base::FileSystem& files, const std::string& path);
  base::Status Append(const Part& part);
  // Nothing comes any more: from here on it can be read.
  base::Status Finish();
  base::Status Remove(base::FileSystem& files) { return files.Remove(path_); }

  struct Name {
    uint32_t name;
    uint64_t series;  // That have it.
  };
  std::vector<Name> names() const;  // Ascending.

  // Calls visit(series, value) for all series that have the name, in order. Thread-safe. Errors:
  // those of the disk, kDataLoss when it does not give back what was written. REQUIRES: Finish.
  template <class Visit>
  base::Status VisitSeries(uint32_t name, Visit visit) const;

 private:
  struct Extent {
    uint64_t offset;
    uint32_t bytes;
  };
  struct Column {
    std::string waiting;
    std::vector<Extent> written;
    uint64_t series = 0;
  };

  PostingsSpool(std::string path, BufferedFile file)
      : path_(std::move(path)), file_(std::move(file)) {}
  base::Status Write(Column& column);

  std::string path_;
  BufferedFile file_;
  boost::unordered_flat_map<uint32_t, Column> columns_;
  uint64_t waiting_bytes_ = 0;
  uint32_t series_ = 0;
};

template <class Visit>
base::Status PostingsSpool::VisitSeries(uint32_t name, Visit visit) const {
  const auto column = columns_.find(name);
  if (column == columns_.end()) return {};
  for (const Extent& extent : column->second.written) {
    ASSIGN_OR_RETURN(const std::string bytes, file_.ReadAt(extent.offset, extent.bytes));
    base::ByteReader reader(bytes);
    while (!reader.empty()) {
      uint64_t series = reader.ReadUvarint();
      for (uint64_t left = reader.ReadUvarint(); left > 0; --left) {
        series += reader.ReadUvarint();
        const uint64_t value = reader.ReadUvarint();
        if (!reader.ok() || series >= series_) break;
        visit(static_cast<uint32_t>(series), static_cast<uint32_t>(value));
        ++series;
      }
      if (!reader.ok() || series > series_) break;
    }
    if (bytes.size() != extent.bytes || !reader.ok() || !reader.empty()) {
      return base::Fail(base::Code::kDataLoss, "{}: what was just written is not there", path_);
    }
  }
  return {};
}

}  // namespace narthex::tsdb
