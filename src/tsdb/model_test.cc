// The database against a std::map: random lives of appends in and out of order, deletions,
// maintenance, restarts and crashes give the same answers.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <map>
#include <set>

#include "base/random.h"
#include "base/testing/manual_clock.h"
#include "base/testing/memory_file_system.h"
#include "tsdb/db.h"

namespace narthex::tsdb {
namespace {

using base::MemoryFileSystem;
using model::TimeRange;
using model::Timestamp;
using storage::Appended;

constexpr int64_t kRange = 20'000;
constexpr int64_t kWindow = 30'000;
constexpr int kSeries = 6;
constexpr int kSteps = 1500;

// Time to value bits, by series.
using Content = std::map<std::string, std::map<Timestamp, uint64_t>>;

model::Labels Series(int i) {
  return *model::Labels::From({{"__name__", "m"}, {"i", std::to_string(i)}});
}

// The first few samples that only one of them has.
std::string Difference(const Content& got, const Content& want) {
  std::string text;
  int left = 5;
  const auto list = [&](const char* what, const Content& a, const Content& b) {
    for (const auto& [series, samples] : a) {
      const auto other = b.find(series);
      for (const auto& [t, bits] : samples) {
        if (other != b.end()) {
          const auto at = other->second.find(t);
          if (at != other->second.end() && at->second == bits) continue;
        }
        if (left-- > 0) text += fmt::format("{} {} at {}: {:x}\n", what, series, t, bits);
      }
    }
  };
  list("not expected:", got, want);
  list("missing:", want, got);
  return text;
}

class Life {
 public:
  explicit Life(uint64_t seed) : random_(seed) { Start(); }

  void Run() {
    for (int step = 0; step < kSteps && !testing::Test::HasFailure(); ++step) {
      now_ += static_cast<Timestamp>(random_.Below(150));
      switch (random_.Below(40)) {
        case 0:
          Delete();
          break;
        case 1:
          Do("maintain", [&] { return db_->Maintain(); });
          break;
        case 2:
          if (random_.Below(4) == 0) Do("clean", [&] { return db_->CleanTombstones(); });
          break;
        case 3:
          if (random_.Below(3) == 0) Restart(random_.Below(2) == 0);
          break;
        case 4:
          now_ += static_cast<Timestamp>(random_.Below(kRange));  // A gap.
          break;
        default:
          Append();
      }
      if (step % 10 == 0) Compare();
    }
    Restart(false);
    Compare();
  }

 private:
  void Start() {
    Db::Options options{.directory = "/data", .late_window_ms = kWindow};
    options.fsync = FsyncPolicy::kCommit;
    options.maintenance_ms = 0;
    options.head_image = random_.Below(2) == 0;
    options.max_block_ms = 9 * kRange;
    options.head.chunk_range_ms = kRange;
    options.head.samples_per_chunk = 10;
    options.wal.segment_bytes = 2 * wal::kPageBytes;
    auto db = Db::Open({disk_, clock_}, base::NullLogger(), options);
    ASSERT_TRUE(db.has_value()) << db.error().message;
    db_ = *std::move(db);
  }

  void Restart(bool crash) {
    done_ += crash ? " crash" : " restart";
    if (crash) {
      disk_.SetPlan([](const auto&) { return MemoryFileSystem::Fate::kFail; });
      db_.reset();
      disk_.SetPlan(nullptr);
      disk_.LosePower();
    } else {
      db_.reset();
    }
    Start();
    Compare();
  }

  template <class Work>
  void Do(const char* name, Work work) {
    done_ += ' ';
    done_ += name;
    const base::Status status = work();
    ASSERT_TRUE(status.has_value()) << done_ << ": " << status.error().message;
    Compare();
  }

  double Value() {
    switch (random_.Below(12)) {
      case 0:
        return model::StaleNan();
      case 1:
        return model::NormalNan();
      case 2:
        return 0;  // A reset.
      default:
        return static_cast<double>(now_) + static_cast<double>(random_.Below(7));
    }
  }

  bool WasDeleted(int series, Timestamp t) const {
    const auto found = deleted_.find(series);
    if (found == deleted_.end()) return false;
    for (const TimeRange& range : found->second) {
      if (range.Contains(t)) return true;
    }
    return false;
  }

  void Append() {
    const auto appender = db_->OpenAppender();
    std::map<int, std::map<Timestamp, double>> taken;
    for (int i = 0; i < kSeries; ++i) {
      if (random_.Below(4) == 0) continue;  // A gap.
      Timestamp t = now_;
      if (random_.Below(4) == 0) t -= static_cast<Timestamp>(random_.Below(kWindow + 5'000));
      // Whether a deletion hides a sample that comes later is a matter of when the head was cut.
      if (WasDeleted(i, t)) continue;
      const auto& there = model_[Series(i).ToString()];
      double v = Value();
      // Which of two late samples of one time wins is left open.
      if (const auto at = there.find(t); at != there.end()) v = std::bit_cast<double>(at->second);
      const auto ref = appender->Resolve(Series(i));
      ASSERT_TRUE(ref.has_value());
      if (appender->Append(*ref, t, v) == Appended::kYes) taken[i].emplace(t, v);
    }
    if (!appender->Commit()) return;
    for (const auto& [i, samples] : taken) {
      for (const auto& [t, v] : samples) {
        model_[Series(i).ToString()].emplace(t, std::bit_cast<uint64_t>(v));
      }
    }
  }

  void Delete() {
    const auto i = static_cast<int>(random_.Below(kSeries));
    const Timestamp begin = now_ - static_cast<Timestamp>(random_.Below(3 * kRange));
    const TimeRange range{begin, begin + static_cast<Timestamp>(random_.Below(kRange))};
    Do("delete", [&] {
      deleted_[i].push_back(range);
      auto& samples = model_[Series(i).ToString()];
      samples.erase(samples.lower_bound(range.min), samples.upper_bound(range.max));
      return db_->DeleteSeries({model::Matcher::Equal("i", std::to_string(i))}, range);
    });
  }

  void Compare() {
    const auto begin = now_ - static_cast<Timestamp>(random_.Below(10 * kRange));
    for (const TimeRange& range : {TimeRange{}, TimeRange{begin, begin + kRange}}) {
      Content want;
      for (const auto& [series, samples] : model_) {
        for (const auto& [t, bits] : samples) {
          if (range.Contains(t)) want[series][t] = bits;
        }
      }
      Content got;
      const auto querier = *db_->OpenQuerier(range);
      const auto set = *querier->Select({});
      for (size_t i = 0; i < set->size(); ++i) {
        model::SampleColumns samples;
        ASSERT_TRUE(set->Read(i, range, samples).has_value());
        for (size_t k = 0; k < samples.size(); ++k) {
          ASSERT_TRUE(k == 0 || samples.t[k - 1] < samples.t[k]);
          got[set->labels(i).ToString()][samples.t[k]] = std::bit_cast<uint64_t>(samples.v[k]);
        }
      }
      ASSERT_EQ(Difference(got, want), "") << "after" << done_;
    }
  }

  base::Random random_;
  MemoryFileSystem disk_;
  base::ManualClock clock_{1'000'000};
  std::unique_ptr<Db> db_;
  Timestamp now_ = 1'000'000;
  Content model_;
  std::map<int, std::vector<TimeRange>> deleted_;
  std::string done_;
};

TEST(Model, TheDatabaseAnswersAsAMapWould) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Life(seed).Run();
    if (HasFailure()) break;
  }
}

}  // namespace
}  // namespace narthex::tsdb
