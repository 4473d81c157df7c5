#include "tsdb/index/index_writer.h"

#include <algorithm>
#include <limits>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace narthex::tsdb {

using base::Code;
using base::Fail;

namespace {

// Label pairs gathered in one pass over the series: 8 bytes each.
constexpr uint64_t kPairsPerPass = 8 << 20;
constexpr size_t kWindowBytes = 1 << 20;

uint64_t UvarintBytes(uint64_t value) {
  uint64_t bytes = 1;
  for (; value >= 0x80; value >>= 7) ++bytes;
  return bytes;
}

uint64_t StringBytes(std::string_view text) { return UvarintBytes(text.size()) + text.size(); }

// A section's length field has 32 bits.
base::Result<uint32_t> SectionLength(uint64_t length, std::string_view what) {
  if (length > std::numeric_limits<uint32_t>::max()) {
    return Fail(Code::kResourceExhausted, "index: {} is over 4 GiB", what);
  }
  return static_cast<uint32_t>(length);
}

// Appends a section piece by piece: length in front, checksum behind.
class SectionWriter {
 public:
  SectionWriter(BufferedFile& file, uint32_t length) : file_(file), left_(length) {
    base::PutBigEndian(piece_, length);
    status_ = file_.Append(piece_);
    piece_.clear();
  }
  std::string& piece() { return piece_; }
  // Takes what has been put into piece().
  void Flush() {
    crc_ = base::Crc32c(piece_, crc_);
    left_ -= piece_.size();
    if (status_) status_ = file_.Append(piece_);
    piece_.clear();
  }
  base::Status Finish() {
    Flush();
    CHECK(left_ == 0 || !status_);
    base::PutBigEndian(piece_, crc_);
    RETURN_IF_ERROR(status_);
    return file_.Append(piece_);
  }

 private:
  BufferedFile& file_;
  uint64_t left_;
  std::string piece_;
  uint32_t crc_ = 0;
  base::Status status_;
};

}  // namespace

IndexWriter::IndexWriter(BufferedFile file, std::vector<std::string> symbols)
    : file_(std::move(file)), symbols_(std::move(symbols)) {
  numbers_.reserve(symbols_.size());
  for (size_t i = 0; i < symbols_.size(); ++i) {
    CHECK(i == 0 || symbols_[i - 1] < symbols_[i]);
    numbers_.emplace(symbols_[i], static_cast<uint32_t>(i));
  }
}

base::Result<std::unique_ptr<IndexWriter>> IndexWriter::Create(base::FileSystem& files,
                                                               const std::string& path,
                                                               std::vector<std::string> symbols) {
  if (symbols.size() > std::numeric_limits<uint32_t>::max()) {
    return Fail(Code::kResourceExhausted, "index: more than 2^32 symbols");
  }
  ASSIGN_OR_RETURN(BufferedFile file, BufferedFile::Create(files, path));
  std::unique_ptr<IndexWriter> writer(new IndexWriter(std::move(file), std::move(symbols)));
  RETURN_IF_ERROR(writer->WriteSymbols());
  return writer;
}

base::Status IndexWriter::WriteSymbols() {
  std::string header;
  base::PutBigEndian(header, kIndexMagic);
  header += static_cast<char>(kIndexVersionWritten);
  RETURN_IF_ERROR(file_.Append(header));
  uint64_t length = 4;
  for (const std::string& symbol : symbols_) length += StringBytes(symbol);
  ASSIGN_OR_RETURN(const uint32_t section_length, SectionLength(length, "symbol table"));
  SectionWriter section(file_, section_length);
  base::PutBigEndian(section.piece(), static_cast<uint32_t>(symbols_.size()));
  for (const std::string& symbol : symbols_) {
    base::PutUvarintString(section.piece(), symbol);
    section.Flush();
  }
  RETURN_IF_ERROR(section.Finish());
  series_at_ = file_.offset();
  series_end_ = series_at_;
  return {};
}

base::Result<uint32_t> IndexWriter::SymbolNumber(std::string_view text) const {
  const auto found = numbers_.find(text);
  if (found == numbers_.end()) {
    return Fail(Code::kInvalidArgument, "index: \"{}\" is not in the symbol table", text);
  }
  return found->second;
}

