#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "tsdb/index/format.h"

namespace narthex::tsdb {

// A series inside an index: its offset, or a part of it, as the file's version has it.
using SeriesId = uint32_t;

// The index of one block, mapped. Immutable, thread-safe. Every read is checked: damage is an
// error, kDataLoss with what and where, of the call that meets it. So is a file that was cut off
// since it was opened.
class IndexReader {
 public:
  static base::Result<std::unique_ptr<IndexReader>> Open(base::FileSystem& files,
                                                         const std::string& path);

  // Series that match all, ascending, which is label order. Every series when there is no matcher.
  base::Result<std::vector<SeriesId>> Select(std::span<const model::Matcher> matchers) const;

  struct Series {
    model::Labels labels;
    std::vector<ChunkMeta> chunks;  // In time order.
  };
  base::Result<Series> ReadSeries(SeriesId id) const;

  // Sorted; of all series of the block.
  std::vector<std::string> LabelNames() const;
  base::Result<std::vector<std::string>> LabelValues(std::string_view name) const;

  // The texts lie in the file: where it is cut off later they become zeros, which CheckWhole tells.
  base::Result<std::vector<std::string_view>> Symbols() const;
  // Whether everything that was read before was there. Error: kDataLoss.
  base::Status CheckWhole() const;

  uint8_t version() const { return version_; }
  // As the list of all series says, whose checksum is not tested for it.
  base::Result<uint64_t> CountSeries() const;
  uint64_t symbol_count() const { return symbol_count_; }
  uint64_t bytes() const { return bytes_.size(); }

 private:
  struct Toc {
    uint64_t symbols = 0;
    uint64_t series = 0;
    uint64_t label_indices = 0;
    uint64_t label_offset_table = 0;
    uint64_t postings = 0;
    uint64_t postings_offset_table = 0;
  };
  // One in kSampling entries of a name's part of the postings offset table.
  struct SampledValue {
    std::string_view value;
    uint64_t at;  // Offset of the entry.
  };
  struct NameEntries {
    std::vector<SampledValue> sampled;
    uint64_t count = 0;
  };
  using PostingsList = std::vector<SeriesId>;

  explicit IndexReader(std::unique_ptr<base::MappedFile> file) : file_(std::move(file)) {}

  base::Status ReadToc();
  base::Status ReadSymbols();
  base::Status ReadPostingsTable();
  // The content of a section with its length in front and its checksum behind.
  base::Result<std::string_view> Section(uint64_t offset, std::string_view what) const;
  base::Result<std::string_view> Symbol(uint64_t ref) const;
  // Calls visit(value, postings offset) for the entries of a name in order, until it returns false.
  // Starts at the last sampled value that is not above `from`.
  template <class Visit>
  base::Status VisitValues(const NameEntries& entries, std::string_view from, Visit visit) const;
  base::Result<PostingsList> ReadPostings(uint64_t offset) const;
  // Series that have the label, with a value that the matcher accepts (or does not).
  base::Result<PostingsList> PostingsOf(const model::Matcher& matcher, bool accepted) const;
  // Of the list of all series; 0: there is none.
  base::Result<uint64_t> AllPostingsOffset() const;
  base::Result<PostingsList> AllPostings() const;
  base::Result<PostingsList> SelectUnchecked(std::span<const model::Matcher> matchers) const;

  std::unique_ptr<base::MappedFile> file_;
  std::string_view bytes_;
  std::string end_;  // A copy of the file's last bytes.
  uint8_t version_ = 0;
  Toc toc_;
  uint64_t symbol_count_ = 0;
  std::vector<uint64_t> sampled_symbols_;  // Offsets.
  std::map<std::string, NameEntries, std::less<>> names_;
};

}  // namespace narthex::tsdb
