#include "tsdb/head/series_records.h"

#include "base/check.h"

namespace narthex::tsdb {

Slot SeriesRecords::Add(std::string_view record) {
  if (end_ % kPerBlock == 0) {
    blocks_.push_back(std::make_unique<Block>());
    blocks_.back()->bytes.reserve(kPerBlock * (record.size() + 4));
  }
  Block& block = *blocks_.back();
  block.begins[block.used++] = static_cast<uint32_t>(block.bytes.size());
  ++block.live;
  block.bytes += record;
  if (block.used == kPerBlock) block.bytes.shrink_to_fit();
  return end_++;
}

void SeriesRecords::Remove(Slot slot) {
  std::unique_ptr<Block>& block = blocks_[slot / kPerBlock];
  const uint32_t k = slot % kPerBlock;
  CHECK((block->begins[k] & kRemoved) == 0);
  block->dead_bytes += static_cast<uint32_t>(block->Begin(k + 1) - block->Begin(k));
  block->begins[k] |= kRemoved;
  --block->live;
  if (block->used < kPerBlock) return;
  if (block->live == 0) {
    block = nullptr;
  } else if (block->dead_bytes > block->bytes.size() / 2) {
    block->Compact();
  }
}

void SeriesRecords::Block::Compact() {
  std::string kept;
  kept.reserve(bytes.size() - dead_bytes);
  for (uint32_t k = 0; k < used; ++k) {
    const size_t begin = Begin(k);
    const size_t end = Begin(k + 1);
    const uint32_t removed = begins[k] & kRemoved;
    begins[k] = static_cast<uint32_t>(kept.size()) | removed;
    if (removed == 0) kept.append(bytes, begin, end - begin);
  }
  bytes = std::move(kept);
  dead_bytes = 0;
}

size_t SeriesRecords::bytes() const {
  size_t bytes = blocks_.capacity() * sizeof(blocks_[0]);
  for (const auto& block : blocks_) {
    if (block != nullptr) bytes += sizeof(Block) + block->bytes.capacity();
  }
  return bytes;
}

}  // namespace narthex::tsdb