base::Result<uint32_t> IndexWriter::AddSeries(const model::Labels& labels,
                                              std::span<const ChunkMeta> chunks) {
  if (labels.empty() || (!series_.empty() && labels <= last_)) {
    return Fail(Code::kInvalidArgument, "index: series {} does not follow {}", labels.ToString(),
                last_.ToString());
  }
  scratch_.clear();
  base::PutUvarint(scratch_, labels.size());
  for (const model::LabelView label : labels) {
    ASSIGN_OR_RETURN(const uint32_t name, SymbolNumber(label.name));
    ASSIGN_OR_RETURN(const uint32_t value, SymbolNumber(label.value));
    base::PutUvarint(scratch_, name);
    base::PutUvarint(scratch_, value);
    ++name_uses_[name];
  }
  base::PutUvarint(scratch_, chunks.size());
  // Differences wrap: they are what a reader adds up, modulo 2^64.
  for (size_t i = 0; i < chunks.size(); ++i) {
    const ChunkMeta& chunk = chunks[i];
    const auto min = static_cast<uint64_t>(chunk.min);
    if (i == 0) {
      base::PutVarint(scratch_, chunk.min);
    } else {
      base::PutUvarint(scratch_, min - static_cast<uint64_t>(chunks[i - 1].max));
    }
    base::PutUvarint(scratch_, static_cast<uint64_t>(chunk.max) - min);
    if (i == 0) {
      base::PutUvarint(scratch_, chunk.ref);
    } else {
      base::PutVarint(scratch_, static_cast<int64_t>(chunk.ref - chunks[i - 1].ref));
    }
  }
  RETURN_IF_ERROR(file_.Align(kSeriesAlignment));
  const uint64_t number = file_.offset() / kSeriesAlignment;
  if (number > std::numeric_limits<uint32_t>::max()) {
    return Fail(Code::kResourceExhausted, "index: more than 64 GiB of series");
  }
  std::string frame;
  base::PutUvarint(frame, scratch_.size());
  RETURN_IF_ERROR(file_.Append(frame));
  base::PutBigEndian(scratch_, base::Crc32c(scratch_));
  RETURN_IF_ERROR(file_.Append(scratch_));
  series_end_ = file_.offset();
  series_.push_back(static_cast<uint32_t>(number));
  last_ = labels;
  return static_cast<uint32_t>(number);
}

base::Status IndexWriter::Finish() {
  postings_at_ = file_.offset();
  RETURN_IF_ERROR(file_.Align(kPostingsAlignment));
  all_postings_at_ = file_.offset();
  std::vector<uint64_t> pairs(series_.begin(), series_.end());
  RETURN_IF_ERROR(WritePostings(pairs));

  std::vector<uint32_t> names;
  for (const auto& [name, uses] : name_uses_) names.push_back(name);
  std::ranges::sort(names);
  RETURN_IF_ERROR(file_.Flush());  // The passes read the series back.
  for (size_t begin = 0; begin < names.size();) {
    size_t end = begin;
    for (uint64_t count = 0; end < names.size(); ++end) {
      count += name_uses_[names[end]];
      if (end > begin && count > kPairsPerPass) break;
    }
    RETURN_IF_ERROR(WritePostingsOf(std::span(names).subspan(begin, end - begin)));
    begin = end;
  }
  postings_table_at_ = file_.offset();
  RETURN_IF_ERROR(WritePostingsTable());
  RETURN_IF_ERROR(WriteToc());
  return file_.Sync();
}

template <class Visit>
base::Status IndexWriter::VisitSeries(Visit visit) {
  std::string window;
  uint64_t window_at = series_at_;
  for (size_t i = 0; i < series_.size(); ++i) {
    const uint64_t at = series_[i] * kSeriesAlignment;
    const uint64_t end = i + 1 < series_.size() ? series_[i + 1] * kSeriesAlignment : series_end_;
    if (at < window_at || end > window_at + window.size()) {
      ASSIGN_OR_RETURN(window, file_.ReadAt(at, std::max<uint64_t>(end - at, kWindowBytes)));
      window_at = at;
      if (window.size() < end - at) {
        return Fail(Code::kDataLoss, "index: the series just written are not there");
      }
    }
    base::ByteReader reader(std::string_view(window).substr(at - window_at, end - at));
    reader.ReadUvarint();
    for (uint64_t left = reader.ReadUvarint(); left > 0 && reader.ok(); --left) {
      const auto name = static_cast<uint32_t>(reader.ReadUvarint());
      visit(series_[i], name, static_cast<uint32_t>(reader.ReadUvarint()));
    }
    if (!reader.ok()) return Fail(Code::kDataLoss, "index: the series just written are damaged");
  }
  return {};
}

