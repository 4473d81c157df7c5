#include "storage/merge.h"

#include <algorithm>
#include <iterator>
#include <queue>

namespace narthex::storage {
namespace {

using model::Labels;
using model::Matcher;

class MergedSeriesSet final : public SeriesSet {
 public:
  explicit MergedSeriesSet(std::vector<std::unique_ptr<SeriesSet>> sets) : sets_(std::move(sets)) {
    // The smallest labels first, and of equal ones the set that comes first.
    struct Head {
      Labels labels;
      uint32_t set;
    };
    const auto later = [](const Head& a, const Head& b) {
      const auto order = a.labels <=> b.labels;
      return order != 0 ? order > 0 : a.set > b.set;
    };
    std::priority_queue<Head, std::vector<Head>, decltype(later)> heads(later);
    std::vector<uint32_t> next(sets_.size(), 0);
    size_t total = 0;
    const auto advance = [&](uint32_t set) {
      if (next[set] < sets_[set]->size()) heads.push({sets_[set]->labels(next[set]), set});
    };
    for (uint32_t set = 0; set < sets_.size(); ++set) {
      total += sets_[set]->size();
      advance(set);
    }
    parts_.reserve(total);
    Labels last;
    while (!heads.empty()) {
      Head head = heads.top();
      heads.pop();
      if (starts_.empty() || head.labels != last) {
        starts_.push_back(parts_.size());
        last = std::move(head.labels);
      }
      parts_.push_back({head.set, next[head.set]++});
      advance(head.set);
    }
    starts_.push_back(parts_.size());
  }

  size_t size() const override { return starts_.size() - 1; }

  Labels labels(size_t i) const override {
    const Part& part = parts_[starts_[i]];
    return sets_[part.set]->labels(part.index);
  }

  void ReadLabels(size_t i, Labels& out) const override {
    const Part& part = parts_[starts_[i]];
    sets_[part.set]->ReadLabels(part.index, out);
  }

  base::Status Read(size_t i, model::TimeRange range, model::SampleColumns& out) const override {
    const Part& first = parts_[starts_[i]];
    RETURN_IF_ERROR(sets_[first.set]->Read(first.index, range, out));
    model::SampleColumns more;
    for (size_t k = starts_[i] + 1; k < starts_[i + 1]; ++k) {
      RETURN_IF_ERROR(sets_[parts_[k].set]->Read(parts_[k].index, range, more));
      MergeSamples(out, more);
    }
    return {};
  }

 private:
  struct Part {
    uint32_t set;
    uint32_t index;
  };
  std::vector<std::unique_ptr<SeriesSet>> sets_;
  std::vector<Part> parts_;     // By series, those of one in order of their sets.
  std::vector<size_t> starts_;  // Of each series in parts_, and the end.
};

using Strings = std::vector<std::string>;

Strings Union(const Strings& a, const Strings& b) {
  Strings both;
  both.reserve(a.size() + b.size());
  std::ranges::set_union(a, b, std::back_inserter(both));
  return both;
}

class MergedQuerier final : public Querier {
 public:
  explicit MergedQuerier(std::vector<std::unique_ptr<Querier>> queriers)
      : queriers_(std::move(queriers)) {}

  base::Result<std::unique_ptr<SeriesSet>> Select(const std::vector<Matcher>& matchers) override {
    return Merge([&](Querier& querier) { return querier.Select(matchers); });
  }
  base::Result<std::unique_ptr<SeriesSet>> SelectNewest(const std::vector<Matcher>& matchers,
                                                        model::TimeRange range) override {
    return Merge([&](Querier& querier) { return querier.SelectNewest(matchers, range); });
  }

  base::Result<Strings> LabelNames(const std::vector<Matcher>& matchers) override {
    Strings names;
    for (const auto& querier : queriers_) {
      ASSIGN_OR_RETURN(const Strings more, querier->LabelNames(matchers));
      names = Union(names, more);
    }
    return names;
  }

  base::Result<Strings> LabelValues(std::string_view name,
                                    const std::vector<Matcher>& matchers) override {
    Strings values;
    for (const auto& querier : queriers_) {
      ASSIGN_OR_RETURN(const Strings more, querier->LabelValues(name, matchers));
      values = Union(values, more);
    }
    return values;
  }

 private:
  template <class Ask>
  base::Result<std::unique_ptr<SeriesSet>> Merge(Ask&& ask) {
    std::vector<std::unique_ptr<SeriesSet>> sets;
    for (const auto& querier : queriers_) {
      ASSIGN_OR_RETURN(std::unique_ptr<SeriesSet> set, ask(*querier));
      if (set->size() > 0) sets.push_back(std::move(set));
    }
    return MergeSeriesSets(std::move(sets));
  }

  std::vector<std::unique_ptr<Querier>> queriers_;
};

// Appends a column that may be left out where all its entries are the default.
template <class T>
void AppendSparse(std::vector<T>& into, const std::vector<T>& more, size_t before, size_t added) {
  if (into.empty() && more.empty()) return;
  into.resize(before);
  into.insert(into.end(), more.begin(), more.end());
  into.resize(before + added);
}

}  // namespace

void MergeSamples(model::SampleColumns& into, const model::SampleColumns& more) {
  if (more.size() == 0) return;
  if (into.size() == 0 || into.t.back() < more.t.front()) {
    // The usual case: blocks and the head follow each other.
    const size_t before = into.size();
    into.t.insert(into.t.end(), more.t.begin(), more.t.end());
    into.v.insert(into.v.end(), more.v.begin(), more.v.end());
    AppendSparse(into.histograms, more.histograms, before, more.size());
    if (into.HasHistograms()) model::ForgetReset(into.histograms[before]);
    AppendSparse(into.starts, more.starts, before, more.size());
    return;
  }
  model::SampleColumns merged;
  merged.t.reserve(into.size() + more.size());
  merged.v.reserve(into.size() + more.size());
  size_t a = 0;
  size_t b = 0;
  bool last_first = false;
  while (a < into.size() || b < more.size()) {
    const bool first = b == more.size() || (a < into.size() && into.t[a] <= more.t[b]);
    if (first) {
      if (b < more.size() && into.t[a] == more.t[b]) ++b;
      merged.AddFrom(into, a++);
    } else {
      merged.AddFrom(more, b++);
    }
    // A histogram may speak of a sample that is not the one before it any more.
    if (merged.HasHistograms() && first != last_first) model::ForgetReset(merged.histograms.back());
    last_first = first;
  }
  into = std::move(merged);
}

std::unique_ptr<SeriesSet> MergeSeriesSets(std::vector<std::unique_ptr<SeriesSet>> sets) {
  if (sets.size() == 1) return std::move(sets.front());
  return std::make_unique<MergedSeriesSet>(std::move(sets));
}

std::unique_ptr<Querier> MergeQueriers(std::vector<std::unique_ptr<Querier>> queriers) {
  if (queriers.size() == 1) return std::move(queriers.front());
  return std::make_unique<MergedQuerier>(std::move(queriers));
}

}  // namespace narthex::storage
