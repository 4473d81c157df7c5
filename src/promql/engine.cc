#include "promql/engine.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

#include "base/mutex.h"
#include "base/thread_pool.h"
#include "promql/exec/context.h"
#include "promql/exec/group_key.h"
#include "promql/exec/planner.h"
#include "promql/exec/prepare.h"
#include "promql/exec/watch.h"

namespace narthex::promql {
namespace {

// Rows whose name was to go in the end lose it now; what became equal becomes one.
base::Result<Rows> RemoveNames(Rows rows, const Grid& grid, Budget& budget) {
  bool any = false;
  for (Row* row : rows.rows) {
    if (!row->drop_name) continue;
    row->labels = DropName(row->labels);
    any = true;
  }
  std::erase_if(rows.rows, [&](const Row* row) { return IsEmpty(*row, grid.steps); });
  if (!any) return rows;
  return MergeEqualRows(std::move(rows), grid.steps, budget);
}

// The memory of results stays held.
ResultRow ToResultRow(Row& row, const Grid& grid, Budget& budget, Watch& watch) {
  ResultRow result{std::move(row.labels), {}};
  const size_t count = CountPresent(row, grid.steps);
  budget.memory().Hold(count * kBytesPerSample);
  result.samples.t.reserve(count);
  result.samples.v.reserve(count);
  ForEachPresent(row.present, grid.steps, watch, [&](size_t step) {
    if (row.IsHistogram(step)) {
      result.samples.Add(grid.At(step), std::move(row.histograms[step]));
    } else {
      result.samples.Add(grid.At(step), row.values[step]);
    }
  });
  return result;
}

base::Result<std::vector<ResultRow>> EvaluateVector(Planner& planner, const Expr& expr,
                                                    const Grid& grid) {
  ASSIGN_OR_RETURN(Rows rows, planner.ReadVector(expr, grid));
  Budget& budget = planner.context().budget;
  ASSIGN_OR_RETURN(rows, RemoveNames(std::move(rows), grid, budget));
  std::vector<ResultRow> results;
  results.reserve(rows.rows.size());
  Watch watch(budget);
  for (Row* row : rows.rows) {
    RETURN_IF_ERROR(budget.Check());
    results.push_back(ToResultRow(*row, grid, budget, watch));
  }
  return results;
}

base::Result<std::vector<ResultRow>> EvaluateScalar(Planner& planner, const Expr& expr,
                                                    const Grid& grid) {
  ASSIGN_OR_RETURN(std::vector<double> values, planner.Scalar(expr, grid));
  RETURN_IF_ERROR(planner.context().budget.Charge(values.size()));
  std::vector<ResultRow> results(1);
  results[0].samples.v = std::move(values);
  Watch watch(planner.context().budget);
  results[0].samples.t.resize(grid.steps);
  watch.InStretches(0, grid.steps, [&](size_t from, size_t to) {
    for (size_t step = from; step < to; ++step) results[0].samples.t[step] = grid.At(step);
  });
  return results;
}

base::Result<std::vector<ResultRow>> EvaluateMatrix(Planner& planner, const Expr& expr,
                                                    const Grid& grid) {
  ASSIGN_OR_RETURN(auto input, planner.Matrix(expr, grid));
  std::vector<ResultRow> results;
  RangeSeries series;
  Watch watch(planner.context().budget);
  while (true) {
    ASSIGN_OR_RETURN(const bool more, input->Next(series));
    if (!more) return results;
    // The samples of a subquery can reach beyond its window.
    ResultRow row{series.drop_name ? DropName(series.labels) : series.labels, {}};
    ForEachWindow(input->windows, series.samples.t, watch, [&](size_t, size_t begin, size_t end) {
      watch.InStretches(begin, end, [&](size_t from, size_t to) {
        for (size_t i = from; i < to; ++i) row.samples.AddFrom(series.samples, i);
      });
    });
    if (row.samples.size() == 0) continue;
    planner.context().budget.memory().Hold(row.samples.size() * kBytesPerSample);
    RETURN_IF_ERROR(planner.context().budget.Charge(row.samples.size()));
    results.push_back(std::move(row));
  }
}

base::Result<std::vector<ResultRow>> Evaluate(Planner& planner, const Expr& expr,
                                              const Grid& grid) {
  switch (expr.type) {
    case ValueType::kScalar:
      return EvaluateScalar(planner, expr, grid);
    case ValueType::kMatrix:
      return EvaluateMatrix(planner, expr, grid);
    default:
      return EvaluateVector(planner, expr, grid);
  }
}

// Tells a listener, if there is one, of a query while it lives.
class Told {
 public:
  Told(Engine::Listener* listener, std::string_view text)
      : listener_(listener), began_(listener == nullptr ? 0 : listener->Began(text)) {}
  ~Told() {
    if (listener_ != nullptr) listener_->Ended(began_);
  }
  Told(const Told&) = delete;
  Told& operator=(const Told&) = delete;

