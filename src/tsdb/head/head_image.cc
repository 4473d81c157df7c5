// The head as sections of an image, and back. docs/format/head-image.md.

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstring>
#include <thread>

#include "base/bytes.h"
#include "tsdb/head/head.h"
#include "tsdb/head/image_file.h"
#include "tsdb/head/image_parts.h"

namespace narthex::tsdb {

using model::Timestamp;

namespace {

constexpr size_t kPieceBytes = 256 << 10;

std::unexpected<base::Error> Damaged(std::string_view cause) {
  return base::Fail(base::Code::kDataLoss, "head image: {}", cause);
}

// A section that is made piece by piece.
class Section {
 public:
  explicit Section(ImageWriter& writer) : writer_(writer) {}
  std::string& bytes() { return bytes_; }
  base::Status Flush(size_t from = 0) {
    if (bytes_.size() < from) return {};
    RETURN_IF_ERROR(writer_.Append(bytes_));
    bytes_.clear();
    return {};
  }

 private:
  ImageWriter& writer_;
  std::string bytes_;
};

}  // namespace

// All but the index, known to be well formed. Refers to the bytes of the file.
struct Head::Image {
  uint32_t series = 0;
  Timestamp min_time = 0;
  Timestamp max_time = 0;
  Timestamp valid_time = 0;
  wal::Ref last_ref = 0;
  std::string_view rows;
  std::string_view open;
  std::string_view finished;
  uint64_t chunks = 0;
  std::map<Slot, std::shared_ptr<const Intervals>> deleted;
  std::vector<std::pair<Slot, model::Metadata>> metadata;
  std::vector<std::pair<Slot, chunk::TimedValue>> late;
  HistogramTable mixed;

