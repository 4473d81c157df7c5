#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "model/labels.h"
#include "tsdb/buffered_file.h"
#include "tsdb/index/format.h"

namespace narthex::tsdb {

// Writes the index of one block, version 2. docs/format/index.md. Keeps the symbols, 4 bytes a
// series and 16 bytes a label pair; postings are gathered in passes over the series just written.
// One thread at a time. After an error the file is of no use.
class IndexWriter {
 public:
  // `symbols`: every label name and value to come, sorted and unique.
  static base::Result<std::unique_ptr<IndexWriter>> Create(base::FileSystem& files,
                                                           const std::string& path,
                                                           std::vector<std::string> symbols);

  // The series' number, as tombstones name it. Series come in label order. Errors:
  // kInvalidArgument out of order or for a label that is no symbol, kResourceExhausted over 64 GiB.
  base::Result<uint32_t> AddSeries(const model::Labels& labels, std::span<const ChunkMeta> chunks);
  // Writes what follows the series and makes the file durable.
  base::Status Finish();

  uint64_t bytes() const { return file_.offset(); }

 private:
  // Where the postings of a label pair are.
  struct PairOffset {
    uint32_t name;
    uint32_t value;
    uint64_t offset;
  };

  IndexWriter(BufferedFile file, std::vector<std::string> symbols);

  base::Status WriteSymbols();
  base::Result<uint32_t> SymbolNumber(std::string_view text) const;
  base::Status WritePostingsOf(std::span<const uint32_t> names);
  template <class Visit>
  base::Status VisitSeries(Visit visit);
  base::Status WritePostings(std::span<const uint64_t> pairs);
  base::Status WritePostingsTable();
  base::Status WriteToc();

  BufferedFile file_;
  std::vector<std::string> symbols_;
  boost::unordered_flat_map<std::string_view, uint32_t> numbers_;
  model::Labels last_;
  std::vector<uint32_t> series_;                             // Numbers, ascending.
  boost::unordered_flat_map<uint32_t, uint64_t> name_uses_;  // Name symbol to series that have it.
  std::vector<PairOffset> pairs_;                            // In order of name and value.
  std::string scratch_;
  uint64_t series_at_ = 0;
  uint64_t series_end_ = 0;
  uint64_t all_postings_at_ = 0;
  uint64_t postings_at_ = 0;
  uint64_t postings_table_at_ = 0;
};

}  // namespace narthex::tsdb
