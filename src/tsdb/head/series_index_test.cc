#include "tsdb/head/series_index.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace narthex::tsdb {
namespace {

using model::Labels;
using model::Matcher;

Labels Make(std::vector<model::Label> labels) { return *Labels::From(std::move(labels)); }

Matcher Match(Matcher::Type type, std::string name, std::string value) {
  return *Matcher::From(type, std::move(name), std::move(value));
}

TEST(SeriesIndex, FindsWhatWasAdded) {
  SeriesIndex index;
  const Labels a = Make({{"__name__", "m"}, {"x", "1"}});
  const Labels b = Make({{"__name__", "m"}, {"x", "2"}});
  EXPECT_EQ(index.Find(a), std::nullopt);
  EXPECT_EQ(index.Add(a), 0u);
  EXPECT_EQ(index.Add(b), 1u);
  EXPECT_EQ(index.Find(a), 0u);
  EXPECT_EQ(index.Find(b), 1u);
  EXPECT_EQ(index.LabelsOf(1), b);
  EXPECT_EQ(index.Find(Make({{"__name__", "m"}})), std::nullopt);
  EXPECT_EQ(index.LabelNames(nullptr), (std::vector<std::string>{"__name__", "x"}));
  EXPECT_EQ(index.LabelValues("x", nullptr), (std::vector<std::string>{"1", "2"}));
  EXPECT_TRUE(index.LabelValues("absent", nullptr).empty());
}

// Against judging every series by its labels, over random series and matchers.
TEST(SeriesIndex, SelectsWhatTheMatchersSay) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    SeriesIndex index;
    std::vector<Labels> all;
    for (int i = 0; i < 300; ++i) {
      std::vector<model::Label> labels = {{"__name__", "m" + std::to_string(random.Below(5))}};
      for (const char* name : {"a", "b", "c"}) {
        if (random.Below(3) > 0) labels.push_back({name, std::to_string(random.Below(12))});
      }
      const Labels made = Make(labels);
      if (index.Find(made)) continue;
      index.Add(made);
      all.push_back(made);
    }
    const std::vector<std::string> values = {"1", "",    "1|2|3",  ".*", ".+",
                                             "9", "1.?", "m[0-2]", "|4", "zzz"};
    for (int query = 0; query < 200; ++query) {
      std::vector<Matcher> matchers;
      for (uint64_t n = random.Below(4); n > 0; --n) {
        const char* const names[] = {"__name__", "a", "b", "c", "absent"};
        matchers.push_back(Match(static_cast<Matcher::Type>(random.Below(4)),
                                 names[random.Below(5)], values[random.Below(values.size())]));
      }
      std::vector<Slot> want;
      for (Slot slot = 0; slot < all.size(); ++slot) {
        if (model::AllMatch(matchers, all[slot])) want.push_back(slot);
      }
      std::vector<Slot> got = index.Select(matchers);
      std::string text;
      for (const Matcher& matcher : matchers) text += matcher.ToString() + ", ";
      EXPECT_EQ(got, want) << text;

      index.SortByLabels(got);
      EXPECT_TRUE(std::ranges::is_sorted(got, {}, [&](Slot slot) { return all[slot]; }));
    }
  }
}

// Many series are put in order by the ranks of their values where all have the same names.
TEST(SeriesIndex, PutsManySeriesInLabelOrder) {
  for (const bool same_names : {true, false}) {
    base::Random random(7);
    SeriesIndex index;
    std::vector<Slot> slots;
    for (int i = 0; i < 1000; ++i) {
      const Labels labels = Make({{"__name__", "m"},
                                  {"a", std::to_string(random.Below(40))},
                                  {same_names || i % 3 > 0 ? "b" : "c", std::to_string(i)},
                                  {"d", random.Below(2) == 0 ? "x" : "xx"}});
      slots.push_back(index.Add(labels));
    }
    std::ranges::reverse(slots);
    index.SortByLabels(slots);
    ASSERT_EQ(slots.size(), 1000u);
    EXPECT_TRUE(std::ranges::is_sorted(slots, {}, [&](Slot slot) { return index.LabelsOf(slot); }));
  }
}

