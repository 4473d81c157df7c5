#include "storage/merge.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "storage/testing/memory_storage.h"

namespace narthex::storage {
namespace {

using model::Labels;
using model::Matcher;
using model::TimeRange;

class FailingQuerier final : public Querier {
 public:
  base::Result<std::unique_ptr<SeriesSet>> Select(const std::vector<Matcher>&) override {
    return base::Fail(base::Code::kDataLoss, "damaged");
  }
  base::Result<std::vector<std::string>> LabelNames(const std::vector<Matcher>&) override {
    return base::Fail(base::Code::kDataLoss, "damaged");
  }
  base::Result<std::vector<std::string>> LabelValues(std::string_view,
                                                     const std::vector<Matcher>&) override {
    return base::Fail(base::Code::kDataLoss, "damaged");
  }
};

class MergeTest : public testing::Test {
 protected:
  static Labels Series(uint64_t i) {
    return *Labels::From({{"__name__", "m" + std::to_string(i % 3)}, {"i", std::to_string(i)}});
  }

  // Storages with random samples, and one with the samples of all, of which the first wins.
  void Fill(uint64_t storages) {
    storages_ = std::vector<MemoryStorage>(storages);
    for (uint64_t s = storages; s-- > 0;) {
      for (uint64_t n = random_.Below(60); n > 0; --n) {
        const Labels labels = Series(random_.Below(9));
        const auto t = static_cast<model::Timestamp>(random_.Below(20));
        const double v = random_.NextDouble();
        storages_[s].Put(labels, t, v);
        twin_.Put(labels, t, v);
      }
    }
  }

  std::unique_ptr<Querier> Merged(TimeRange range) {
    std::vector<std::unique_ptr<Querier>> queriers;
    for (MemoryStorage& storage : storages_) queriers.push_back(*storage.OpenQuerier(range));
    return MergeQueriers(std::move(queriers));
  }

  static MemoryStorage::Content ReadAll(Querier& querier, const std::vector<Matcher>& matchers,
                                        TimeRange range) {
    const auto set = *querier.Select(matchers);
    MemoryStorage::Content content;
    model::SampleColumns samples;
    for (size_t i = 0; i < set->size(); ++i) {
      EXPECT_TRUE(set->Read(i, range, samples).has_value());
      EXPECT_TRUE(i == 0 || set->labels(i - 1) < set->labels(i));
      for (size_t k = 0; k < samples.size(); ++k) {
        EXPECT_TRUE(k == 0 || samples.t[k - 1] < samples.t[k]);
        content[set->labels(i)][samples.t[k]] = samples.v[k];
      }
    }
    return content;
  }

  base::Random random_{1};
  std::vector<MemoryStorage> storages_;
  MemoryStorage twin_;
};

TEST_F(MergeTest, AnswersAsOneStorageWithEverything) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    random_ = base::Random(seed);
    twin_.Clear();
    Fill(random_.Below(5));
    const auto from = static_cast<model::Timestamp>(random_.Below(15));
    const TimeRange range{from, from + static_cast<model::Timestamp>(random_.Below(10))};
    const std::vector<Matcher> matchers = {Matcher::Equal("__name__", "m1")};
    const auto merged = Merged(range);
    const auto twin = *twin_.OpenQuerier(range);
    EXPECT_EQ(ReadAll(*merged, {}, range), ReadAll(*twin, {}, range));
    EXPECT_EQ(ReadAll(*merged, matchers, range), ReadAll(*twin, matchers, range));
    EXPECT_EQ(*merged->LabelNames({}), *twin->LabelNames({}));
    EXPECT_EQ(*merged->LabelValues("i", {}), *twin->LabelValues("i", {}));
    EXPECT_EQ(*merged->LabelValues("i", matchers), *twin->LabelValues("i", matchers));
  }
}

TEST_F(MergeTest, AnErrorOfOneIsTheErrorOfAll) {
  MemoryStorage storage;
  std::vector<std::unique_ptr<Querier>> queriers;
  queriers.push_back(*storage.OpenQuerier({}));
  queriers.push_back(std::make_unique<FailingQuerier>());
  const auto merged = MergeQueriers(std::move(queriers));
  EXPECT_EQ(merged->Select({}).error().code, base::Code::kDataLoss);
  EXPECT_EQ(merged->LabelNames({}).error().code, base::Code::kDataLoss);
  EXPECT_EQ(merged->LabelValues("a", {}).error().code, base::Code::kDataLoss);
}

TEST_F(MergeTest, AtEqualTimesTheFirstWins) {
  model::SampleColumns first;
  model::SampleColumns second;
  for (const model::Timestamp t : {1, 3, 5}) first.Add(t, 1);
  for (const model::Timestamp t : {2, 3, 6}) second.Add(t, 2);
  MergeSamples(first, second);
  EXPECT_EQ(first.t, (std::vector<model::Timestamp>{1, 2, 3, 5, 6}));
  EXPECT_EQ(first.v, (std::vector<double>{1, 2, 1, 1, 2}));
}

// Beside values there are histograms and starts, which many series have none of.
TEST_F(MergeTest, KeepsHistogramsAndStarts) {
  const auto columns = [](std::vector<std::pair<model::Timestamp, char>> samples) {
    model::SampleColumns made;
    for (const auto& [t, kind] : samples) {
      if (kind == 'h') {
        model::FloatHistogram histogram;
        histogram.count = static_cast<double>(t);
        made.Add(t, std::make_shared<const model::FloatHistogram>(histogram));
      } else {
        made.Add(t, static_cast<double>(t));
      }
      if (kind == 's') made.SetLastStart(t - 1);
    }
    return made;
  };
  const auto text = [](const model::SampleColumns& samples) {
    std::string all;
    for (size_t i = 0; i < samples.size(); ++i) {
      EXPECT_TRUE(samples.histograms.empty() || samples.histograms.size() == samples.size());
      EXPECT_TRUE(samples.starts.empty() || samples.starts.size() == samples.size());
      const bool histogram = samples.IsHistogram(i);
      EXPECT_TRUE(!histogram || samples.histograms[i]->count == static_cast<double>(samples.t[i]));
      EXPECT_TRUE(samples.Start(i) == 0 || samples.Start(i) == samples.t[i] - 1);
      all += std::to_string(samples.t[i]) + (histogram ? "h" : samples.Start(i) != 0 ? "s" : "n");
    }
    return all;
  };
  const auto merged = [&](model::SampleColumns a, const model::SampleColumns& b) {
    MergeSamples(a, b);
    return text(a);
  };
  const auto numbers = columns({{5, 'n'}, {6, 'n'}});
  EXPECT_EQ(merged(numbers, columns({{7, 'h'}, {8, 's'}})), "5n6n7h8s");
  EXPECT_EQ(merged(columns({{3, 'h'}, {4, 's'}}), numbers), "3h4s5n6n");
  EXPECT_EQ(merged(columns({{3, 'h'}, {9, 's'}}), numbers), "3h5n6n9s");
  EXPECT_EQ(merged(columns({{5, 's'}}), numbers), "5s6n");
  EXPECT_EQ(merged(columns({{6, 'h'}, {7, 'n'}}), numbers), "5n6h7n");
}

}  // namespace
}  // namespace narthex::storage
