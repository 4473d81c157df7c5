// The database against a std::map: random lives of appends in and out of order, duplicates, gaps,
// resets, numbers, NaNs and native histograms, deletions, cuts and truncations of the head,
// compaction, snapshots, restarts and crashes give the same answers.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "base/random.h"
#include "base/testing/manual_clock.h"
#include "base/testing/memory_file_system.h"
#include "chunk/series_encoder.h"
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
constexpr int kSteps = 1000;

// Values by time, by series.
using Model = std::map<std::string, std::map<Timestamp, chunk::Value>>;
// The same as text.
using Content = std::map<std::string, std::map<Timestamp, std::string>>;

std::string Text(double v) {
  // In the form of what it ends.
  if (model::IsStaleNan(v)) return "stale";
  return fmt::format("{:x}", std::bit_cast<uint64_t>(v));
}
std::string Text(const model::FloatHistogram& h) {
  if (model::IsStaleNan(h.sum)) return "stale";
  const bool gauge = h.hint == model::ResetHint::kGauge;
  return fmt::format("{}{} {} {}", gauge ? "gauge " : "", h.schema, h.zero_threshold, h.ToString());
}
std::string Text(const chunk::Value& value) {
  if (const double* const v = std::get_if<double>(&value)) return Text(*v);
  const auto* const whole = std::get_if<model::IntegerHistogram>(&value);
  return Text(whole != nullptr ? whole->ToFloat() : std::get<model::FloatHistogram>(value));
}

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
      for (const auto& [t, value] : samples) {
        if (other != b.end()) {
          const auto at = other->second.find(t);
          if (at != other->second.end() && at->second == value) continue;
        }
        if (left-- > 0) text += fmt::format("{} {} at {}: {}\n", what, series, t, value);
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
        case 5:
          if (random_.Below(8) == 0) Snapshot();
          break;
        case 6:
          Duplicate();
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

  double Number() {
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

  model::IntegerHistogram Histogram(bool custom) {
    model::IntegerHistogram h;
    const uint64_t n = random_.Below(12) == 0 ? random_.Below(3) : static_cast<uint64_t>(now_);
    h.count = 3 * n;
    h.sum = static_cast<double>(n) * 0.75;
    if (random_.Below(40) == 0) h.hint = model::ResetHint::kGauge;
    if (custom) {
      h.schema = model::kCustomBucketsSchema;
      h.custom_bounds = {0.5, 1, random_.Below(20) == 0 ? 3.0 : 2.5};
      h.positive_spans = {{static_cast<int32_t>(random_.Below(2)), 2}};
      h.positive_deltas = {static_cast<int64_t>(n), static_cast<int64_t>(n)};
      return h;
    }
    h.schema = random_.Below(60) == 0 ? 2 : 3;
    h.zero_threshold = 0x1p-128;
    h.zero_count = n;
    h.positive_spans = {{static_cast<int32_t>(random_.Below(3)), 1}, {2, 1}};
    h.positive_deltas = {static_cast<int64_t>(n), 0};
    if (random_.Below(10) == 0) {
      h.count += 1;
      h.negative_spans = {{-3, 1}};
      h.negative_deltas = {1};
    }
    return h;
  }

  // Two series of numbers, three of histograms of one form each, one that changes its form.
  chunk::Value Value(int series) {
    int form = series;
    if (series == 5) form = static_cast<int>(random_.Below(5));
    if (form < 2 || random_.Below(20) == 0) {
      const double v = Number();
      if (form < 2 || model::IsStaleNan(v)) return v;
    }
    if (form == 2) return Histogram(false);
    if (form == 3) return Histogram(false).ToFloat();
    if (random_.Below(2) == 0) return Histogram(true);
    return Histogram(true).ToFloat();
  }

  static Appended Put(storage::Appender& appender, storage::SeriesRef ref, Timestamp t,
                      const chunk::Value& value) {
    if (const double* const v = std::get_if<double>(&value)) return appender.Append(ref, t, *v);
    if (const auto* const whole = std::get_if<model::IntegerHistogram>(&value)) {
      return appender.AppendHistogram(ref, t, *whole);
    }
    return appender.AppendHistogram(ref, t, std::get<model::FloatHistogram>(value));
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
    std::map<int, std::map<Timestamp, chunk::Value>> taken;
    for (int i = 0; i < kSeries; ++i) {
      if (random_.Below(4) == 0) continue;  // A gap.
      Timestamp t = now_;
      if (random_.Below(4) == 0) t -= static_cast<Timestamp>(random_.Below(kWindow + 5'000));
      // Whether a deletion hides a sample that comes later is a matter of when the head was cut.
      if (WasDeleted(i, t)) continue;
      const auto& there = model_[Series(i).ToString()];
      chunk::Value v = Value(i);
      // Which of two late samples of one time wins is left open.
      if (const auto at = there.find(t); at != there.end()) v = at->second;
      const auto ref = appender->Resolve(Series(i));
      ASSERT_TRUE(ref.has_value());
      if (Put(*appender, *ref, t, v) == Appended::kYes) taken[i].emplace(t, v);
    }
    if (!appender->Commit()) return;
    for (const auto& [i, samples] : taken) {
      for (const auto& [t, v] : samples) {
        const auto newest = newest_.find(i);
        if (newest == newest_.end() || t > newest->second) newest_[i] = t;
        model_[Series(i).ToString()].emplace(t, v);
      }
    }
  }

  // What has come in order does not change: the same again is nothing, another value is refused.
  void Duplicate() {
    const auto i = static_cast<int>(random_.Below(2));  // Of numbers.
    const auto& there = model_[Series(i).ToString()];
    const auto newest = newest_.find(i);
    if (newest == newest_.end() || !there.contains(newest->second)) return;
    const double v = std::get<double>(there.at(newest->second));
    const auto appender = db_->OpenAppender();
    const auto ref = *appender->Resolve(Series(i));
    const Appended same = appender->Append(ref, newest->second, v);
    const Appended other = appender->Append(ref, newest->second, 1e9 + v);
    // Where it is in a block by now, it may be taken for a late one, which a query does not see.
    if (!db_->blocks()->empty() && db_->head().valid_time() > newest->second) return;
    EXPECT_EQ(same, Appended::kSameAgain);
    EXPECT_EQ(other, std::isnan(v) ? other : Appended::kDuplicate);
    EXPECT_TRUE(appender->Commit().has_value());
  }

  // A copy has everything and is a database of its own.
  void Snapshot() {
    done_ += " snapshot";
    const auto name = db_->Snapshot(false);
    ASSERT_TRUE(name.has_value()) << done_ << ": " << name.error().message;
    Db::Options options{.directory = "/data/snapshots/" + *name};
    options.maintenance_ms = 0;
    auto copy = Db::Open({disk_, clock_}, base::NullLogger(), options);
    ASSERT_TRUE(copy.has_value()) << copy.error().message;
    std::swap(db_, *copy);
    Compare();
    std::swap(db_, *copy);
    (*copy).reset();
    ASSERT_TRUE(base::RemoveAll(disk_, "/data/snapshots").has_value());
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
        for (const auto& [t, value] : samples) {
          if (range.Contains(t)) want[series][t] = Text(value);
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
          got[set->labels(i).ToString()][samples.t[k]] =
              samples.IsHistogram(k) ? Text(*samples.histograms[k]) : Text(samples.v[k]);
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
  Model model_;
  std::map<int, std::vector<TimeRange>> deleted_;
  std::map<int, Timestamp> newest_;  // Of each series.
  std::string done_;
};

// More lives by hand: NARTHEX_MODEL_SEEDS=300; or from the seed NARTHEX_MODEL_FIRST on.
TEST(Model, TheDatabaseAnswersAsAMapWould) {
  const auto number = [](const char* name, uint64_t otherwise) {
    const char* const wanted = std::getenv(name);
    return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : otherwise;
  };
  const uint64_t first = number("NARTHEX_MODEL_FIRST", 1);
  const uint64_t seeds = number("NARTHEX_MODEL_SEEDS", 4);
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Life(seed).Run();
    if (HasFailure()) break;
  }
}

}  // namespace
}  // namespace narthex::tsdb
