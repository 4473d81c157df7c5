#pragma once

#include <fmt/core.h>

#include <atomic>
#include <cstdint>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "promql/exec/grid.h"
#include "promql/exec/memory.h"
#include "promql/parser/ast.h"
#include "storage/storage.h"

namespace narthex::base {
class ThreadPool;
}

namespace narthex::promql {

// The error of a query past its limit of memory.
base::Status TooMuchMemory(uint64_t bytes_max);

// What a query still may: time, samples, memory, and whether anybody waits for it. Thread-safe.
class Budget {
 public:
  struct Options {
    const base::Clock* clock = nullptr;
    int64_t deadline_ns = 0;  // Of the clock's monotonic time.
    uint64_t samples_max = 0;
    uint64_t memory_bytes_max = UINT64_MAX;
    std::stop_token stop;
  };
  explicit Budget(Options options)
      : options_(std::move(options)), memory_(options_.memory_bytes_max) {}

  // Cheap; call it at least every 1,000 samples. Errors: kDeadlineExceeded, kCancelled,
  // kFailedPrecondition past the limit of memory.
  base::Status Check();
  // True where Check would give an error; looks at the clock each time. Check gives it from then
  // on.
  bool Ended();
  // True where somebody has seen that the query has ended. Looks at no clock and writes nothing, so
  // that it costs threads little to ask for every series.
  bool KnownToHaveEnded() const;
  // Takes note of samples that the query holds from now on. Error: kFailedPrecondition past the
  // limits of samples and memory.
  base::Status Charge(size_t samples);
  void Release(size_t samples) { held_.fetch_sub(samples, std::memory_order_relaxed); }
  // The same for what is held only until the next call: the samples of the one series at hand.
  base::Status ChargeBriefly(size_t samples, size_t bytes);
  // The error of Charge where so many bytes more would be too many. Takes no note.
  base::Status AdmitBytes(size_t bytes) const;
  // Samples that came from storage.
  void Read(size_t samples) { read_.fetch_add(samples, std::memory_order_relaxed); }

  MemoryAccount& memory() { return memory_; }
  uint64_t samples_max() const { return options_.samples_max; }
  uint64_t samples_peak() const { return peak_.load(std::memory_order_relaxed); }
  uint64_t samples_read() const { return read_.load(std::memory_order_relaxed); }

 private:
  void LookAtClock();
  base::Status Admit(uint64_t held);

  const Options options_;
  MemoryAccount memory_;
  std::atomic<uint64_t> calls_{0};
  std::atomic<bool> late_{false};  // The deadline has passed.
  std::atomic<uint64_t> held_{0};
  std::atomic<uint64_t> peak_{0};
  std::atomic<uint64_t> read_{0};
};

// Remarks about a query that got its answer all the same; each text once, in order. One thread at a
// time.
class Annotations {
 public:
  explicit Annotations(std::string_view query) : query_(query) {}

  template <class... Args>
  void Warn(Position at, fmt::format_string<Args...> format, Args&&... args) {
    Add(warnings_, "warning", at, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void Inform(Position at, fmt::format_string<Args...> format, Args&&... args) {
    Add(infos_, "info", at, fmt::format(format, std::forward<Args>(args)...));
  }
  void AddAll(const Annotations& other);
  void Clear();
  // None yet, about the same query.
  Annotations Empty() const { return Annotations(query_); }
  size_t size() const { return warnings_.size() + infos_.size(); }
  const std::vector<std::string>& warnings() const { return warnings_; }
  const std::vector<std::string>& infos() const { return infos_; }

 private:
  void Add(std::vector<std::string>& list, std::string_view level, Position at,
           std::string_view text);

  std::string_view query_;
  std::vector<std::string> warnings_;
  std::vector<std::string> infos_;
  std::set<std::string> seen_;
};

struct PlanNode;  // exec/plan.h

// Passes over a query that change how it is evaluated and never what it says. Each checks for
// itself where it may; switches are for tests and for who suspects one.
struct PassOptions {
  // What stands more than once in a query, at the same times, is evaluated once.
  bool share_subexpressions = true;
  // Names are left where whoever reads the rows looks at none.
  bool leave_names = true;
  // What `@` and literals pin is evaluated at one step.
  bool pin_invariants = true;
};

// Everything that all operators of one query share.
struct QueryContext {
  storage::Querier& querier;
  QueryTimes times;
  bool instant = false;
  int64_t lookback_ms = 0;
  int64_t subquery_step_ms = 0;
  bool delayed_name_removal = false;
  bool use_start_timestamps = false;
  Annotations annotations;
  Budget budget;
  const base::Clock* clock = nullptr;
  PassOptions passes;
  PlanNode* plan = nullptr;          // Where to tell what operators do; null: nobody asks.
  base::ThreadPool* pool = nullptr;  // Null: all on the query's own thread.
  size_t threads = 1;                // That it may use, its own included.
  size_t work_alone_max = 0;         // See Engine::Options.
};

}  // namespace narthex::promql