 private:
  Engine::Listener* const listener_;
  const size_t began_;
};

double Seconds(int64_t ns) { return static_cast<double>(ns) / 1e9; }

}  // namespace

// Lets so many queries run at once; the others wait in line until their deadline.
class Engine::Gate {
 public:
  Gate(size_t slots, const base::Clock& clock) : free_(slots), clock_(clock) {}

  class Ticket {
   public:
    explicit Ticket(Gate& gate) : gate_(&gate) {}
    Ticket(Ticket&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Ticket& operator=(Ticket&&) = delete;
    ~Ticket() {
      if (gate_ != nullptr) gate_->Leave();
    }

   private:
    Gate* gate_;
  };

  base::Result<Ticket> Enter(int64_t deadline_ns, const std::stop_token& stop) {
    base::MutexLock lock(mutex_);
    while (free_ == 0) {
      if (stop.stop_requested()) {
        return base::Fail(base::Code::kCancelled, "query was canceled in query queue");
      }
      if (clock_.MonotonicNs() > deadline_ns) {
        return base::Fail(base::Code::kDeadlineExceeded, "query timed out in query queue");
      }
      // Looks up now and then: a stop request has no way to wake a waiter.
      left_.WaitFor(mutex_, std::chrono::milliseconds(50));
    }
    --free_;
    return Ticket(*this);
  }

 private:
  void Leave() {
    {
      base::MutexLock lock(mutex_);
      ++free_;
    }
    left_.NotifyOne();
  }

  base::Mutex mutex_;
  base::CondVar left_;
  size_t free_ GUARDED_BY(mutex_);
  const base::Clock& clock_;
};

class Engine::Counters {
 public:
  // Counts a query as one of now while it lives.
  class Running {
   public:
    explicit Running(Counters& counters) : counters_(counters) { ++counters_.now_; }
    ~Running() {
      --counters_.now_;
      ++counters_.queries_;
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

   private:
    Counters& counters_;
  };

  void CountEnd(const base::Status& status, Budget& budget) {
    samples_read_ += budget.samples_read();
    if (status) return;
    if (status.error().code == base::Code::kDeadlineExceeded) ++timed_out_;
    if (status.error().code == base::Code::kCancelled) ++cancelled_;
    if (budget.memory().exceeded()) ++over_memory_;
    if (budget.samples_peak() > budget.samples_max()) ++over_samples_;
  }
  void CountOverMemory() { ++over_memory_; }
  void CountGivenUp(const base::Error& error) {
    ++(error.code == base::Code::kCancelled ? cancelled_ : timed_out_);
  }

  Statistics Read() const {
    return {.queries_now = now_,
            .queries = queries_,
            .samples_read = samples_read_,
            .over_samples = over_samples_,
            .over_memory = over_memory_,
            .timed_out = timed_out_,
            .cancelled = cancelled_};
  }

