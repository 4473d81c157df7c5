#include "tsdb/head/late_samples.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"

namespace narthex::tsdb {
namespace {

using Content = std::map<model::Timestamp, double>;

Content ContentOf(const LateSamples::View& view, model::TimeRange range = {}) {
  model::SampleColumns samples;
  EXPECT_TRUE(view.MergeInto(range, samples));
  Content content;
  for (size_t i = 0; i < samples.size(); ++i) {
    EXPECT_TRUE(i == 0 || samples.t[i - 1] < samples.t[i]);
    content[samples.t[i]] = samples.v[i];
  }
  return content;
}

TEST(LateSamples, GiveBackWhatCameInWhateverOrder) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    LateSamples late;
    std::map<Slot, Content> model;
    for (int i = 0; i < 2000; ++i) {
      const auto slot = static_cast<Slot>(random.Below(5));
      const auto t = static_cast<model::Timestamp>(random.Below(1000)) * 7;
      const auto v = static_cast<double>(random.Below(100));
      late.Insert(slot, t, v);
      model[slot].emplace(t, v);  // The first stays.
    }
    const model::TimeRange range{700, 3500};
    for (const auto& [slot, content] : model) {
      EXPECT_EQ(ContentOf(late.ViewOf(slot)), content);
      EXPECT_EQ(ContentOf(late.ViewOf(slot), range),
                Content(content.lower_bound(range.min), content.upper_bound(range.max)));
      EXPECT_EQ(late.RangeOf(slot).min, content.begin()->first);
      EXPECT_EQ(late.RangeOf(slot).max, content.rbegin()->first);
    }
    EXPECT_FALSE(late.Has(5));
    EXPECT_TRUE(late.ViewOf(5).empty());
  }
}

model::IntegerHistogram Whole(uint64_t n) {
  model::IntegerHistogram h;
  h.zero_count = n;
  h.count = 2 * n;
  h.sum = static_cast<double>(n);
  h.positive_spans = {{static_cast<int32_t>(n % 3), 1}};
  h.positive_deltas = {static_cast<int64_t>(n)};
  return h;
}

// Numbers and histograms in one series, in and out of cuts, counts exactly as they came.
TEST(LateSamples, TakeHistogramsAmongNumbers) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    LateSamples late;
    std::map<model::Timestamp, chunk::Value> model;
    for (int i = 0; i < 500; ++i) {
      const auto t = static_cast<model::Timestamp>(random.Below(1000)) * 7;
      const uint64_t n = random.Below(1000) + (random.Below(9) == 0 ? uint64_t{1} << 60 : 0);
      chunk::Value value = static_cast<double>(n);
      const uint64_t kind = random.Below(3);
      if (kind == 0) value = Whole(n);
      if (kind == 1) value = Whole(n).ToFloat();
      late.Insert(1, t, value);
      model.emplace(t, std::move(value));  // The first stays.
    }
    model::SampleColumns columns;
    ASSERT_TRUE(late.ViewOf(1).MergeInto({}, columns).has_value());
    ASSERT_EQ(columns.size(), model.size());
    const LateSamples::Cut cut = late.Begin(3500);
    ASSERT_EQ(cut.series.size(), 1u);
    ASSERT_EQ(cut.rest.size(), 1u);
    auto samples = *cut.series[0].Read({});
    EXPECT_LT(samples.back().t, 3500);
    const auto rest = *cut.rest[0].Read({});
    samples.insert(samples.end(), rest.begin(), rest.end());
    ASSERT_EQ(samples.size(), model.size());
    size_t i = 0;
    for (const auto& [t, value] : model) {
      EXPECT_EQ(columns.t[i], t);
      EXPECT_EQ(columns.IsHistogram(i), value.index() != 0);
      EXPECT_EQ(samples[i].t, t);
      EXPECT_TRUE(chunk::SameValue(samples[i].value, value));
      ++i;
    }
    late.End(cut);
    EXPECT_EQ(late.RangeOf(1).min, model.lower_bound(3500)->first);
  }
}

TEST(LateSamples, ACutForgetsWhatItHoldsAndNothingElse) {
  LateSamples late;
  for (const auto& [t, v] : Content{{10, 1}, {20, 2}, {30, 3}}) late.Insert(1, t, v);
  late.Insert(2, 5, 9);
  late.Insert(3, 40, 4);
  const LateSamples::View before = late.ViewOf(1);
  const LateSamples::Cut cut = late.Begin(25);
  ASSERT_EQ(cut.series.size(), 2u);
  EXPECT_EQ(ContentOf({cut.series[0].chunks, {}}), (Content{{10, 1}, {20, 2}}));
  EXPECT_EQ(ContentOf({cut.series[1].chunks, {}}), (Content{{5, 9}}));
  ASSERT_EQ(cut.rest.size(), 2u);
  late.Insert(1, 15, 8);
  EXPECT_EQ(ContentOf(late.ViewOf(1)), (Content{{10, 1}, {15, 8}, {20, 2}, {30, 3}}));
  late.End(cut);
  EXPECT_EQ(ContentOf(late.ViewOf(1)), (Content{{15, 8}, {30, 3}}));
  EXPECT_FALSE(late.Has(2));
  EXPECT_EQ(ContentOf(late.ViewOf(3)), (Content{{40, 4}}));
  EXPECT_EQ(ContentOf(before), (Content{{10, 1}, {20, 2}, {30, 3}}));
  late.End(late.Begin(100));
  EXPECT_TRUE(late.empty());
}

}  // namespace
}  // namespace narthex::tsdb
