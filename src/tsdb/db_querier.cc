// How queries look at a database: its head and its blocks as one.

#include <algorithm>
#include <iterator>

#include "storage/merge.h"
#include "tsdb/db.h"

namespace narthex::tsdb {

using model::Matcher;
using model::TimeRange;

// The head is read before the list of blocks is: a stretch that moves from one to the other in
// between is then seen twice, which merging undoes, and never missed.
class DbQuerier final : public storage::Querier {
 public:
  DbQuerier(const Db& db, TimeRange range) : db_(db), range_(range) {}

  void UseThreads(size_t threads) override { threads_ = threads; }

  base::Result<std::unique_ptr<storage::SeriesSet>> Select(
      const std::vector<Matcher>& matchers) override {
    return WithBlocks(matchers, db_.head_.Select(matchers, range_, Head::Reach::kAll, threads_));
  }

  base::Result<std::unique_ptr<storage::SeriesSet>> SelectNewest(
      const std::vector<Matcher>& matchers, TimeRange range) override {
    return WithBlocks(matchers, db_.head_.Select(matchers, range, Head::Reach::kNewest, threads_));
  }

  base::Result<std::vector<std::string>> LabelNames(const std::vector<Matcher>& matchers) override {
    std::vector<std::string> names = db_.head_.LabelNames(matchers);
    for (const auto& block : *db_.blocks()) {
      if (!Overlaps(*block)) continue;
      ASSIGN_OR_RETURN(const std::vector<std::string> more, block->LabelNames(matchers));
      Unite(names, more);
    }
    return names;
  }

  base::Result<std::vector<std::string>> LabelValues(
      std::string_view name, const std::vector<Matcher>& matchers) override {
    std::vector<std::string> values = db_.head_.LabelValues(name, matchers);
    for (const auto& block : *db_.blocks()) {
      if (!Overlaps(*block)) continue;
      ASSIGN_OR_RETURN(const std::vector<std::string> more, block->LabelValues(name, matchers));
      Unite(values, more);
    }
    return values;
  }

 private:
  base::Result<std::unique_ptr<storage::SeriesSet>> WithBlocks(
      const std::vector<Matcher>& matchers, std::unique_ptr<storage::SeriesSet> head) {
    std::vector<std::unique_ptr<storage::SeriesSet>> sets;
    std::vector<std::unique_ptr<storage::SeriesSet>> late;
    for (const auto& block : *db_.blocks()) {
      if (!Overlaps(*block)) continue;
      ASSIGN_OR_RETURN(std::unique_ptr<storage::SeriesSet> set, block->Select(matchers, range_));
      if (set->size() > 0) (block->is_late() ? late : sets).push_back(std::move(set));
    }
    if (sets.empty() && late.empty()) return head;
    sets.push_back(std::move(head));
    // At equal times the first wins: a late sample never changes what was there before.
    std::ranges::move(late, std::back_inserter(sets));
    return storage::MergeSeriesSets(std::move(sets));
  }

  bool Overlaps(const Block& block) const {
    const BlockMeta meta = block.meta();
    return meta.min_time <= range_.max && meta.max_time > range_.min;
  }
  static void Unite(std::vector<std::string>& into, const std::vector<std::string>& more) {
    std::vector<std::string> all;
    std::ranges::set_union(into, more, std::back_inserter(all));
    into = std::move(all);
  }

  const Db& db_;
  const TimeRange range_;
  size_t threads_ = 1;
};

base::Result<std::unique_ptr<storage::Querier>> Db::OpenQuerier(TimeRange range) {
  return std::make_unique<DbQuerier>(*this, range);
}

}  // namespace narthex::tsdb
