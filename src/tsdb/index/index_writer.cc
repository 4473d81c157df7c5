#include "tsdb/index/index_writer.h"

#include <algorithm>
#include <limits>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "tsdb/ordered_work.h"

namespace narthex::tsdb {

using base::Code;
using base::Fail;

namespace {

constexpr size_t kWindowBytes = 1 << 20;
constexpr size_t kPieceBytes = 64 << 10;
// Of files that are there only while an index is written.
constexpr char kTableSuffix[] = ".table";
constexpr char kSpoolSuffix[] = ".postings";

uint64_t StringBytes(std::string_view text) {
  uint64_t bytes = 1 + text.size();
  for (size_t size = text.size(); size >= 0x80; size >>= 7) ++bytes;
  return bytes;
}

void PutChunks(std::string& out, std::span<const ChunkMeta> chunks) {
  base::PutUvarint(out, chunks.size());
  // Differences wrap: they are what a reader adds up, modulo 2^64.
  for (size_t i = 0; i < chunks.size(); ++i) {
    const ChunkMeta& chunk = chunks[i];
    const auto min = static_cast<uint64_t>(chunk.min);
    if (i == 0) {
      base::PutVarint(out, chunk.min);
    } else {
      base::PutUvarint(out, min - static_cast<uint64_t>(chunks[i - 1].max));
    }
    base::PutUvarint(out, static_cast<uint64_t>(chunk.max) - min);
    if (i == 0) {
      base::PutUvarint(out, chunk.ref);
    } else {
      base::PutVarint(out, static_cast<int64_t>(chunk.ref - chunks[i - 1].ref));
    }
  }
}

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
  // Takes what has been put into piece(), if it is `from` bytes or more.
  void Flush(size_t from = 0) {
    if (piece_.size() < from) return;
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

IndexWriter::IndexWriter(base::FileSystem& files, std::string path, BufferedFile file,
                         BufferedFile table, PostingsSpool spool,
                         std::vector<std::string_view> symbols, size_t threads)
    : files_(files),
      path_(std::move(path)),
      threads_(threads),
      file_(std::move(file)),
      table_(std::move(table)),
      spool_(std::move(spool)),
      symbols_(std::move(symbols)),
      numbers_(symbols_.size(), Hash{{&symbols_}}, Equal{{&symbols_}}) {
  for (uint32_t i = 0; i < symbols_.size(); ++i) {
    CHECK(i == 0 || symbols_[i - 1] < symbols_[i]);
    numbers_.insert(i);
  }
}

base::Result<std::unique_ptr<IndexWriter>> IndexWriter::Create(
    base::FileSystem& files, const std::string& path, std::vector<std::string_view> symbols,
    size_t threads) {
  if (symbols.size() > std::numeric_limits<uint32_t>::max()) {
    return Fail(Code::kResourceExhausted, "index: more than 2^32 symbols");
  }
  ASSIGN_OR_RETURN(BufferedFile file, BufferedFile::Create(files, path));
  ASSIGN_OR_RETURN(BufferedFile table, BufferedFile::Create(files, path + kTableSuffix));
  ASSIGN_OR_RETURN(PostingsSpool spool, PostingsSpool::Create(files, path + kSpoolSuffix));
  std::unique_ptr<IndexWriter> writer(new IndexWriter(files, path, std::move(file),
                                                      std::move(table), std::move(spool),
                                                      std::move(symbols), threads));
  RETURN_IF_ERROR(writer->WriteSymbols());
  return writer;
}

base::Status IndexWriter::WriteSymbols() {
  std::string header;
  base::PutBigEndian(header, kIndexMagic);
  header += static_cast<char>(kIndexVersionWritten);
  RETURN_IF_ERROR(file_.Append(header));
  uint64_t length = 4;
  for (const std::string_view symbol : symbols_) length += StringBytes(symbol);
  ASSIGN_OR_RETURN(const uint32_t section_length, SectionLength(length, "symbol table"));
  SectionWriter section(file_, section_length);
  base::PutBigEndian(section.piece(), static_cast<uint32_t>(symbols_.size()));
  for (const std::string_view symbol : symbols_) {
    base::PutUvarintString(section.piece(), symbol);
    section.Flush(kPieceBytes);
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
  return *found;
}

base::Status IndexWriter::Prepare(const model::Labels& labels, Prepared& into) const {
  if (labels.empty() || (into.size() > 0 && labels <= into.last_)) {
    return Fail(Code::kInvalidArgument, "index: series {} does not follow {}", labels.ToString(),
                into.last_.ToString());
  }
  size_t place = 0;
  const auto number_of = [&](std::string_view text) -> base::Result<uint32_t> {
    if (place == into.known_.size()) into.known_.emplace_back();
    Prepared::Known& known = into.known_[place++];
    if (known.text == text && !text.empty()) return known.number;
    ASSIGN_OR_RETURN(known.number, SymbolNumber(text));
    known.text = text;
    return known.number;
  };
  base::PutUvarint(into.bytes_, labels.size());
  for (const model::LabelView label : labels) {
    ASSIGN_OR_RETURN(const uint32_t name, number_of(label.name));
    ASSIGN_OR_RETURN(const uint32_t value, number_of(label.value));
    base::PutUvarint(into.bytes_, name);
    base::PutUvarint(into.bytes_, value);
    into.postings_.Add(name, value);
  }
  into.postings_.EndSeries();
  into.ends_.push_back(static_cast<uint32_t>(into.bytes_.size()));
  if (into.size() == 1) into.first_ = labels;
  into.last_ = labels;
  return {};
}

base::Status IndexWriter::AddOne(std::string_view labels, std::span<const ChunkMeta> chunks) {
  scratch_.assign(labels);
  PutChunks(scratch_, chunks);
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
  return {};
}

base::Status IndexWriter::AddSeries(const Prepared& series, std::span<const ChunkMeta> chunks,
                                    std::span<const uint32_t> ends) {
  CHECK(ends.size() == series.size());
  if (series.size() == 0) return {};
  if (!series_.empty() && series.first_ <= last_) {
    return Fail(Code::kInvalidArgument, "index: series {} does not follow {}",
                series.first_.ToString(), last_.ToString());
  }
  uint32_t labels_begin = 0;
  uint32_t chunks_begin = 0;
  for (size_t i = 0; i < series.size(); ++i) {
    RETURN_IF_ERROR(
        AddOne(std::string_view(series.bytes_).substr(labels_begin, series.ends_[i] - labels_begin),
               chunks.subspan(chunks_begin, ends[i] - chunks_begin)));
    labels_begin = series.ends_[i];
    chunks_begin = ends[i];
  }
  last_ = series.last_;
  return spool_.Append(series.postings_);
}

base::Result<uint32_t> IndexWriter::AddSeries(const model::Labels& labels,
                                              std::span<const ChunkMeta> chunks) {
  Prepared one;
  RETURN_IF_ERROR(Prepare(labels, one));
  const auto end = static_cast<uint32_t>(chunks.size());
  RETURN_IF_ERROR(AddSeries(one, chunks, {&end, 1}));
  return series_.back();
}

base::Status IndexWriter::Finish() {
  RETURN_IF_ERROR(spool_.Finish());
  postings_at_ = file_.offset();
  RETURN_IF_ERROR(WriteAllPostings());
  const std::vector<PostingsSpool::Name> names = spool_.names();
  size_t next = 0;
  RETURN_IF_ERROR(RunOrdered(
      std::min(threads_, names.size()),
      [&]() -> base::Result<std::optional<PostingsSpool::Name>> {
        if (next == names.size()) return std::nullopt;
        return names[next++];
      },
      [this](PostingsSpool::Name name) { return PostingsOf(name); },
      [this](const NamePostings& postings) { return WritePostings(postings); }));
  postings_table_at_ = file_.offset();
  RETURN_IF_ERROR(WritePostingsTable());
  RETURN_IF_ERROR(WriteToc());
  RETURN_IF_ERROR(file_.Sync());
  RETURN_IF_ERROR(spool_.Remove(files_));
  return files_.Remove(path_ + kTableSuffix);
}

base::Status IndexWriter::WriteAllPostings() {
  RETURN_IF_ERROR(file_.Align(kPostingsAlignment));
  RETURN_IF_ERROR(AddEntry("", "", file_.offset()));
  ASSIGN_OR_RETURN(const uint32_t length,
                   SectionLength(4 + 4 * uint64_t{series_.size()}, "postings list"));
  SectionWriter section(file_, length);
  base::PutBigEndian(section.piece(), static_cast<uint32_t>(series_.size()));
  for (const uint32_t number : series_) {
    base::PutBigEndian(section.piece(), number);
    section.Flush(kPieceBytes);
  }
  return section.Finish();
}

base::Result<IndexWriter::NamePostings> IndexWriter::PostingsOf(PostingsSpool::Name name) const {
  constexpr uint64_t kAroundList = 4 + 4 + 4;  // Length, number of series, checksum.
  NamePostings result{.name = name.name};
  // How many series each value has, then where its next goes.
  boost::unordered_flat_map<uint32_t, uint64_t> of_value;
  RETURN_IF_ERROR(
      spool_.VisitSeries(name.name, [&](uint32_t, uint32_t value) { ++of_value[value]; }));
  for (const auto& [value, count] : of_value) result.values.push_back({value, count});
  std::ranges::sort(result.values, {}, &NamePostings::Value::value);
  uint64_t total = 0;
  for (NamePostings::Value& value : result.values) {
    const uint64_t count = std::exchange(value.offset, total);
    total += kAroundList + 4 * count;
    of_value.find(value.value)->second = value.offset + 8;
  }
  result.bytes.resize(total);
  RETURN_IF_ERROR(spool_.VisitSeries(name.name, [&](uint32_t series, uint32_t value) {
    uint64_t& at = of_value.find(value)->second;
    base::StoreBigEndian(result.bytes.data() + at, series_[series]);
    at += 4;
  }));
  for (const NamePostings::Value& value : result.values) {
    char* const list = result.bytes.data() + value.offset;
    const uint64_t end = of_value.find(value.value)->second;
    const uint64_t content = end - value.offset - 4;
    ASSIGN_OR_RETURN(const uint32_t length, SectionLength(content, "postings list"));
    base::StoreBigEndian(list, length);
    base::StoreBigEndian(list + 4, static_cast<uint32_t>((content - 4) / 4));
    base::StoreBigEndian(list + 4 + content, base::Crc32c({list + 4, content}));
  }
  return result;
}

base::Status IndexWriter::WritePostings(const NamePostings& postings) {
  // Each list is as long as keeps the next one aligned.
  const uint64_t begin = file_.offset();
  for (const NamePostings::Value& value : postings.values) {
    RETURN_IF_ERROR(AddEntry(symbols_[postings.name], symbols_[value.value], begin + value.offset));
  }
  return file_.Append(postings.bytes);
}

base::Status IndexWriter::AddEntry(std::string_view name, std::string_view value, uint64_t offset) {
  scratch_.clear();
  base::PutUvarint(scratch_, 2);
  base::PutUvarintString(scratch_, name);
  base::PutUvarintString(scratch_, value);
  base::PutUvarint(scratch_, offset);
  ++entries_;
  return table_.Append(scratch_);
}

base::Status IndexWriter::WritePostingsTable() {
  RETURN_IF_ERROR(table_.Flush());
  ASSIGN_OR_RETURN(const uint32_t length,
                   SectionLength(4 + table_.offset(), "postings offset table"));
  SectionWriter section(file_, length);
  base::PutBigEndian(section.piece(), static_cast<uint32_t>(entries_));
  for (uint64_t at = 0; at < table_.offset();) {
    ASSIGN_OR_RETURN(const std::string window, table_.ReadAt(at, kWindowBytes));
    if (window.empty()) {
      return Fail(Code::kDataLoss, "index: entries just written are not there");
    }
    section.piece() += window;
    section.Flush();
    at += window.size();
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
