#include "wal/sample_snappy.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/bytes.h"

namespace narthex::wal {
namespace {

constexpr size_t kValueBytes = 8;

// The elements of a block, one behind the other.
class BlockWriter {
 public:
  explicit BlockWriter(char* to) : to_(to) {}

  // REQUIRES: not empty; bytes up to `readable` may be read.
  void Literal(std::string_view bytes, const char* readable) {
    const size_t stored = bytes.size() - 1;
    if (stored < 60) {
      *to_++ = static_cast<char>(stored << 2);
    } else {
      // The length in as few bytes as it needs, their number in the tag.
      const unsigned width = (static_cast<unsigned>(std::bit_width(stored)) + 7) / 8;
      *to_++ = static_cast<char>((59 + width) << 2);
      for (unsigned i = 0; i < width; ++i) *to_++ = static_cast<char>(stored >> 8 * i);
    }
    // Most are short: a copy of fixed size needs no call.
    constexpr size_t kShort = 16;
    if (stored < kShort && static_cast<size_t>(readable - bytes.data()) >= kShort) {
      std::memcpy(to_, bytes.data(), kShort);
    } else {
      std::memcpy(to_, bytes.data(), bytes.size());
    }
    to_ += bytes.size();
  }
  // REQUIRES: 4 <= size <= 11, 0 < offset < 65536.
  void Copy(size_t offset, size_t size) {
    if (offset < 2048) {
      to_[0] = static_cast<char>(1 | (size - 4) << 2 | (offset >> 8) << 5);
      to_[1] = static_cast<char>(offset);
      to_ += 2;
    } else {
      to_[0] = static_cast<char>(2 | (size - 1) << 2);
      to_[1] = static_cast<char>(offset);
      to_[2] = static_cast<char>(offset >> 8);
      to_ += 3;
    }
  }
  char* end() const { return to_; }

 private:
  char* to_;
};

const char* SkipVarint(const char* at) {
  while (static_cast<signed char>(*at) < 0) ++at;
  return at + 1;
}

// Zero bytes at its end as it lies in the record.
size_t ZeroTail(uint64_t value) { return static_cast<size_t>(std::countr_zero(value)) / 8; }

// A general encoder tries every byte for the begin of a match. Here only values can be the same as
// others, and where they begin is known: one look into a table for each.
char* Compress(std::string_view record, char* out) {
  constexpr size_t kHeaderBytes = 1 + 8 + 8;
  constexpr size_t kOffsetMax = 65'535;
  constexpr ptrdiff_t kCopyMax = 11;  // Of the short kind.
  constexpr size_t kZeroTailMin = 4;  // Fewer are not worth two tags.
  BlockWriter writer(base::StoreUvarint(out, record.size()));
  const char* const begin = record.data();
  const char* const end = begin + record.size();
  const char* literal = begin;        // What is not written yet.
  std::array<uint32_t, 1024> seen{};  // Where a value was last, by its hash; 0: nowhere.
  const char* value_before = nullptr;
  size_t tail_before = 0;
  for (const char* at = begin + kHeaderBytes; at < end;) {
    const char* const value = SkipVarint(SkipVarint(at));
    at = value + kValueBytes;
    const auto bits = base::LoadBigEndian<uint64_t>(value);
    const auto place = static_cast<uint32_t>(value - begin);
    const uint32_t earlier = std::exchange(seen[bits * 0x9e3779b97f4a7c15 >> 54], place);
    const size_t tail = ZeroTail(bits);
    const char* match = nullptr;  // Where it begins,
    size_t offset = 0;            // and how far before that the same bytes are.
    if (earlier != 0 && place - earlier <= kOffsetMax &&
        base::LoadBigEndian<uint64_t>(begin + earlier) == bits) {
      match = value;
      offset = place - earlier;
      // Mostly the time before it is the same too, and the high byte of the reference.
      while (match > literal && at - match < kCopyMax && match[-1] == *(match - 1 - offset)) {
        --match;
      }
    } else if (tail >= kZeroTailMin && tail_before >= tail) {
      match = at - tail;
      offset = static_cast<size_t>(value - value_before);
    }
    if (match != nullptr) {
      if (match > literal) writer.Literal({literal, match}, end);
      writer.Copy(offset, static_cast<size_t>(at - match));
      literal = at;
    }
    tail_before = tail;
    value_before = value;
  }
  if (literal < end) writer.Literal({literal, end}, end);
  return writer.end();
}

}  // namespace

void CompressSamples(std::string_view record, std::string& out) {
  // No match makes the block longer; a tag stands before 60 bytes, one of up to 5 before more.
  const size_t room = record.size() + record.size() / 32 + 48;
  out.resize_and_overwrite(
      room, [&](char* to, size_t) { return static_cast<size_t>(Compress(record, to) - to); });
}

}  // namespace narthex::wal