 private:
  std::atomic<uint64_t> now_{0};
  std::atomic<uint64_t> queries_{0};
  std::atomic<uint64_t> samples_read_{0};
  std::atomic<uint64_t> over_samples_{0};
  std::atomic<uint64_t> over_memory_{0};
  std::atomic<uint64_t> timed_out_{0};
  std::atomic<uint64_t> cancelled_{0};
};

Engine::Engine(Options options, const base::Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      gate_(std::make_unique<Gate>(options_.concurrent_max, clock)),
      counters_(std::make_unique<Counters>()),
      threads_(options_.threads != 0 ? options_.threads
                                     : std::max<size_t>(std::thread::hardware_concurrency(), 1)),
      pool_(threads_ > 1 ? std::make_unique<base::ThreadPool>(threads_ - 1) : nullptr) {}

Engine::Statistics Engine::statistics() const { return counters_->Read(); }

Engine::~Engine() = default;

// A query whose text is right.
struct Engine::Prepared {
  std::string_view text;
  const Expr& expr;
  QueryTimes times;
  Grid grid;
  int64_t deadline_ns;

  bool instant() const { return times.step_ms == 0; }
};

base::Result<QueryResult> Engine::Run(storage::Queryable& storage, std::string_view text,
                                      const QueryTimes& times, const QueryOptions& options) const {
  const bool instant = times.step_ms == 0;
  Grid grid{times.start, 1, 1};
  if (!instant) {
    grid = {times.start, times.step_ms,
            static_cast<size_t>((times.end - times.start) / times.step_ms) + 1};
  }
  const Counters::Running running(*counters_);
  const int64_t began_ns = clock_.MonotonicNs();
  const int64_t timeout_ms =
      std::min(options_.timeout_ms, options.timeout_ms.value_or(options_.timeout_ms));
  ASSIGN_OR_RETURN(const ExprPtr expr, Parse(text, options_.parse));
  if (!instant && expr->type != ValueType::kVector && expr->type != ValueType::kScalar) {
    return base::Fail(base::Code::kInvalidArgument,
                      "invalid expression type \"{}\" for range query, must be Scalar or instant "
                      "Vector",
                      ValueTypeText(expr->type));
  }
  RETURN_IF_ERROR(ResolveTimes(*expr, times));
  MarkResetDetection(*expr);
  QueryResult result;
  result.type = instant ? expr->type : ValueType::kMatrix;
  result.stats.prepare_seconds = Seconds(clock_.MonotonicNs() - began_ns);
  const base::Status status = Execute(
      storage, {text, *expr, times, grid, began_ns + timeout_ms * 1'000'000}, options, result);
  if (options_.log != nullptr) {
    options_.log->Write({.text = text,
                         .times = times,
                         .stats = result.stats,
                         .error = status ? nullptr : &status.error(),
                         .origin = options.origin});
  }
  if (!status) return std::unexpected(status.error());
  return result;
}

base::Status Engine::Execute(storage::Queryable& storage, const Prepared& query,
                             const QueryOptions& options, QueryResult& result) const {
  if (query.expr.type == ValueType::kString) {
    result.text = Planner::Text(query.expr);
    result.time = query.grid.start;
    return {};
  }
  const int64_t parsed_ns = clock_.MonotonicNs();
  const auto ticket = gate_->Enter(query.deadline_ns, options.stop);
  const int64_t entered_ns = clock_.MonotonicNs();
  result.stats.queue_seconds = Seconds(entered_ns - parsed_ns);
  if (!ticket) {
    counters_->CountGivenUp(ticket.error());
    return std::unexpected(ticket.error());
  }
  const Told told(options_.listener, query.text);

  const int64_t lookback_ms = options.lookback_ms.value_or(options_.lookback_ms);
  ASSIGN_OR_RETURN(const auto querier,
                   storage.OpenQuerier(TouchedTimes(query.expr, query.grid, lookback_ms)));
  querier->UseThreads(threads_);
  QueryContext context{
      .querier = *querier,
      .times = query.times,
      .instant = query.instant(),
      .lookback_ms = lookback_ms,
      .subquery_step_ms = options_.subquery_step_ms,
      .delayed_name_removal = options_.delayed_name_removal,
      .use_start_timestamps = options_.use_start_timestamps,
      .annotations = Annotations(query.text),
      .budget = Budget(Budget::Options{.clock = &clock_,
                                       .deadline_ns = query.deadline_ns,
                                       .samples_max = options_.samples_max,
                                       .memory_bytes_max = options_.memory_bytes_max,
                                       .stop = options.stop}),
      .clock = &clock_,
      .passes = options_.passes,
      .pool = pool_.get(),
      .threads = threads_,
      .work_alone_max = options_.work_alone_max};
  const auto evaluate = [&]() -> base::Status {
    RETURN_IF_ERROR(context.budget.Check());
    std::shared_ptr<PlanNode> plan;
    std::optional<ScopedMeasure> measure;
    if (options.profile) {
      plan = std::make_shared<PlanNode>();
      plan->text = "query";
      context.plan = plan.get();
      measure.emplace(context, *plan);
      result.plan = plan;
    }
    Planner planner(context);
    planner.FindShared(query.text, query.expr);
    ASSIGN_OR_RETURN(result.rows, Evaluate(planner, query.expr, query.grid));
    RETURN_IF_ERROR(context.budget.Charge(0));  // What was held last counts too.
    // Whoever saw the end of a query in the midst of its work left it to this to say so.
    return context.budget.Ended() ? context.budget.Check() : base::Status{};
  };
  const base::Status status = evaluate();
  counters_->CountEnd(status, context.budget);
  if (status && result.type == ValueType::kMatrix) {
    std::ranges::sort(result.rows, {}, &ResultRow::labels);
  }
  result.warnings = context.annotations.warnings();
  result.infos = context.annotations.infos();
  result.stats.eval_seconds = Seconds(clock_.MonotonicNs() - entered_ns);
  result.stats.samples_read = context.budget.samples_read();
  result.stats.samples_peak = context.budget.samples_peak();
  result.stats.memory_peak_bytes = context.budget.memory().peak();
  result.stats.memory_held_bytes = context.budget.memory().held();
  return status;
}

base::Status Engine::AdmitAnswer(const QueryResult& result, size_t bytes) const {
  if (result.stats.memory_held_bytes + bytes <= options_.memory_bytes_max) return {};
  counters_->CountOverMemory();
  return TooMuchMemory(options_.memory_bytes_max);
}

base::Result<QueryResult> Engine::Instant(storage::Queryable& storage, std::string_view text,
                                          model::Timestamp time,
                                          const QueryOptions& options) const {
  return Run(storage, text, {time, time, 0}, options);
}

base::Result<QueryResult> Engine::OverRange(storage::Queryable& storage, std::string_view text,
                                            const Range& range, const QueryOptions& options) const {
  CHECK(range.step_ms > 0 && range.start <= range.end);
  const auto steps = static_cast<size_t>((range.end - range.start) / range.step_ms) + 1;
  if (steps > options_.samples_max) {
    return base::Fail(
        base::Code::kFailedPrecondition,
        "query processing would load too many samples into memory in query execution");
  }
  return Run(storage, text, {range.start, range.end, range.step_ms}, options);
}

}  // namespace narthex::promql
