// What a block takes out of the head.

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "chunk/xor_chunk.h"
#include "tsdb/head/head.h"

namespace narthex::tsdb {

using model::TimeRange;

Head::BlockSource Head::SourceFor(TimeRange range) const {
  BlockSource source(*this, range);
  base::SharedLock lock(mutex_);
  source.files_ = chunk_files_->view();
  for (Slot slot = first_hot_; slot < hot_.size(); ++slot) {
    const HotSeries& series = hot_[slot];
    if (series.removed() || series.empty()) continue;
    bool inside = series.open_count > 0 && range.Contains(series.open_min());
    if (series.form != Form::kNumbers) inside |= histograms_.AnyBeginsIn(slot, range);
    if (!inside && series.sealed != SlabPool::kNone) {
      inside = std::ranges::any_of(SealedOf(series), [&](const SealedChunk& chunk) {
        return range.Contains(chunk.range.min);
      });
    }
    const auto deleted = DeletedOf(slot);
    if (inside && (deleted == nullptr || !deleted->Cover(range))) source.slots_.push_back(slot);
  }
  index_.SortByLabels(source.slots_);
  return source;
}

std::vector<std::string_view> Head::BlockSource::symbols() const {
  base::SharedLock lock(head_.mutex_);
  return head_.index_.SymbolsOf(slots_);
}

base::Status Head::BlockSource::Read(size_t i, Chunks& out) const {
  std::vector<ChunkView>& chunks = out.views_;
  std::deque<std::string>& copies = out.copies_;
  chunks.clear();
  copies.clear();
  out.held_.clear();
  std::shared_ptr<const Intervals> deleted;
  std::vector<SealedChunk> sealed;
  std::string open;
  TimeRange open_range;
  {
    base::SharedLock lock(head_.mutex_);
    const HotSeries& series = head_.hot_[slots_[i]];
    deleted = head_.DeletedOf(slots_[i]);
    sealed = head_.SealedOf(series);
    if (series.form != Form::kNumbers) {
      out.held_ = head_.histograms_.ChunksBeginningIn(slots_[i], range_);
    }
    open_range = {series.open_min(), series.last_time};
    if (series.open_count > 0 && range_.Contains(open_range.min)) head_.AppendOpen(series, open);
  }
  const auto add = [&](std::string_view bytes, TimeRange range) {
    chunks.push_back({range.min, range.max, base::LoadBigEndian<uint16_t>(bytes.data()), bytes});
  };
  for (const SealedChunk& chunk : sealed) {
    if (!range_.Contains(chunk.range.min)) continue;
    ASSIGN_OR_RETURN(const std::string_view bytes,
                     files_.Read(chunk.location, copies.emplace_back()));
    if (bytes.size() < 2) return base::Fail(base::Code::kDataLoss, "head chunk: no header");
    add(bytes, chunk.range);
  }
  if (!open.empty()) {
    copies.push_back(std::move(open));
    add(copies.back(), open_range);
  }
  for (const HistogramTable::ChunkPtr& chunk : out.held_) {
    chunks.push_back({chunk->min, chunk->max, chunk->samples, chunk->bytes, chunk->encoding});
  }
  if (deleted == nullptr) return {};

  std::vector<ChunkView> kept;
  for (const ChunkView& chunk : chunks) {
    if (chunk.encoding != chunk::Encoding::kXor) {
      std::vector<chunk::TimedValue> values;
      RETURN_IF_ERROR(chunk::Decode(chunk.encoding, chunk.bytes, TimeRange(), values));
      if (deleted->RemoveFrom(values) == 0) {
        kept.push_back(chunk);
        continue;
      }
      for (chunk::FinishedChunk& part : chunk::Encode(values)) {
        copies.push_back(std::move(part.bytes));
        kept.push_back({part.min, part.max, part.samples, copies.back(), part.encoding});
      }
      continue;
    }
    model::SampleColumns samples;
    RETURN_IF_ERROR(chunk::DecodeXor(chunk.bytes, {}, samples));
    const size_t before = samples.size();
    deleted->RemoveFrom(samples, 0);
    if (samples.size() == before) {
      kept.push_back(chunk);
      continue;
    }
    if (samples.size() == 0) continue;
    chunk::XorChunk rest;
    for (size_t k = 0; k < samples.size(); ++k) rest.Append(samples.t[k], samples.v[k]);
    copies.emplace_back(rest.bytes());
    kept.push_back({samples.t.front(), samples.t.back(), static_cast<uint16_t>(samples.size()),
                    copies.back()});
  }
  chunks = std::move(kept);
  return {};
}

}  // namespace narthex::tsdb
