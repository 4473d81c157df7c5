#include "tsdb/index/index_reader.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <optional>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace narthex::tsdb {

using base::ByteReader;
using base::Code;
using base::Fail;
using model::Matcher;

namespace {

auto Damaged(std::string_view what, uint64_t offset) {
  return Fail(Code::kDataLoss, "index: damaged {} at offset {}", what, offset);
}

}  // namespace

base::Result<std::unique_ptr<IndexReader>> IndexReader::Open(base::FileSystem& files,
                                                             const std::string& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<base::MappedFile> file, files.Map(path));
  std::unique_ptr<IndexReader> reader(new IndexReader(std::move(file)));
  const auto read = [&]() -> base::Status {
    RETURN_IF_ERROR(reader->ReadToc());
    RETURN_IF_ERROR(reader->ReadSymbols());
    RETURN_IF_ERROR(reader->ReadPostingsTable());
    return reader->CheckWhole();
  };
  if (base::Status status = read(); !status) {
    return std::unexpected(std::move(status).error().In(path));
  }
  return reader;
}

base::Status IndexReader::CheckWhole() const {
  // After a read, the end of the file being what it was means that all before it was there.
  // The compiler must not have read ahead.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (bytes_.ends_with(end_) && file_->intact()) return {};
  return Fail(Code::kDataLoss, "index: the file was cut off, or cannot be read any more");
}

base::Status IndexReader::ReadToc() {
  bytes_ = file_->bytes();
  if (bytes_.size() < kIndexHeaderBytes + kTocBytes) return Damaged("file (too short)", 0);
  if (base::LoadBigEndian<uint32_t>(bytes_.data()) != kIndexMagic)
    return Damaged("magic number", 0);
  version_ = static_cast<uint8_t>(bytes_[4]);
  if (version_ < 1 || version_ > kIndexVersionNewest) {
    return Fail(Code::kUnimplemented, "index: version {} is not known", version_);
  }
  const uint64_t at = bytes_.size() - kTocBytes;
  const std::string_view toc = bytes_.substr(at, kTocBytes - 4);
  if (base::Crc32c(toc) != base::LoadBigEndian<uint32_t>(toc.data() + toc.size())) {
    return Damaged("table of contents", at);
  }
  end_ = bytes_.substr(at);
  ByteReader reader(toc);
  for (uint64_t* field : {&toc_.symbols, &toc_.series, &toc_.label_indices,
                          &toc_.label_offset_table, &toc_.postings, &toc_.postings_offset_table}) {
    *field = reader.ReadBigEndian<uint64_t>();
    if (*field > at) return Damaged("table of contents", at);
  }
  return {};
}

base::Result<std::string_view> IndexReader::Section(uint64_t offset, std::string_view what) const {
  if (offset > bytes_.size() || bytes_.size() - offset < 8) return Damaged(what, offset);
  const uint64_t size = base::LoadBigEndian<uint32_t>(bytes_.data() + offset);
  if (size > bytes_.size() - offset - 8) return Damaged(what, offset);
  const std::string_view content = bytes_.substr(offset + 4, size);
  if (base::Crc32c(content) != base::LoadBigEndian<uint32_t>(content.data() + size)) {
    return Damaged(what, offset);
  }
  return content;
}

base::Status IndexReader::ReadSymbols() {
  if (toc_.symbols == 0) return {};
  ASSIGN_OR_RETURN(const std::string_view section, Section(toc_.symbols, "symbol table"));
  ByteReader reader(section);
  symbol_count_ = reader.ReadBigEndian<uint32_t>();
  for (uint64_t i = 0; i < symbol_count_; ++i) {
    if (i % kSampling == 0) sampled_symbols_.push_back(toc_.symbols + 4 + reader.offset());
    reader.ReadUvarintString();
    if (!reader.ok()) return Damaged("symbol table", toc_.symbols);
  }
  return {};
}

