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
