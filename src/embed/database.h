#pragma once

// The public header of libnarthex. It needs the standard library alone (C++23).

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace narthex {

// Label names and values in any order; the name of the metric is the label `__name__`.
using LabelList = std::vector<std::pair<std::string, std::string>>;

enum class ErrorCode {
  kInvalid,   // A label, a query or an option that makes no sense.
  kRefused,   // A sample that the storage does not take: out of order, duplicate, too old.
  kInUse,     // Another process has the directory.
  kLimit,     // Time, samples, series or disk space ran out.
  kDamaged,   // A file holds what it should not.
  kInternal,  // Everything else, the disk's errors included.
};

struct DatabaseError {
  ErrorCode code;
  std::string message;
};

template <class T>
using Outcome = std::expected<T, DatabaseError>;

struct DatabaseSample {
  int64_t timestamp_ms;  // Since the Unix epoch.
  double value;          // Of a native histogram: its sum.
};

struct DatabaseSeries {
  LabelList labels;  // Sorted by name.
  std::vector<DatabaseSample> samples;
};

struct Answer {
  enum class Type { kScalar, kVector, kMatrix, kString };
  Type type = Type::kVector;
  // kScalar: one series without labels. kVector: one sample per series, in the order that the query
  // asks for. kMatrix: sorted by labels.
  std::vector<DatabaseSeries> series;
  std::string text;                   // kString
  std::vector<std::string> warnings;  // The answer may be wrong, and why.
  std::vector<std::string> infos;

  // One line per series: `name{label="value"} value @seconds`, more samples behind the first.
  std::string ToString() const;
};

// A Prometheus data directory inside this process: appends samples, answers PromQL. What Append or
// Commit has returned success for outlives the process. Thread-safe; moving it is not.
class Database {
 public:
  // When the log reaches the disk itself; the kernel has it after every commit.
  enum class Sync { kNever, kEverySecond, kEveryCommit };
  struct Options {
    std::chrono::milliseconds retention = std::chrono::days(15);
    uint64_t retention_bytes = 0;  // Of blocks and log; 0 is no limit.
    Sync sync = Sync::kEverySecond;
    std::chrono::milliseconds query_timeout = std::chrono::minutes(2);
    uint64_t query_samples_max = 50'000'000;  // Held by one query at once.
  };

  // Creates the directory, or takes over what Narthex or Prometheus left there.
  static Outcome<Database> Open(std::string directory);
  static Outcome<Database> Open(std::string directory, Options options);
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  // Closes it. Batches must be gone.
  ~Database();

  // Samples that become visible together. One thread at a time; dropped without Commit, it leaves
  // nothing behind.
  class Batch {
   public:
    Batch(Batch&&) noexcept;
    ~Batch();
    // kRefused leaves the rest of the batch as it is.
    Outcome<void> Add(const LabelList& labels, int64_t timestamp_ms, double value);
    Outcome<void> Commit();

   private:
    friend class Database;
    struct State;
    explicit Batch(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
  };
  Batch NewBatch();
  // A batch of one.
  Outcome<void> Append(const LabelList& labels, int64_t timestamp_ms, double value);

  // The answer at one moment. kInvalid carries `line:column` of the mistake.
  Outcome<Answer> Query(std::string_view promql, int64_t at_ms) const;
  // At each step from `begin_ms` to `end_ms`, both included: a kMatrix.
  Outcome<Answer> Query(std::string_view promql, int64_t begin_ms, int64_t end_ms,
                        int64_t step_ms) const;

  // Copies blocks (as hard links) and the newest samples to `<directory>/snapshots/<name>`, a data
  // directory of its own. The name.
  Outcome<std::string> Snapshot();

 private:
  struct State;
  explicit Database(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace narthex
