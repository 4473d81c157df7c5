#include "tsdb/head/sealed_list.h"

#include <cstring>

#include "base/bytes.h"

namespace narthex::tsdb {
namespace {

constexpr uint32_t kLengthBytes = 4;
constexpr size_t kEntryBytesMax = 3 * base::kVarintBytesMax;

// What the next entry is told relative to. Differences wrap: times may be anything.
struct Previous {
  uint64_t max = 0;
  uint64_t gap = 0;
  uint64_t span = 0;
  uint64_t location = 0;
};

// An entry: uvarint (zigzag difference of the location) * 2 + 1 where gap and span are those of the
// entry before it; else + 0, then the gap since its end and the span.
char* StoreEntry(char* at, const SealedChunk& chunk, Previous& previous) {
  const uint64_t gap = static_cast<uint64_t>(chunk.range.min) - previous.max;
  const uint64_t span =
      static_cast<uint64_t>(chunk.range.max) - static_cast<uint64_t>(chunk.range.min);
  const bool same = gap == previous.gap && span == previous.span;
  const auto moved = static_cast<int64_t>(chunk.location - previous.location);
  at = base::StoreUvarint(at, base::ZigZag(moved) << 1 | (same ? 1 : 0));
  if (!same) {
    at = base::StoreUvarint(at, base::ZigZag(static_cast<int64_t>(gap)));
    at = base::StoreUvarint(at, span);
  }
  previous = {static_cast<uint64_t>(chunk.range.max), gap, span, chunk.location};
  return at;
}

SealedChunk TakeEntry(const char*& at, Previous& previous) {
  const uint64_t head = base::TakeUvarint(at);
  if ((head & 1) == 0) {
    previous.gap = static_cast<uint64_t>(base::UnZigZag(base::TakeUvarint(at)));
    previous.span = base::TakeUvarint(at);
  }
  previous.location += static_cast<uint64_t>(base::UnZigZag(head >> 1));
  const uint64_t min = previous.max + previous.gap;
  previous.max = min + previous.span;
  return {{static_cast<model::Timestamp>(min), static_cast<model::Timestamp>(previous.max)},
          previous.location};
}

void SetLength(char* buffer, size_t length) {
  const auto stored = static_cast<uint32_t>(length);
  std::memcpy(buffer, &stored, kLengthBytes);
}

}  // namespace

std::string_view SealedBytes(const SlabPool& pool, SlabPool::Handle list) {
  if (list == SlabPool::kNone) return {};
  const char* const buffer = pool.At(list);
  uint32_t length;
  std::memcpy(&length, buffer, kLengthBytes);
  return {buffer + kLengthBytes, length};
}

std::vector<SealedChunk> DecodeSealed(std::string_view bytes) {
  std::vector<SealedChunk> chunks;
  Previous previous;
  for (const char* at = bytes.data(); at != bytes.data() + bytes.size();) {
    chunks.push_back(TakeEntry(at, previous));
  }
  return chunks;
}

std::optional<uint64_t> CheckSealed(std::string_view bytes) {
  // TakeEntry must not read past the end: each of its numbers is looked at before.
  uint64_t chunks = 0;
  base::ByteReader reader(bytes);
  Previous previous;
  model::Timestamp end = model::kTimestampMin;
  while (!reader.empty()) {
    const char* at = bytes.data() + reader.offset();
    if ((reader.ReadUvarint() & 1) == 0) {
      reader.ReadUvarint();
      reader.ReadUvarint();
    }
    if (!reader.ok()) return std::nullopt;
    const SealedChunk chunk = TakeEntry(at, previous);
    if (chunk.range.min > chunk.range.max || (chunks > 0 && chunk.range.min <= end)) {
      return std::nullopt;
    }
    end = chunk.range.max;
    ++chunks;
  }
  return chunks;
}

SlabPool::Handle CopySealed(SlabPool& pool, std::string_view bytes) {
  if (bytes.empty()) return SlabPool::kNone;
  const auto size = static_cast<uint32_t>(kLengthBytes + bytes.size());
  const SlabPool::Handle list = pool.Allocate(size);
  std::memcpy(pool.At(list) + kLengthBytes, bytes.data(), bytes.size());
  SetLength(pool.At(list), bytes.size());
  return list;
}

SlabPool::Handle AppendSealed(SlabPool& pool, SlabPool::Handle list, const SealedChunk& chunk) {
  const std::string_view before = SealedBytes(pool, list);
  Previous previous;
  for (const char* at = before.data(); at != before.data() + before.size();) {
    TakeEntry(at, previous);
  }
  char entry[kEntryBytesMax];
  const auto size = static_cast<size_t>(StoreEntry(entry, chunk, previous) - entry);
  const size_t length = before.size() + size;
  const auto bytes = static_cast<uint32_t>(kLengthBytes + length);
  if (list == SlabPool::kNone || bytes > pool.Capacity(list)) {
    const auto keep = before.empty() ? 0 : static_cast<uint32_t>(kLengthBytes + before.size());
    list = pool.Grow(list, keep, bytes);
  }
  char* const buffer = pool.At(list);
  std::memcpy(buffer + kLengthBytes + length - size, entry, size);
  SetLength(buffer, length);
  return list;
}

SlabPool::Handle EncodeSealed(SlabPool& pool, const std::vector<SealedChunk>& chunks) {
  std::string bytes;
  Previous previous;
  for (const SealedChunk& chunk : chunks) {
    char entry[kEntryBytesMax];
    bytes.append(entry, static_cast<size_t>(StoreEntry(entry, chunk, previous) - entry));
  }
  return CopySealed(pool, bytes);
}

}  // namespace narthex::tsdb
