#include "tsdb/head/posting_list.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace narthex::tsdb {

PostingList& PostingList::operator=(PostingList&& other) noexcept {
  if (this == &other) return *this;
  std::free(bytes_);
  bytes_ = std::exchange(other.bytes_, nullptr);
  size_ = std::exchange(other.size_, 0);
  capacity_ = std::exchange(other.capacity_, 0);
  count_ = std::exchange(other.count_, 0);
  closed_end_ = std::exchange(other.closed_end_, 0);
  run_first_ = std::exchange(other.run_first_, 0);
  run_count_ = std::exchange(other.run_count_, 0);
  return *this;
}

PostingList::~PostingList() { std::free(bytes_); }

void PostingList::Append(Slot slot) {
  ++count_;
  if (run_count_ > 0 && slot == run_first_ + run_count_) {
    ++run_count_;
    return;
  }
  if (run_count_ > 0) {
    DCHECK(slot > run_first_ + run_count_);
    CloseRun();
  }
  run_first_ = slot;
  run_count_ = 1;
}

void PostingList::CloseRun() {
  constexpr uint32_t kRunBytesMax = 10;
  if (size_ + kRunBytesMax > capacity_) {
    capacity_ = std::max(size_ + kRunBytesMax + 6, capacity_ + capacity_ / 4);
    bytes_ = static_cast<char*>(std::realloc(bytes_, capacity_));
    CHECK(bytes_ != nullptr);
  }
  const uint64_t gap = run_first_ - closed_end_;
  char* at = base::StoreUvarint(bytes_ + size_, gap << 1 | (run_count_ > 1 ? 1 : 0));
  if (run_count_ > 1) at = base::StoreUvarint(at, run_count_ - 2);
  size_ = static_cast<uint32_t>(at - bytes_);
  closed_end_ = run_first_ + run_count_;
}

void PostingList::AppendTo(std::vector<Slot>& out) const {
  out.reserve(out.size() + count_);
  VisitRuns([&](Slot first, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) out.push_back(first + i);
  });
}

void IntersectWith(std::vector<Slot>& slots, const PostingList& list) {
  auto out = slots.begin();
  auto from = slots.cbegin();
  const auto end = slots.cend();
  list.VisitRuns([&](Slot first, uint32_t count) {
    while (from != end && *from < first) ++from;
    while (from != end && *from - first < count) *out++ = *from++;
  });
  slots.erase(out, slots.end());
}

std::vector<Slot> Union(std::span<const PostingList* const> lists) {
  std::vector<Slot> all;
  size_t size = 0;
  for (const PostingList* list : lists) size += list->size();
  all.reserve(size);
  for (const PostingList* list : lists) list->AppendTo(all);
  if (lists.size() > 1) std::ranges::sort(all);
  return all;
}

}  // namespace narthex::tsdb
