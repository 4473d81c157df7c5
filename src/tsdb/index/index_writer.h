#pragma once

#include <boost/container_hash/hash.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
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
#include "tsdb/index/postings_spool.h"

namespace narthex::tsdb {

// Writes the index of one block, version 2. docs/format/index.md. Keeps 4 bytes a series and some
// 22 a symbol; postings wait in a file beside it and are made one label name at a time. One thread
// at a time, but for Prepare. After an error the file is of no use.
class IndexWriter {
 public:
  // The labels of some series that follow one another, as the index will have them. One thread at a
  // time.
  class Prepared {
   public:
    size_t size() const { return ends_.size(); }

   private:
    friend class IndexWriter;
    struct Known {
      std::string text;
      uint32_t number = 0;
    };
    std::string bytes_;           // Per series: number of labels, symbols of names and values.
    std::vector<uint32_t> ends_;  // In bytes_.
    PostingsSpool::Part postings_;
    model::Labels first_;
    model::Labels last_;
    std::vector<Known> known_;  // Names and values of the series before: mostly those of the next.
  };

  // `symbols`: every label name and value to come, sorted and unique; the texts have to outlive
  // Finish. Postings are made in `threads` threads.
  static base::Result<std::unique_ptr<IndexWriter>> Create(base::FileSystem& files,
                                                           const std::string& path,
                                                           std::vector<std::string_view> symbols,
                                                           size_t threads = 1);

  // Puts one more series behind those in `into`. Thread-safe. Error: kInvalidArgument out of order
  // or for a label that is no symbol.
  base::Status Prepare(const model::Labels& labels, Prepared& into) const;
  // Appends series. `chunks` are those of all, `ends` says where in there the chunks of each end.
  // Series come in label order. Errors: kInvalidArgument out of order, kResourceExhausted over
  // 64 GiB.
  base::Status AddSeries(const Prepared& series, std::span<const ChunkMeta> chunks,
                         std::span<const uint32_t> ends);
  // The same for one; its number, as tombstones name it.
  base::Result<uint32_t> AddSeries(const model::Labels& labels, std::span<const ChunkMeta> chunks);
  // Writes what follows the series and makes the file durable.
  base::Status Finish();

  uint64_t bytes() const { return file_.offset(); }

 private:
  // Lets symbols be found by their text without a second copy of it.
  struct TextOf {
    using is_transparent = void;
    const std::vector<std::string_view>* symbols;
    std::string_view operator()(uint32_t number) const { return (*symbols)[number]; }
    std::string_view operator()(std::string_view text) const { return text; }
  };
  struct Hash : TextOf {
    template <class Key>
    size_t operator()(const Key& key) const {
      return boost::hash<std::string_view>()(TextOf::operator()(key));
    }
  };
  struct Equal : TextOf {
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return TextOf::operator()(a) == TextOf::operator()(b);
    }
  };
  // What the index has of one label name behind the series.
  struct NamePostings {
    struct Value {
      uint32_t value;
      uint64_t offset;  // In `bytes`.
    };
    uint32_t name = 0;
    std::vector<Value> values;  // Ascending.
    std::string bytes;
  };

  IndexWriter(base::FileSystem& files, std::string path, BufferedFile file, BufferedFile table,
              PostingsSpool spool, std::vector<std::string_view> symbols, size_t threads);

  base::Status WriteSymbols();
  base::Result<uint32_t> SymbolNumber(std::string_view text) const;
  base::Status AddOne(std::string_view labels, std::span<const ChunkMeta> chunks);
  base::Status WriteAllPostings();
  base::Result<NamePostings> PostingsOf(PostingsSpool::Name name) const;
  base::Status WritePostings(const NamePostings& postings);
  // An entry of the postings offset table.
  base::Status AddEntry(std::string_view name, std::string_view value, uint64_t offset);
  base::Status WritePostingsTable();
  base::Status WriteToc();

  base::FileSystem& files_;
  const std::string path_;
  const size_t threads_;
  BufferedFile file_;
  BufferedFile table_;  // Entries of the postings offset table, until it is their turn.
  uint64_t entries_ = 0;
  PostingsSpool spool_;
  const std::vector<std::string_view> symbols_;
  boost::unordered_flat_set<uint32_t, Hash, Equal> numbers_;
  model::Labels last_;
  std::vector<uint32_t> series_;  // Numbers, ascending.
  std::string scratch_;
  uint64_t series_at_ = 0;
  uint64_t series_end_ = 0;
  uint64_t postings_at_ = 0;
  uint64_t postings_table_at_ = 0;
};

}  // namespace narthex::tsdb