base::Result<std::vector<std::string_view>> IndexReader::Symbols() const {
  std::vector<std::string_view> symbols;
  if (toc_.symbols == 0) return symbols;
  ByteReader reader(bytes_.substr(toc_.symbols + 8));
  symbols.reserve(symbol_count_);
  for (uint64_t i = 0; i < symbol_count_; ++i) symbols.push_back(reader.ReadUvarintString());
  if (!reader.ok()) return Damaged("symbol table", toc_.symbols);
  RETURN_IF_ERROR(CheckWhole());
  return symbols;
}

base::Result<std::string_view> IndexReader::Symbol(uint64_t ref) const {
  uint64_t at = ref;
  uint64_t skip = 0;
  if (version_ >= 2) {
    if (ref >= symbol_count_) return Damaged("symbol number", ref);
    at = sampled_symbols_[ref / kSampling];
    skip = ref % kSampling;
  }
  if (at >= bytes_.size()) return Damaged("symbol offset", ref);
  ByteReader reader(bytes_.substr(at));
  for (; skip > 0; --skip) reader.ReadUvarintString();
  const std::string_view symbol = reader.ReadUvarintString();
  if (!reader.ok()) return Damaged("symbol", at);
  return symbol;
}

base::Status IndexReader::ReadPostingsTable() {
  if (toc_.postings_offset_table == 0) return {};
  ASSIGN_OR_RETURN(const std::string_view section,
                   Section(toc_.postings_offset_table, "postings offset table"));
  const uint64_t base = toc_.postings_offset_table + 4;
  ByteReader reader(section);
  const uint64_t count = reader.ReadBigEndian<uint32_t>();
  // Before version 2 the table is in any order: then every entry is kept and sorted.
  const bool sorted = version_ >= 2;
  const size_t sampling = sorted ? kSampling : 1;
  NameEntries* entries = nullptr;
  std::string_view current;
  std::string_view last_value;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t at = base + reader.offset();
    const uint64_t fields = reader.ReadUvarint();
    const std::string_view name = reader.ReadUvarintString();
    const std::string_view value = reader.ReadUvarintString();
    reader.ReadUvarint();
    if (!reader.ok() || fields != 2) return Damaged("postings offset table", at);
    if (entries == nullptr || name != current) {
      entries = &names_[std::string(name)];
      if (sorted && entries->count > 0) return Damaged("order of the postings offset table", at);
      current = name;
    } else if (sorted && value <= last_value) {
      return Damaged("order of the postings offset table", at);
    }
    if (entries->count % sampling == 0) entries->sampled.push_back({value, at});
    ++entries->count;
    last_value = value;
  }
  if (!sorted) {
    for (auto& [name, unsorted] : names_) {
      std::ranges::sort(unsorted.sampled, {}, &SampledValue::value);
    }
  }
  return {};
}

template <class Visit>
base::Status IndexReader::VisitValues(const NameEntries& entries, std::string_view from,
                                      Visit visit) const {
  auto start = std::ranges::upper_bound(entries.sampled, from, {}, &SampledValue::value);
  if (start != entries.sampled.begin()) --start;
  if (version_ < 2) {
    for (; start != entries.sampled.end(); ++start) {
      ByteReader reader(bytes_.substr(start->at));
      reader.ReadUvarint();
      reader.ReadUvarintString();
      reader.ReadUvarintString();
      const uint64_t offset = reader.ReadUvarint();
      if (!reader.ok()) return Damaged("postings offset table", start->at);
      if (!visit(start->value, offset)) break;
    }
    return {};
  }
  const auto first = static_cast<uint64_t>(start - entries.sampled.begin()) * kSampling;
  ByteReader reader(bytes_.substr(start->at));
  for (uint64_t i = first; i < entries.count; ++i) {
    reader.ReadUvarint();
    reader.ReadUvarintString();
    const std::string_view value = reader.ReadUvarintString();
    const uint64_t offset = reader.ReadUvarint();
    if (!reader.ok()) return Damaged("postings offset table", start->at);
    if (!visit(value, offset)) break;
  }
  return {};
}

