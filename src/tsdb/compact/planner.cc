#include "tsdb/compact/planner.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace narthex::tsdb {
namespace {

constexpr int64_t kGrowth = 3;
constexpr size_t kSteps = 10;
constexpr double kDeletedShareMax = 0.05;

// Blocks in order of time, by their index.
struct Plan {
  std::span<const BlockMeta> blocks;
  std::span<const int64_t> ranges;
  std::vector<size_t> order;

  const BlockMeta& at(size_t i) const { return blocks[order[i]]; }
  std::vector<size_t> Take(size_t begin, size_t end) const {
    return {order.begin() + static_cast<ptrdiff_t>(begin),
            order.begin() + static_cast<ptrdiff_t>(end)};
  }
  bool AnyFailed(size_t begin, size_t end) const {
    for (size_t i = begin; i < end; ++i) {
      if (at(i).compaction.failed) return true;
    }
    return false;
  }
};

std::vector<size_t> Overlapping(const Plan& plan) {
  for (size_t begin = 0; begin < plan.order.size();) {
    int64_t max_time = plan.at(begin).max_time;
    size_t end = begin + 1;
    for (; end < plan.order.size() && plan.at(end).min_time < max_time; ++end) {
      max_time = std::max(max_time, plan.at(end).max_time);
    }
    if (end - begin > 1 && !plan.AnyFailed(begin, end)) return plan.Take(begin, end);
    begin = end;
  }
  return {};
}

// Where the window of this range begins that `time` lies in.
int64_t AlignDown(int64_t time, int64_t range) {
  return (time >= 0 ? time / range : (time - range + 1) / range) * range;
}

// `count`: how many of the blocks, the oldest first, may take part.
std::vector<size_t> FillWindow(const Plan& plan, size_t count, int64_t range) {
  const int64_t newest_min_time = plan.at(count - 1).min_time;
  for (size_t begin = 0; begin < count;) {
    const int64_t window_end = AlignDown(plan.at(begin).min_time, range) + range;
    size_t end = begin;
    while (end < count && plan.at(end).max_time <= window_end) ++end;
    if (end == begin) {  // Larger than the window, or across its border.
      ++begin;
      continue;
    }
    const int64_t last_max_time = plan.at(end - 1).max_time;
    const bool full = last_max_time - plan.at(begin).min_time == range;
    const bool settled = last_max_time <= newest_min_time;
    if (end - begin > 1 && (full || settled) && !plan.AnyFailed(begin, end)) {
      return plan.Take(begin, end);
    }
    begin = end;
  }
  return {};
}

std::vector<size_t> MuchDeleted(const Plan& plan, size_t count) {
  for (size_t i = count; i-- > 0;) {
    const BlockMeta& block = plan.at(i);
    const bool all = block.stats.tombstones > 0 && block.stats.tombstones >= block.stats.series;
    const bool large = block.max_time - block.min_time >= plan.ranges[plan.ranges.size() / 2];
    const double share =
        static_cast<double>(block.stats.tombstones) / static_cast<double>(block.stats.series + 1);
    const bool much = large ? share > kDeletedShareMax : all;
    if (much && !block.compaction.failed) return plan.Take(i, i + 1);
    // Smaller ones will be merged before long, which does the same.
    if (!large) break;
  }
  return {};
}

}  // namespace

std::vector<int64_t> BlockRanges(int64_t min_ms, int64_t max_ms) {
  std::vector<int64_t> ranges = {min_ms};
  while (ranges.size() < kSteps && ranges.back() <= max_ms / kGrowth) {
    ranges.push_back(ranges.back() * kGrowth);
  }
  return ranges;
}

std::vector<size_t> PlanCompaction(std::span<const BlockMeta> blocks,
                                   std::span<const int64_t> ranges) {
  Plan plan{.blocks = blocks, .ranges = ranges, .order = std::vector<size_t>(blocks.size())};
  std::iota(plan.order.begin(), plan.order.end(), size_t{0});
  std::ranges::sort(plan.order, {}, [&](size_t i) { return std::pair(blocks[i].min_time, i); });

  if (std::vector<size_t> chosen = Overlapping(plan); !chosen.empty()) return chosen;
  if (blocks.size() < 2) return {};
  // The newest one has just been cut from the head: whoever copies new blocks away has a while.
  const size_t count = blocks.size() - 1;
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (std::vector<size_t> chosen = FillWindow(plan, count, ranges[i]); !chosen.empty()) {
      return chosen;
    }
  }
  return MuchDeleted(plan, count);
}

}  // namespace narthex::tsdb
