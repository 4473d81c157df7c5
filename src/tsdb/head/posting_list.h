#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace narthex::tsdb {

// A series' dense number in the head, in order of creation.
using Slot = uint32_t;

// An ascending list of slots, kept as runs: the series of one target are created one after the
// other, so that most lists are a few runs, and one run needs no memory but the list itself. Some
// 1 byte per slot where no two are neighbours. One thread at a time, or many readers.
class PostingList {
 public:
  PostingList() = default;
  PostingList(PostingList&& other) noexcept { *this = std::move(other); }
  PostingList& operator=(PostingList&& other) noexcept;
  ~PostingList();

  bool empty() const { return count_ == 0; }
  uint32_t size() const { return count_; }
  // Bytes behind the list, without the object itself.
  size_t heap_bytes() const { return capacity_; }

  // REQUIRES: larger than every slot in the list.
  void Append(Slot slot);

  // Calls visit(first, count) for each run, ascending.
  template <class Visit>
  void VisitRuns(Visit visit) const {
    Slot end = 0;
    for (const char* at = bytes_; at != bytes_ + size_;) {
      const uint64_t head = base::TakeUvarint(at);
      const Slot first = end + static_cast<Slot>(head >> 1);
      const uint32_t count = (head & 1) != 0 ? static_cast<uint32_t>(base::TakeUvarint(at)) + 2 : 1;
      visit(first, count);
      end = first + count;
    }
    if (run_count_ > 0) visit(run_first_, run_count_);
  }
  void AppendTo(std::vector<Slot>& out) const;

  // Leaves out every slot for which gone(slot) holds.
  template <class Gone>
  void RemoveIf(Gone gone) {
    PostingList kept;
    VisitRuns([&](Slot first, uint32_t count) {
      for (Slot slot = first; slot < first + count; ++slot) {
        if (!gone(slot)) kept.Append(slot);
      }
    });
    *this = std::move(kept);
  }

 private:
  void CloseRun();

  // The runs before the last: uvarint distance from the end of the run before, times two, plus one
  // where a uvarint length - 2 follows.
  char* bytes_ = nullptr;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
  uint32_t count_ = 0;
  Slot closed_end_ = 0;  // Behind the runs in bytes_.
  Slot run_first_ = 0;   // The last run.
  uint32_t run_count_ = 0;
};

// `slots`, ascending, reduced to what is also in `list`.
void IntersectWith(std::vector<Slot>& slots, const PostingList& list);
// Everything in any of the lists, ascending. REQUIRES: no slot is in two of them.
std::vector<Slot> Union(std::span<const PostingList* const> lists);

}  // namespace narthex::tsdb