base::Result<IndexReader::PostingsList> IndexReader::ReadPostings(uint64_t offset) const {
  ASSIGN_OR_RETURN(const std::string_view section, Section(offset, "postings"));
  if (section.size() < 4 || section.size() % 4 != 0) return Damaged("postings", offset);
  const uint64_t count = base::LoadBigEndian<uint32_t>(section.data());
  if (count != section.size() / 4 - 1) return Damaged("postings", offset);
  PostingsList list(count);
  for (uint64_t i = 0; i < count; ++i) {
    list[i] = base::LoadBigEndian<uint32_t>(section.data() + 4 + 4 * i);
  }
  return list;
}

base::Result<uint64_t> IndexReader::AllPostingsOffset() const {
  const auto found = names_.find("");
  if (found == names_.end()) return 0;
  uint64_t offset = 0;
  RETURN_IF_ERROR(VisitValues(found->second, "", [&](std::string_view value, uint64_t at) {
    if (value.empty()) offset = at;
    return false;
  }));
  return offset;
}

base::Result<IndexReader::PostingsList> IndexReader::AllPostings() const {
  ASSIGN_OR_RETURN(const uint64_t offset, AllPostingsOffset());
  if (offset == 0) return PostingsList();
  return ReadPostings(offset);
}

base::Result<uint64_t> IndexReader::CountSeries() const {
  ASSIGN_OR_RETURN(const uint64_t offset, AllPostingsOffset());
  if (offset == 0) return 0;
  if (offset > bytes_.size() || bytes_.size() - offset < 8) return Damaged("postings", offset);
  const uint64_t count = base::LoadBigEndian<uint32_t>(bytes_.data() + offset + 4);
  RETURN_IF_ERROR(CheckWhole());
  return count;
}

base::Result<IndexReader::PostingsList> IndexReader::PostingsOf(const Matcher& matcher,
                                                                bool accepted) const {
  const auto found = names_.find(matcher.name());
  if (found == names_.end() || matcher.name().empty()) return PostingsList();
  std::vector<uint64_t> offsets;
  const auto find_one = [&](std::string_view wanted) {
    return VisitValues(found->second, wanted, [&](std::string_view value, uint64_t offset) {
      if (value == wanted) offsets.push_back(offset);
      return value < wanted;
    });
  };
  // Where the values are named one by one they are looked up instead of tried.
  const Matcher::Type type = matcher.type();
  const bool equality = type == (accepted ? Matcher::Type::kEqual : Matcher::Type::kNotEqual);
  const bool expression = type == (accepted ? Matcher::Type::kRegex : Matcher::Type::kNotRegex);
  if (equality) {
    RETURN_IF_ERROR(find_one(matcher.value()));
  } else if (expression && !matcher.regex()->literals().empty()) {
    for (const std::string& literal : matcher.regex()->literals()) {
      RETURN_IF_ERROR(find_one(literal));
    }
    std::ranges::sort(offsets);  // A value may be named twice.
    offsets.erase(std::ranges::unique(offsets).begin(), offsets.end());
  } else {
    RETURN_IF_ERROR(VisitValues(found->second, "", [&](std::string_view value, uint64_t offset) {
      if (matcher.Matches(value) == accepted) offsets.push_back(offset);
      return true;
    }));
  }
  PostingsList all;
  for (const uint64_t offset : offsets) {
    ASSIGN_OR_RETURN(const PostingsList list, ReadPostings(offset));
    all.insert(all.end(), list.begin(), list.end());
  }
  if (offsets.size() > 1) std::ranges::sort(all);
  return all;
}

base::Result<std::vector<SeriesId>> IndexReader::Select(std::span<const Matcher> matchers) const {
  ASSIGN_OR_RETURN(PostingsList list, SelectUnchecked(matchers));
  RETURN_IF_ERROR(CheckWhole());
  return list;
}

