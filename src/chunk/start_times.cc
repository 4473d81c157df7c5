#include "chunk/start_times.h"

#include "chunk/varbit.h"

namespace narthex::chunk {

using model::Timestamp;

namespace {

constexpr uint8_t kFirstKnown = 0x80;
// The number of the first change has 7 bits: a chunk that gets so far without one writes from there
// on, in case that one comes.
constexpr unsigned kChangeMax = 0x7f;

// Wrapping: damaged differences must not be undefined behaviour.
int64_t Plus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
int64_t Minus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}

void Note(BitString& out, uint8_t bits) {
  char& header = out.bytes()[kStartHeaderOffset];
  header = static_cast<char>(static_cast<uint8_t>(header) | bits);
}

}  // namespace

StartTimeReader::StartTimeReader(uint8_t header)
    : first_known_((header & kFirstKnown) != 0), changes_at_(header & kChangeMax) {}

void StartTimeReader::ReadPresent(BitReader& reader, unsigned number, Timestamp t,
                                  Timestamp before) {
  if (number == 0) {
    if (first_known_) start_ = Minus(t, reader.ReadVarintAnywhere());
    return;
  }
  if (changes_at_ == 0 || number < changes_at_) return;
  const int64_t read = ReadVarbitInt(reader);
  difference_ = number == changes_at_ ? read : Plus(difference_, read);
  start_ = Minus(before, difference_);
}

void StartTimeWriter::Put(BitString& out, unsigned number, Timestamp t, Timestamp before,
                          Timestamp start) {
  if (number == 0) {
    if (start != 0) {
      Note(out, kFirstKnown);
      out.PutVarint(Minus(t, start));
    }
  } else if (changes_at_ == 0) {
    if (start == start_ && number != kChangeMax) return;
    changes_at_ = number;
    Note(out, static_cast<uint8_t>(number));
    difference_ = Minus(before, start);
    PutVarbitInt(out, difference_);
  } else {
    const int64_t difference = Minus(before, start);
    PutVarbitInt(out, Minus(difference, difference_));
    difference_ = difference;
  }
  start_ = start;
}

}  // namespace narthex::chunk
