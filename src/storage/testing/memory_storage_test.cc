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

}  // namespace
}  // namespace narthex::storage