base::Result<IndexReader::PostingsList> IndexReader::SelectUnchecked(
    std::span<const Matcher> matchers) const {
  std::optional<PostingsList> result;
  std::vector<PostingsList> without;
  for (const Matcher& matcher : matchers) {
    if (matcher.MatchesEmpty()) {
      // Series without the label match too: take away those whose value does not.
      ASSIGN_OR_RETURN(PostingsList list, PostingsOf(matcher, false));
      without.push_back(std::move(list));
      continue;
    }
    ASSIGN_OR_RETURN(PostingsList list, PostingsOf(matcher, true));
    if (!result) {
      result = std::move(list);
    } else {
      PostingsList both;
      std::ranges::set_intersection(*result, list, std::back_inserter(both));
      result = std::move(both);
    }
    if (result->empty()) return PostingsList();
  }
  if (!result) {
    ASSIGN_OR_RETURN(result, AllPostings());
  }
  for (const PostingsList& list : without) {
    PostingsList rest;
    std::ranges::set_difference(*result, list, std::back_inserter(rest));
    result = std::move(rest);
  }
  return *std::move(result);
}

base::Result<IndexReader::Series> IndexReader::ReadSeries(SeriesId id) const {
  const uint64_t at = version_ >= 2 ? uint64_t{id} * kSeriesAlignment : id;
  if (at >= bytes_.size()) return Damaged("series number", at);
  ByteReader head(bytes_.substr(at));
  const uint64_t size = head.ReadUvarint();
  const std::string_view content = head.ReadBytes(size);
  const auto crc = head.ReadBigEndian<uint32_t>();
  if (!head.ok() || base::Crc32c(content) != crc) return Damaged("series", at);

  ByteReader reader(content);
  std::vector<model::LabelView> labels;
  for (uint64_t left = reader.ReadUvarint(); left > 0 && reader.ok(); --left) {
    ASSIGN_OR_RETURN(const std::string_view name, Symbol(reader.ReadUvarint()));
    ASSIGN_OR_RETURN(const std::string_view value, Symbol(reader.ReadUvarint()));
    if (!labels.empty() && name <= labels.back().name) return Damaged("series labels", at);
    if (name.empty() || value.empty()) return Damaged("series labels", at);
    labels.push_back({name, value});
  }
  Series series;
  series.labels = model::Labels::FromSorted(labels);
  const uint64_t count = reader.ReadUvarint();
  if (count > content.size()) return Damaged("series chunks", at);
  series.chunks.reserve(count);
  ChunkMeta meta;
  for (uint64_t i = 0; i < count && reader.ok(); ++i) {
    // Unsigned arithmetic: damaged differences must not be undefined behaviour.
    const uint64_t gap = i == 0 ? static_cast<uint64_t>(reader.ReadVarint()) : reader.ReadUvarint();
    meta.min = static_cast<int64_t>(i == 0 ? gap : static_cast<uint64_t>(meta.max) + gap);
    meta.max = static_cast<int64_t>(static_cast<uint64_t>(meta.min) + reader.ReadUvarint());
    meta.ref =
        i == 0 ? reader.ReadUvarint() : meta.ref + static_cast<uint64_t>(reader.ReadVarint());
    series.chunks.push_back(meta);
  }
  if (!reader.ok()) return Damaged("series", at);
  RETURN_IF_ERROR(CheckWhole());
  return series;
}

std::vector<std::string> IndexReader::LabelNames() const {
  std::vector<std::string> names;
  for (const auto& [name, entries] : names_) {
    if (!name.empty()) names.push_back(name);
  }
  return names;
}

base::Result<std::vector<std::string>> IndexReader::LabelValues(std::string_view name) const {
  std::vector<std::string> values;
  const auto found = names_.find(name);
  if (name.empty() || found == names_.end()) return values;
  RETURN_IF_ERROR(VisitValues(found->second, "", [&](std::string_view value, uint64_t) {
    values.emplace_back(value);
    return true;
  }));
  RETURN_IF_ERROR(CheckWhole());
  return values;
}

}  // namespace narthex::tsdb