TEST(SeriesIndex, ForgetsRemovedSeriesAndGivesTheirMemoryBack) {
  SeriesIndex index;
  const auto series = [](int i) {
    return Make({{"__name__", "m"}, {"i", std::to_string(i)}, {"even", i % 2 == 0 ? "yes" : "no"}});
  };
  constexpr int kSeries = 10'000;
  for (int i = 0; i < kSeries; ++i) index.Add(series(i));
  std::vector<Slot> gone;
  for (Slot slot = 0; slot < kSeries; ++slot) {
    if (slot < 9000 || slot % 2 == 1) gone.push_back(slot);
  }
  index.Remove(gone);
  EXPECT_EQ(index.size(), 500u);
  EXPECT_EQ(index.Find(series(1)), std::nullopt);
  EXPECT_EQ(index.Find(series(9000)), 9000u);
  EXPECT_EQ(index.LabelsOf(9998), series(9998));
  EXPECT_EQ(index.Select({}).size(), 500u);
  const std::vector<Matcher> odd = {Matcher::Equal("even", "no")};
  EXPECT_TRUE(index.Select(odd).empty());
  EXPECT_EQ(index.LabelValues("even", nullptr), std::vector<std::string>{"yes"});
  EXPECT_EQ(index.LabelValues("i", nullptr).size(), 500u);
  // What comes back is a new series.
  EXPECT_EQ(index.Add(series(1)), static_cast<Slot>(kSeries));
  EXPECT_EQ(index.Select(odd), std::vector<Slot>{kSeries});
}

// Pods come and go: names and values that only they had must not pile up.
TEST(SeriesIndex, ChurnOfLabelsDoesNotLetItGrow) {
  SeriesIndex index;
  constexpr int kAlive = 1000;
  const auto series = [](int i) {
    return Make({{"__name__", "m"},
                 {"pod", "a-rather-long-name-of-a-pod-" + std::to_string(i)},
                 {"only_" + std::to_string(i / 100), "x"}});
  };
  const auto total = [&] {
    const SeriesIndex::Memory memory = index.memory();
    return memory.records + memory.identity + memory.postings + memory.symbols;
  };
  uint64_t early = 0;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < kAlive; ++i) index.Add(series(round * kAlive + i));
    if (round > 0) {
      std::vector<Slot> gone;
      for (int i = 0; i < kAlive; ++i) {
        gone.push_back(static_cast<Slot>((round - 1) * kAlive + i));
      }
      index.Remove(gone);
    }
    if (round == 4) early = total();
    const int newest = (round + 1) * kAlive - 1;
    ASSERT_EQ(index.Find(series(newest)), static_cast<Slot>(newest));
    ASSERT_EQ(index.LabelsOf(static_cast<Slot>(newest)), series(newest));
  }
  EXPECT_LT(total(), early * 5 / 4);
  EXPECT_EQ(index.LabelValues("pod", nullptr).size(), static_cast<size_t>(kAlive));
}

TEST(SeriesIndex, CountsCardinality) {
  SeriesIndex index;
  for (int i = 0; i < 5; ++i) index.Add(Make({{"__name__", "big"}, {"i", std::to_string(i)}}));
  index.Add(Make({{"__name__", "small"}, {"i", "0"}}));
  const SeriesIndex::Statistics statistics = index.Analyze(1);
  ASSERT_EQ(statistics.series_by_metric.size(), 1u);
  EXPECT_EQ(statistics.series_by_metric[0].name, "big");
  EXPECT_EQ(statistics.series_by_metric[0].value, 5u);
  EXPECT_EQ(statistics.values_by_label[0].name, "i");
  EXPECT_EQ(statistics.series_by_pair[0].name, "__name__=big");
  EXPECT_EQ(statistics.label_pairs, 7u);
}

}  // namespace
}  // namespace narthex::tsdb
