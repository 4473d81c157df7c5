#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "base/testing/manual_clock.h"
#include "base/testing/memory_file_system.h"
#include "chunk/series_encoder.h"
#include "tsdb/db.h"

// Native histograms of every form in a database on a disk in memory, and what it has to contain.
namespace narthex::tsdb::histogram_world {

using base::MemoryFileSystem;
using model::FloatHistogram;
using model::IntegerHistogram;
using model::Labels;
using model::Timestamp;
using storage::Appended;

inline constexpr char kDirectory[] = "/data";
inline constexpr int64_t kRange = 2 * 3600 * 1000;
inline constexpr int64_t kStep = 60'000;
inline constexpr Timestamp kStart = 1'700'006'400'000;  // A multiple of the range.

inline Labels Series(int i) { return *Labels::From({{"__name__", "h"}, {"i", std::to_string(i)}}); }

// A counter's histogram with two buckets; `layout` moves the second.
inline IntegerHistogram Whole(uint64_t n, int32_t layout = 1) {
  IntegerHistogram h;
  h.schema = 3;
  h.zero_threshold = 0x1p-128;
  h.zero_count = n;
  h.count = 4 * n;
  h.sum = static_cast<double>(n) * 1.5;
  h.positive_spans = {{0, 1}, {layout, 1}};
  h.positive_deltas = {static_cast<int64_t>(n), static_cast<int64_t>(n)};
  return h;
}

inline IntegerHistogram Custom(uint64_t n) {
  IntegerHistogram h;
  h.schema = model::kCustomBucketsSchema;
  h.count = n;
  h.sum = static_cast<double>(n);
  h.positive_spans = {{1, 1}};
  h.positive_deltas = {static_cast<int64_t>(n)};
  h.custom_bounds = {0.5, 1, 2.5};
  return h;
}

inline std::string Text(double v) { return model::IsStaleNan(v) ? "stale" : std::to_string(v); }
inline std::string Text(const FloatHistogram& h) {
  return model::IsStaleNan(h.sum) ? "stale" : std::to_string(h.schema) + h.ToString();
}
inline std::string Text(const chunk::Value& value) {
  if (const double* const v = std::get_if<double>(&value)) return Text(*v);
  if (const auto* const h = std::get_if<IntegerHistogram>(&value)) return Text(h->ToFloat());
  return Text(std::get<FloatHistogram>(value));
}

using Content = std::map<std::string, std::map<Timestamp, std::string>>;

class World : public testing::Test {
 protected:
  base::Result<std::unique_ptr<Db>> TryOpen(const std::string& directory = kDirectory) {
    Db::Options options;
    options.head_image = false;  // What the log gives back is in question.
    options.directory = directory;
    options.fsync = FsyncPolicy::kNone;
    options.maintenance_ms = 0;
    options.wal.segment_bytes = 4 * wal::kPageBytes;
    options.late_window_ms = late_window_ms_;
    options.read_only = read_only_;
    options.exemplars_max = 100;
    options.metadata_records = true;
    return Db::Open({disk_, clock_}, base::NullLogger(), options);
  }
  std::unique_ptr<Db> Open() { return *TryOpen(); }

  static Appended Append(storage::Appender& appender, const Labels& labels, Timestamp t,
                         const chunk::Value& value) {
    const storage::SeriesRef ref = *appender.Resolve(labels);
    if (const double* const v = std::get_if<double>(&value)) return appender.Append(ref, t, *v);
    if (const auto* const h = std::get_if<IntegerHistogram>(&value)) {
      return appender.AppendHistogram(ref, t, *h);
    }
    return appender.AppendHistogram(ref, t, std::get<FloatHistogram>(value));
  }

  Appended Put(Db& db, const Labels& labels, Timestamp t, const chunk::Value& value) {
    const auto appender = db.OpenAppender();
    const Appended verdict = Append(*appender, labels, t, value);
    if (appender->Commit() && verdict == Appended::kYes) {
      model_[labels.ToString()][t] = Text(value);
    }
    return verdict;
  }

  static Content Read(Db& db, model::TimeRange range = {}) {
    Content content;
    const auto querier = *db.OpenQuerier(range);
    const auto set = *querier->Select({});
    for (size_t i = 0; i < set->size(); ++i) {
      model::SampleColumns samples;
      EXPECT_TRUE(set->Read(i, range, samples).has_value());
      EXPECT_TRUE(std::ranges::is_sorted(samples.t));
      for (size_t k = 0; k < samples.size(); ++k) {
        content[set->labels(i).ToString()][samples.t[k]] =
            samples.IsHistogram(k) ? Text(*samples.histograms[k]) : Text(samples.v[k]);
      }
    }
    return content;
  }

  // Four series: whole, float, custom buckets, and one that is everything in turns.
  void Fill(Db& db, Timestamp from, Timestamp to) {
    for (Timestamp t = from; t < to; t += kStep) {
      const auto n = static_cast<uint64_t>((t - kStart) / kStep);
      Put(db, Series(1), t, Whole(n % 500, n % 70 < 40 ? 1 : 2));
      Put(db, Series(2), t, Whole(n).ToFloat());
      Put(db, Series(3), t, Custom(n));
      if (n % 40 < 20) {
        Put(db, Series(4), t, static_cast<double>(n));
      } else if (n % 40 < 30) {
        Put(db, Series(4), t, Whole(n));
      } else if (n % 40 < 39) {
        Put(db, Series(4), t, Whole(n).ToFloat());
      } else {
        Put(db, Series(4), t, model::StaleNan());
      }
    }
  }

  MemoryFileSystem disk_;
  base::ManualClock clock_{kStart};
  int64_t late_window_ms_ = 0;
  bool read_only_ = false;
  Content model_;
};

}  // namespace narthex::tsdb::histogram_world
