#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/labels.h"
#include "model/sample.h"
#include "promql/exec/context.h"
#include "promql/exec/grid.h"
#include "promql/exec/plan.h"
#include "promql/parser/ast.h"
#include "promql/parser/parser.h"
#include "storage/storage.h"

namespace narthex::base {
class ThreadPool;
}

namespace narthex::promql {

// One series of an answer. An instant vector has one sample per row, a scalar is a row without
// labels.
struct ResultRow {
  model::Labels labels;
  model::SampleColumns samples;
};

struct QueryStats {
  double queue_seconds = 0;    // Waiting for a turn.
  double prepare_seconds = 0;  // Parsing and opening the storage.
  double eval_seconds = 0;
  uint64_t samples_read = 0;  // From storage.
  uint64_t samples_peak = 0;  // Held at once.
  uint64_t memory_peak_bytes = 0;
  uint64_t memory_held_bytes = 0;  // By the result.
};

// The answer to a query. A value.
struct QueryResult {
  // kVector and kString for instant queries only; a range query's answer is always kMatrix.
  ValueType type = ValueType::kVector;
  // kMatrix: sorted by labels. kVector: sorted where the query says so, else in no special order.
  // kScalar: one row.
  std::vector<ResultRow> rows;
  std::string text;           // kString
  model::Timestamp time = 0;  // kString
  std::vector<std::string> warnings;
  std::vector<std::string> infos;
  QueryStats stats;
  std::shared_ptr<const PlanNode> plan;  // Where asked for.
};

// Answers PromQL queries. Thread-safe.
//
// Errors of both kinds of query carry upstream's words and a code that says what kind they are:
// kInvalidArgument: the text is wrong (bad_data); kFailedPrecondition: the data does not allow it
// (execution); kDeadlineExceeded; kCancelled; everything else is a fault of the storage (internal).
class Engine {
 public:
  // Told of each query that runs, on its thread. Thread-safe.
  class Listener {
   public:
    virtual ~Listener() = default;
    // What it returns is given to Ended.
    virtual size_t Began(std::string_view text) = 0;
    virtual void Ended(size_t began) = 0;
  };

  // Who asked for a query. Views of what outlives it.
  struct Origin {
    std::string_view client;  // "127.0.0.1"
    std::string_view method;
    std::string_view path;
  };
  // A query that has ended. Views that last for the call.
  struct Ended {
    std::string_view text;
    QueryTimes times;
    QueryStats stats;                // Of what came before an error, where there was one.
    const base::Error* error;        // Null: it has an answer.
    const Origin* origin = nullptr;  // Null: nobody in particular.
  };
  // Told of each query that has ended and whose text was right, on its thread. Thread-safe.
  class Log {
   public:
    virtual ~Log() = default;
    virtual void Write(const Ended& query) = 0;
  };

  struct Options {
    int64_t lookback_ms = 5 * 60 * 1000;
    int64_t timeout_ms = 2 * 60 * 1000;
    uint64_t samples_max = 50'000'000;
    uint64_t memory_bytes_max = uint64_t{2} << 30;  // Of one query, as it accounts for them.
    size_t concurrent_max = 20;
    size_t threads = 0;  // That one query may use at once; 0: as many as there are cores.
    // What of a selector is no more than so many samples and steps, 0.3 ms of work or so, stays on
    // the query's own thread: waking others would cost more.
    size_t work_alone_max = size_t{1} << 16;
    int64_t subquery_step_ms = 60 * 1000;  // Of `[5m:]`.
    ParseOptions parse;
    // Names go from the final result only, not at once where a function changes the meaning.
    bool delayed_name_removal = false;
    PassOptions passes;
    // rate(), increase(), irate() and resets() look at the start times of samples, and
    // start_timestamp() gives them.
    bool use_start_timestamps = false;
    Listener* listener = nullptr;
    Log* log = nullptr;
  };

  // What one query may change.
  struct QueryOptions {
    std::optional<int64_t> lookback_ms;
    std::optional<int64_t> timeout_ms;  // Never more than the engine's.
    std::stop_token stop;
    bool profile = false;            // Tell what the operators did.
    const Origin* origin = nullptr;  // For the log.
  };

  struct Range {
    model::Timestamp start = 0;
    model::Timestamp end = 0;  // Included where a step falls on it.
    int64_t step_ms = 0;
  };

  Engine(Options options, const base::Clock& clock);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  base::Result<QueryResult> Instant(storage::Queryable& storage, std::string_view text,
                                    model::Timestamp time, const QueryOptions& options) const;
  // REQUIRES: step_ms > 0 and start <= end.
  base::Result<QueryResult> OverRange(storage::Queryable& storage, std::string_view text,
                                      const Range& range, const QueryOptions& options) const;

  // Whether whoever writes down `result` may hold so many bytes beside it: they count as the
  // query's. Error: that of a query that would hold too much.
  base::Status AdmitAnswer(const QueryResult& result, size_t bytes) const;

  const Options& options() const { return options_; }

  // Since the engine was made.
  struct Statistics {
    uint64_t queries_now = 0;  // Running or waiting.
    uint64_t queries = 0;      // Ended, with or without an answer.
    uint64_t samples_read = 0;
    // Ended by a limit, or because nobody waited any more.
    uint64_t over_samples = 0;
    uint64_t over_memory = 0;
    uint64_t timed_out = 0;
    uint64_t cancelled = 0;
  };
  Statistics statistics() const;

 private:
  class Gate;
  class Counters;
  base::Result<QueryResult> Run(storage::Queryable& storage, std::string_view text,
                                const QueryTimes& times, const QueryOptions& options) const;
  struct Prepared;
  base::Status Execute(storage::Queryable& storage, const Prepared& query,
                       const QueryOptions& options, QueryResult& result) const;

  const Options options_;
  const base::Clock& clock_;
  const std::unique_ptr<Gate> gate_;
  const std::unique_ptr<Counters> counters_;
  const size_t threads_;
  const std::unique_ptr<base::ThreadPool> pool_;  // Null for one thread.
};

}  // namespace narthex::promql