base::Status IndexWriter::WritePostingsOf(std::span<const uint32_t> names) {
  // Value symbol in the upper half, series in the lower: sorted by that, each value's series are
  // a run.
  std::vector<std::vector<uint64_t>> pairs(names.size());
  boost::unordered_flat_map<uint32_t, size_t> positions;
  for (size_t i = 0; i < names.size(); ++i) {
    positions[names[i]] = i;
    pairs[i].reserve(name_uses_[names[i]]);
  }
  RETURN_IF_ERROR(VisitSeries([&](uint32_t series, uint32_t name, uint32_t value) {
    const auto found = positions.find(name);
    if (found != positions.end()) {
      pairs[found->second].push_back(uint64_t{value} << 32 | series);
    }
  }));
  for (size_t i = 0; i < names.size(); ++i) {
    std::ranges::sort(pairs[i]);
    for (size_t begin = 0; begin < pairs[i].size();) {
      const auto value = static_cast<uint32_t>(pairs[i][begin] >> 32);
      size_t end = begin;
      while (end < pairs[i].size() && pairs[i][end] >> 32 == value) ++end;
      RETURN_IF_ERROR(file_.Align(kPostingsAlignment));
      pairs_.push_back({names[i], value, file_.offset()});
      RETURN_IF_ERROR(WritePostings(std::span(pairs[i]).subspan(begin, end - begin)));
      begin = end;
    }
    pairs[i] = {};
  }
  return {};
}

base::Status IndexWriter::WritePostings(std::span<const uint64_t> pairs) {
  ASSIGN_OR_RETURN(const uint32_t length, SectionLength(4 + 4 * pairs.size(), "postings list"));
  SectionWriter section(file_, length);
  base::PutBigEndian(section.piece(), static_cast<uint32_t>(pairs.size()));
  for (const uint64_t pair : pairs) {
    base::PutBigEndian(section.piece(), static_cast<uint32_t>(pair));
  }
  return section.Finish();
}

base::Status IndexWriter::WritePostingsTable() {
  const auto entry_bytes = [](std::string_view name, std::string_view value, uint64_t offset) {
    return 1 + StringBytes(name) + StringBytes(value) + UvarintBytes(offset);
  };
  uint64_t length = 4 + entry_bytes("", "", all_postings_at_);
  for (const PairOffset& pair : pairs_) {
    length += entry_bytes(symbols_[pair.name], symbols_[pair.value], pair.offset);
  }
  ASSIGN_OR_RETURN(const uint32_t section_length, SectionLength(length, "postings offset table"));
  SectionWriter section(file_, section_length);
  base::PutBigEndian(section.piece(), static_cast<uint32_t>(pairs_.size() + 1));
  const auto put = [&section](std::string_view name, std::string_view value, uint64_t offset) {
    base::PutUvarint(section.piece(), 2);
    base::PutUvarintString(section.piece(), name);
    base::PutUvarintString(section.piece(), value);
    base::PutUvarint(section.piece(), offset);
    section.Flush();
  };
  put("", "", all_postings_at_);
  for (const PairOffset& pair : pairs_) {
    put(symbols_[pair.name], symbols_[pair.value], pair.offset);
  }
  return section.Finish();
}

base::Status IndexWriter::WriteToc() {
  std::string toc;
  // The two sections of label indices, which nobody reads any more, are empty.
  for (const uint64_t at : {uint64_t{kIndexHeaderBytes}, series_at_, series_end_,
                            postings_table_at_, postings_at_, postings_table_at_}) {
    base::PutBigEndian(toc, at);
  }
  base::PutBigEndian(toc, base::Crc32c(toc));
  return file_.Append(toc);
}

}  // namespace narthex::tsdb