  explicit Image(chunk::SeriesEncoder::Limits limits) : mixed(limits) {}
  base::Status Check(const ImageFile& file);
  base::Status CheckRows();
  base::Status CheckRare(const ImageFile& file);
  base::Status CheckLate(std::string_view bytes);
  base::Status CheckMixed(std::string_view bytes);
  std::optional<Slot> TakeSlot(base::ByteReader& reader) const {
    const uint64_t slot = reader.ReadUvarint();
    if (!reader.ok() || slot >= series) return std::nullopt;
    return static_cast<Slot>(slot);
  }
  ImageRow RowOf(Slot slot) const { return TakeImageRow(rows.data() + slot * kImageRowBytes); }
};

base::Status Head::Image::Check(const ImageFile& file) {
  base::ByteReader state(file.section(ImageSection::kState));
  series = state.ReadBigEndian<uint32_t>();
  min_time = static_cast<Timestamp>(state.ReadBigEndian<uint64_t>());
  max_time = static_cast<Timestamp>(state.ReadBigEndian<uint64_t>());
  valid_time = static_cast<Timestamp>(state.ReadBigEndian<uint64_t>());
  last_ref = state.ReadBigEndian<uint64_t>();
  if (!state.ok() || !state.empty()) return Damaged("the state is of another length");
  rows = file.section(ImageSection::kSeries);
  open = file.section(ImageSection::kOpen);
  finished = file.section(ImageSection::kFinished);
  if (rows.size() != uint64_t{series} * kImageRowBytes) return Damaged("rows are missing");
  RETURN_IF_ERROR(CheckRows());
  RETURN_IF_ERROR(CheckRare(file));
  return CheckMixed(file.section(ImageSection::kMixed));
}

base::Status Head::Image::CheckRows() {
  uint64_t open_bytes = 0;
  base::ByteReader lists(finished);
  for (uint32_t i = 0; i < series; ++i) {
    const ImageRow row = RowOf(i);
    const bool has_open = row.open_count > 0;
    // A first value is 64 bits; the span never reaches before the beginning of time.
    const bool open_fits =
        has_open ? row.open_bits >= 64 && row.last_time >= model::kTimestampMin + row.open_span
                 : row.open_bits == 0 && row.open_span == 0;
    const bool zeros_fit = row.leading == 0xff || uint32_t{row.leading} + row.trailing < 64;
    constexpr uint8_t kKnownFlags = HotSeries::kSeenEmpty | HotSeries::kFirstInRange;
    if (!open_fits || !zeros_fit || (row.flags & ~kKnownFlags) != 0 ||
        row.form >= static_cast<uint8_t>(Form::kRemoved) || row.ref > last_ref) {
      return Damaged("an impossible series");
    }
    open_bytes += (row.open_bits + 7u) / 8;
    const std::string_view list = lists.ReadUvarintString();
    const std::optional<uint64_t> in_list = CheckSealed(list);
    if (!lists.ok() || !in_list) return Damaged("an impossible list of chunks");
    if (row.last_time == model::kTimestampMin && (has_open || *in_list > 0)) {
      return Damaged("a series without samples that has chunks");
    }
    chunks += *in_list + (has_open ? 1 : 0);
  }
  if (!lists.empty() || open_bytes != open.size()) return Damaged("chunks of no series");
  return {};
}

base::Status Head::Image::CheckRare(const ImageFile& file) {
  base::ByteReader deletions(file.section(ImageSection::kDeletions));
  while (!deletions.empty()) {
    const auto slot = TakeSlot(deletions);
    Intervals intervals;
    for (uint64_t left = deletions.ReadUvarint(); left > 0 && deletions.ok(); --left) {
      const auto min = static_cast<Timestamp>(deletions.ReadBigEndian<uint64_t>());
      const auto max = static_cast<Timestamp>(deletions.ReadBigEndian<uint64_t>());
      if (!deletions.ok() || min > max) return Damaged("an impossible deletion");
      intervals.Add({min, max});
    }
    if (!slot || !deletions.ok()) return Damaged("a deletion in no series");
    deleted[*slot] = std::make_shared<const Intervals>(std::move(intervals));
  }
  base::ByteReader texts(file.section(ImageSection::kMetadata));
  while (!texts.empty()) {
    const auto slot = TakeSlot(texts);
    const uint8_t type = texts.ReadByte();
    const std::string_view help = texts.ReadUvarintString();
    const std::string_view unit = texts.ReadUvarintString();
    if (!slot || !texts.ok() || type > static_cast<uint8_t>(model::MetricType::kStateSet)) {
      return Damaged("impossible metadata");
    }
    metadata.push_back(
        {*slot, {static_cast<model::MetricType>(type), std::string(help), std::string(unit)}});
  }
  return CheckLate(file.section(ImageSection::kLate));
}

base::Status Head::Image::CheckLate(std::string_view bytes) {
  base::ByteReader reader(bytes);
  std::vector<chunk::TimedValue> samples;
  while (!reader.empty()) {
    const auto slot = TakeSlot(reader);
    for (uint64_t left = reader.ReadUvarint(); left > 0 && reader.ok(); --left) {
      const auto chunk = TakeImageChunk(reader);
      if (!slot || !chunk) return Damaged("late samples end early");
      samples.clear();
      RETURN_IF_ERROR(chunk::Decode(chunk->encoding, chunk->bytes, model::TimeRange(), samples));
      for (chunk::TimedValue& sample : samples) late.emplace_back(*slot, std::move(sample));
    }
    if (!slot || !reader.ok()) return Damaged("late samples in no series");
  }
  return {};
}

// Series with histograms are those whose form says so, and have their chunks here.
base::Status Head::Image::CheckMixed(std::string_view bytes) {
  base::ByteReader reader(bytes);
  Slot next = 0;
  const auto only_numbers_until = [&](Slot end) {
    for (; next < end; ++next) {
      if (RowOf(next).form != static_cast<uint8_t>(Form::kNumbers)) return false;
    }
    return true;
  };
  while (!reader.empty()) {
    const auto slot = TakeSlot(reader);
    if (!slot || *slot < next || !only_numbers_until(*slot)) return Damaged("chunks of no series");
    const ImageRow row = RowOf(*slot);
    HistogramTable::State state;
    Timestamp before = model::kTimestampMin;
    const auto take = [&]() -> HistogramTable::ChunkPtr {
      auto chunk = TakeImageChunk(reader);
      if (!chunk || chunk->min <= before || chunk->max > row.last_time) return nullptr;
      before = chunk->max;
      return std::make_shared<const chunk::FinishedChunk>(*std::move(chunk));
    };
    for (uint64_t left = reader.ReadUvarint(); left > 0 && reader.ok(); --left) {
      HistogramTable::ChunkPtr chunk = take();
      if (chunk == nullptr) return Damaged("an impossible histogram chunk");
      state.finished.push_back(std::move(chunk));
    }
    if (reader.ReadByte() != 0) {
      state.open = take();
      if (state.open == nullptr) return Damaged("an impossible histogram chunk");
    }
    if (!reader.ok() || row.form == static_cast<uint8_t>(Form::kNumbers) || row.open_count > 0) {
      return Damaged("histograms in a series of numbers");
    }
    RETURN_IF_ERROR(mixed.Restore(*slot, state));
    next = *slot + 1;
  }
  if (!only_numbers_until(series)) return Damaged("a series without its histograms");
  return {};
}

base::Status Head::SaveImage(ImageWriter& writer) const {
  base::SharedLock lock(mutex_);
  Section section(writer);
  // Removed series are left out, and those that no record of the log names: they have no samples.
  // The others move up.
  std::vector<Slot> slots;
  const boost::unordered_flat_set<Slot> unlogged(unlogged_.begin(), unlogged_.end());
  for (Slot slot = first_hot_; slot < hot_.size(); ++slot) {
    if (!hot_[slot].removed() && !unlogged.contains(slot)) slots.push_back(slot);
  }
  RETURN_IF_ERROR(index_.Save(slots, writer));
  const auto number = [&](Slot slot) -> std::optional<uint64_t> {
    const auto at = std::ranges::lower_bound(slots, slot);
    if (at == slots.end() || *at != slot) return std::nullopt;
    return static_cast<uint64_t>(at - slots.begin());
  };

  RETURN_IF_ERROR(writer.Begin(ImageSection::kState));
  base::PutBigEndian(section.bytes(), static_cast<uint32_t>(slots.size()));
  for (const Timestamp t : {min_time_.load(), max_time_.load(), valid_time_.load()}) {
    base::PutBigEndian(section.bytes(), static_cast<uint64_t>(t));
  }
  base::PutBigEndian(section.bytes(), last_ref_);
  RETURN_IF_ERROR(section.Flush());

  RETURN_IF_ERROR(writer.Begin(ImageSection::kSeries));
  for (const Slot slot : slots) {
    const HotSeries& series = hot_[slot];
    PutImageRow(section.bytes(), {.last_time = series.last_time,
                                  .last_bits = series.last_bits,
                                  .ref = series.ref,
                                  .last_delta = series.last_delta,
                                  .open_span = series.open_count > 0 ? series.open_span : 0,
                                  .open_bits = series.open_bits,
                                  .open_count = series.open_count,
                                  .leading = series.leading,
                                  .trailing = series.trailing,
                                  .flags = series.flags,
                                  .form = static_cast<uint8_t>(series.form.load())});
    RETURN_IF_ERROR(section.Flush(kPieceBytes));
  }
  RETURN_IF_ERROR(section.Flush());
  RETURN_IF_ERROR(writer.Begin(ImageSection::kOpen));
  for (const Slot slot : slots) {
    const HotSeries& series = hot_[slot];
    if (series.open_count > 0) AppendOpenBits(series, section.bytes());
    RETURN_IF_ERROR(section.Flush(kPieceBytes));
  }
  RETURN_IF_ERROR(section.Flush());
  RETURN_IF_ERROR(writer.Begin(ImageSection::kFinished));
  for (const Slot slot : slots) {
    base::PutUvarintString(section.bytes(), SealedBytes(pool_, hot_[slot].sealed));
    RETURN_IF_ERROR(section.Flush(kPieceBytes));
  }
  RETURN_IF_ERROR(section.Flush());

  RETURN_IF_ERROR(writer.Begin(ImageSection::kDeletions));
  for (const auto& [slot, intervals] : deleted_) {
    const auto series = number(slot);
    if (!series) continue;
    base::PutUvarint(section.bytes(), *series);
    base::PutUvarint(section.bytes(), intervals->ranges().size());
    for (const model::TimeRange& range : intervals->ranges()) {
      base::PutBigEndian(section.bytes(), static_cast<uint64_t>(range.min));
      base::PutBigEndian(section.bytes(), static_cast<uint64_t>(range.max));
    }
  }
  RETURN_IF_ERROR(section.Flush());
  RETURN_IF_ERROR(writer.Begin(ImageSection::kMetadata));
  for (const auto& [slot, metadata] : metadata_) {
    const auto series = number(slot);
    if (!series) continue;
    base::PutUvarint(section.bytes(), *series);
    section.bytes() += static_cast<char>(metadata.type);
    base::PutUvarintString(section.bytes(), metadata.help);
    base::PutUvarintString(section.bytes(), metadata.unit);
    RETURN_IF_ERROR(section.Flush(kPieceBytes));
  }
  RETURN_IF_ERROR(section.Flush());
  RETURN_IF_ERROR(writer.Begin(ImageSection::kLate));
  for (const Slot slot : slots) {
    if (!late_.Has(slot)) continue;
    ASSIGN_OR_RETURN(const std::vector<chunk::TimedValue> samples, late_.Read(slot));
    const std::vector<chunk::FinishedChunk> chunks = chunk::Encode(samples);
    base::PutUvarint(section.bytes(), *number(slot));
    base::PutUvarint(section.bytes(), chunks.size());
    for (const chunk::FinishedChunk& chunk : chunks) PutImageChunk(section.bytes(), chunk);
    RETURN_IF_ERROR(section.Flush(kPieceBytes));
  }
  RETURN_IF_ERROR(section.Flush());
  RETURN_IF_ERROR(writer.Begin(ImageSection::kMixed));
  for (const Slot slot : slots) {
    if (hot_[slot].form == Form::kNumbers) continue;
    const HistogramTable::State state = histograms_.StateOf(slot);
    base::PutUvarint(section.bytes(), *number(slot));
    base::PutUvarint(section.bytes(), state.finished.size());
    for (const auto& chunk : state.finished) PutImageChunk(section.bytes(), *chunk);
    section.bytes() += static_cast<char>(state.open != nullptr ? 1 : 0);
    if (state.open != nullptr) PutImageChunk(section.bytes(), *state.open);
    RETURN_IF_ERROR(section.Flush(kPieceBytes));
  }
  return section.Flush();
}

void Head::FillSeries(const Image& image) {
  std::string_view open = image.open;
  base::ByteReader lists(image.finished);
  for (Slot slot = 0; slot < image.series; ++slot) {
    const ImageRow row = image.RowOf(slot);
    HotSeries& series = hot_[hot_.Grow()];
    series.last_time = row.last_time;
    series.last_bits = row.last_bits;
    series.ref = row.ref;
    series.last_delta = row.last_delta;
    series.open_span = row.open_span;
    series.open_count = row.open_count;
    series.leading = row.leading;
    series.trailing = row.trailing;
    series.flags = row.flags;
    series.form = static_cast<Form>(row.form);
    FillOpenBits(series, open, row.open_bits);
    open.remove_prefix(series.open_bytes());
    series.sealed = CopySealed(pool_, lists.ReadUvarintString());
  }
}

base::Status Head::LoadImage(const ImageFile& file) {
  base::MutexLock lock(mutex_);
  Image image(histograms_.limits());
  RETURN_IF_ERROR(image.Check(file));
  ASSIGN_OR_RETURN(const SeriesIndex::Image index_image, SeriesIndex::Check(file, image.series));
  {
    // Two halves that have nothing in common.
    const std::jthread labels(
        [](SeriesIndex* index, const SeriesIndex::Image* from) { index->Load(*from); }, &index_,
        &index_image);
    FillSeries(image);
  }
  series_ = image.series;
  series_created_ += image.series;
  chunks_ = image.chunks;
  last_ref_ = image.last_ref;
  min_time_ = image.min_time;
  max_time_ = image.max_time;
  RaiseValidTime(image.valid_time);
  deleted_ = image.deleted;
  for (const auto& [slot, metadata] : image.metadata) metadata_[slot] = metadata;
  for (const auto& [slot, sample] : image.late) late_.Insert(slot, sample.t, sample.value);
  histograms_.TakeFrom(image.mixed);
  return {};
}

}  // namespace narthex::tsdb
