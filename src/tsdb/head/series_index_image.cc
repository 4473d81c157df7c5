// The index as sections of a head image: what cannot be worked out again. Postings and identities
// are, so that they always fit the labels.

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/bytes.h"
#include "base/check.h"
#include "tsdb/head/image_file.h"
#include "tsdb/head/series_index.h"
#include "tsdb/head/series_postings.h"

namespace narthex::tsdb {
namespace {

constexpr size_t kPieceBytes = 256 << 10;

std::unexpected<base::Error> Damaged(std::string_view cause) {
  return base::Fail(base::Code::kDataLoss, "head image: {}", cause);
}

base::Status AppendIfLarge(ImageWriter& writer, std::string& bytes) {
  if (bytes.size() < kPieceBytes) return {};
  RETURN_IF_ERROR(writer.Append(bytes));
  bytes.clear();
  return {};
}

}  // namespace

base::Status SeriesIndex::Save(std::span<const Slot> slots, ImageWriter& writer) const {
  std::string bytes;
  RETURN_IF_ERROR(writer.Begin(ImageSection::kSymbols));
  for (SymbolId id = 0; id < symbols_.id_end(); ++id) {
    base::PutUvarintString(bytes, symbols_.Text(id));
    RETURN_IF_ERROR(AppendIfLarge(writer, bytes));
  }
  RETURN_IF_ERROR(writer.Append(bytes));
  bytes.clear();
  RETURN_IF_ERROR(writer.Begin(ImageSection::kSchemas));
  for (const Schema& schema : schemas_) {
    base::PutUvarint(bytes, schema.names.size());
    for (const SymbolId name : schema.names) base::PutUvarint(bytes, name);
  }
  RETURN_IF_ERROR(writer.Append(bytes));
  bytes.clear();
  RETURN_IF_ERROR(writer.Begin(ImageSection::kLabels));
  for (const Slot slot : slots) {
    bytes += records_.Record(slot);
    RETURN_IF_ERROR(AppendIfLarge(writer, bytes));
  }
  return writer.Append(bytes);
}

base::Result<SeriesIndex::Image> SeriesIndex::Check(const ImageFile& file, uint32_t series) {
  Image image;
  base::ByteReader symbols(file.section(ImageSection::kSymbols));
  while (!symbols.empty()) image.symbols.push_back(symbols.ReadUvarintString());
  if (!symbols.ok()) return Damaged("symbols end early");
  const auto is_text = [&](uint64_t id) {
    return id < image.symbols.size() && !image.symbols[id].empty();
  };
  base::ByteReader schemas(file.section(ImageSection::kSchemas));
  while (!schemas.empty()) {
    std::vector<SymbolId>& names = image.schemas.emplace_back();
    const uint64_t count = schemas.ReadUvarint();
    if (count > schemas.remaining()) return Damaged("schemas end early");
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t name = schemas.ReadUvarint();
      if (!is_text(name) || (i > 0 && image.symbols[names.back()] >= image.symbols[name])) {
        return Damaged("the label names of a schema are in disorder");
      }
      names.push_back(static_cast<SymbolId>(name));
    }
    if (!schemas.ok()) return Damaged("schemas end early");
  }
  image.records = file.section(ImageSection::kLabels);
  base::ByteReader records(image.records);
  for (uint32_t i = 0; i < series; ++i) {
    const uint64_t schema = records.ReadUvarint();
    if (schema >= image.schemas.size() || image.schemas[schema].empty()) {
      return Damaged("a series without labels");
    }
    for (size_t k = 0; k < image.schemas[schema].size(); ++k) {
      if (!is_text(records.ReadUvarint())) return Damaged("a label without a value");
    }
    if (!records.ok()) return Damaged("labels end early");
  }
  if (!records.empty()) return Damaged("labels of more series than there are");
  image.series = series;
  return image;
}

void SeriesIndex::Load(const Image& image) {
  CHECK(size_ == 0 && records_.end() == 0);
  symbols_.Load(image.symbols);
  for (const std::vector<SymbolId>& names : image.schemas) {
    const auto id = static_cast<uint32_t>(schemas_.size());
    schemas_.push_back({names, 0});
    // Of equal ones the first is found.
    if (names.empty() || !schema_ids_.try_emplace(names, id).second) continue;
  }
  for (const Schema& schema : schemas_) {
    for (const SymbolId name : schema.names) symbols_.Retain(name);
  }
  // Lists by number until all are there: neighbours share most of theirs, which then need no
  // search.
  std::vector<PostingList> lists;
  boost::unordered_flat_map<uint64_t, uint32_t> numbers;
  struct Last {
    uint64_t key = ~uint64_t{0};
    uint32_t list = 0;
  };
  std::vector<Last> last;
  std::vector<uint64_t> hashes(image.series);
  std::string labels;
  const char* at = image.records.data();
  for (Slot slot = 0; slot < image.series; ++slot) {
    const char* const record = at;
    Schema& schema = schemas_[base::TakeUvarint(at)];
    ++schema.series;
    labels.clear();
    if (last.size() < schema.names.size()) last.resize(schema.names.size());
    for (size_t k = 0; k < schema.names.size(); ++k) {
      const SymbolId name = schema.names[k];
      const auto value = static_cast<SymbolId>(base::TakeUvarint(at));
      base::PutUvarintString(labels, symbols_.Text(name));
      base::PutUvarintString(labels, symbols_.Text(value));
      const uint64_t key = Postings::Key(name, value);
      if (last[k].key != key) {
        const auto [found, is_new] = numbers.try_emplace(key, static_cast<uint32_t>(lists.size()));
        if (is_new) {
          lists.emplace_back();
          postings_->values[name].push_back(value);
          symbols_.Retain(value);
        }
        last[k] = {key, found->second};
      }
      lists[last[k].list].Append(slot);
    }
    records_.Add({record, static_cast<size_t>(at - record)});
    hashes[slot] = XXH3_64bits(labels.data(), labels.size());
  }
  size_ = image.series;
  postings_->series.reserve(numbers.size());
  for (const auto& [key, list] : numbers) {
    postings_->series.emplace(key, std::move(lists[list]));
  }
  for (auto& [name, values] : postings_->values) values.shrink_to_fit();
  identity_.Build(hashes);
  for (uint32_t id = 0; id < schemas_.size(); ++id) {
    if (schemas_[id].series > 0) continue;
    // Not in use: its number is free.
    for (const SymbolId name : schemas_[id].names) symbols_.Release(name);
    if (const auto found = schema_ids_.find(schemas_[id].names);
        found != schema_ids_.end() && found->second == id) {
      schema_ids_.erase(found);
    }
    schemas_[id].names = {};
    free_schemas_.push_back(id);
  }
}

}  // namespace narthex::tsdb
