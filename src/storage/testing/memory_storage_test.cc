#include "storage/testing/memory_storage.h"

#include <gtest/gtest.h>

namespace narthex::storage {
namespace {

TEST(MemoryStorage, ShowsABatchOnlyAfterCommit) {
  MemoryStorage storage;
  const auto labels = *model::Labels::From({{"__name__", "up"}, {"job", "a"}});
  const auto appender = storage.OpenAppender();
  const SeriesRef ref = *appender->Resolve(labels);
  EXPECT_EQ(appender->Append(ref, 10, 1.5), Appended::kYes);
  EXPECT_TRUE(storage.content().empty());
  ASSERT_TRUE(appender->Commit().has_value());

  const auto querier = *storage.OpenQuerier({0, 100});
  const auto set = *querier->Select({model::Matcher::Equal("job", "a")});
  ASSERT_EQ(set->size(), 1u);
  EXPECT_EQ(set->labels(0), labels);
  model::SampleColumns samples;
  ASSERT_TRUE(set->Read(0, {0, 9}, samples).has_value());
  EXPECT_EQ(samples.size(), 0u);
  ASSERT_TRUE(set->Read(0, {0, 10}, samples).has_value());
  EXPECT_EQ(samples.v, std::vector<double>{1.5});
  EXPECT_EQ((*querier->LabelValues("job", {})), std::vector<std::string>{"a"});
}

TEST(MemoryStorage, GivesHistogramsBesideNumbers) {
  MemoryStorage storage;
  const auto labels = *model::Labels::From({{"__name__", "h"}});
  model::FloatHistogram histogram;
  histogram.count = 2;
  histogram.sum = 5;
  storage.Put(labels, 1, 1.5);
  storage.PutHistogram(labels, 2, histogram);
  histogram.count = 3;
  storage.PutHistogram(labels, 3, histogram);
  histogram.count = 1;
  storage.PutHistogram(labels, 4, histogram);

  const auto querier = *storage.OpenQuerier({0, 100});
  const auto set = *querier->Select({model::Matcher::Equal("__name__", "h")});
  model::SampleColumns samples;
  ASSERT_TRUE(set->Read(0, {0, 10}, samples).has_value());
  ASSERT_EQ(samples.v, (std::vector<double>{1.5, 5, 5, 5}));
  EXPECT_FALSE(samples.IsHistogram(0));
  EXPECT_EQ(samples.histograms[1]->hint, model::ResetHint::kUnknown);
  EXPECT_EQ(samples.histograms[2]->hint, model::ResetHint::kNotReset);
  EXPECT_EQ(samples.histograms[3]->hint, model::ResetHint::kUnknown);
}

TEST(MemoryStorage, TakesWhatIsNoNumberWithTheBatch) {
  MemoryStorage storage;
  const auto labels = *model::Labels::From({{"__name__", "h"}});
  const auto appender = storage.OpenAppender();
  const SeriesRef ref = *appender->Resolve(labels);
  model::IntegerHistogram histogram;
  histogram.count = 2;
  histogram.zero_count = 2;
  EXPECT_EQ(appender->AppendHistogram(ref, 10, histogram), Appended::kYes);
  histogram.positive_deltas = {1};  // No span for it.
  EXPECT_EQ(appender->AppendHistogram(ref, 20, histogram), Appended::kInvalid);
  const auto trace = *model::Labels::From({{"trace_id", "a"}});
  EXPECT_EQ(appender->AppendExemplar(ref, {trace, 7, 12}), Appended::kYes);
  EXPECT_EQ(appender->AppendExemplar(ref, {trace, 7, std::nullopt}), Appended::kInvalid);
  EXPECT_EQ(appender->AppendExemplar(ref + 1, {trace, 7, 12}), Appended::kUnknownSeries);
  appender->SetMetadata(ref, {model::MetricType::kHistogram, "How long.", "seconds"});
  ASSERT_TRUE(appender->Commit().has_value());

  const auto querier = *storage.OpenQuerier({0, 100});
  const auto set = *querier->Select({model::Matcher::Equal("__name__", "h")});
  model::SampleColumns samples;
  ASSERT_TRUE(set->Read(0, {0, 100}, samples).has_value());
  ASSERT_EQ(samples.size(), 1u);
  EXPECT_EQ(samples.histograms[0]->count, 2);

  const std::vector<std::vector<model::Matcher>> selectors = {
      {model::Matcher::Equal("__name__", "other")}, {model::Matcher::Equal("__name__", "h")}};
  const auto exemplars = *storage.SelectExemplars(selectors, {12, 20});
  ASSERT_EQ(exemplars.size(), 1u);
  EXPECT_EQ(exemplars[0].labels, labels);
  ASSERT_EQ(exemplars[0].exemplars.size(), 1u);
  EXPECT_EQ(exemplars[0].exemplars[0].labels, trace);
  EXPECT_TRUE(storage.SelectExemplars(selectors, {13, 20})->empty());
  const auto metadata = *storage.SelectMetadata({});
  ASSERT_EQ(metadata.size(), 1u);
  EXPECT_EQ(metadata[0].metadata.unit, "seconds");
}

}  // namespace
}  // namespace narthex::storage
