#include "promql_tool.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>

#include "api/request.h"
#include "base/env.h"
#include "base/log.h"
#include "flags.h"
#include "promql/script/script.h"
#include "promql/script/script_storage.h"
#include "tsdb/db.h"
#include "tsdb_tool.h"

namespace narthex::apps {
namespace {

constexpr CommandHelp kQueryHelp = {
    .name = "narthex tool query",
    .summary =
        "Asks a data directory, also that of a running server: blocks and log are read, nothing is "
        "locked or written.",
    .examples =
        "  narthex tool query --data=data 'sum by (job) (up)'\n"
        "  narthex tool query --data=data --start=2026-03-01T00:00:00Z --step=5m -o csv "
        "'rate(x[5m])'\n",
    .positional = "EXPR",
};

// The last is of explain alone.
constexpr FlagSpec kExplainFlags[] = {
    {"data", FlagKind::kString, "data/", "Data directory of a server, ours or Prometheus's."},
    {"time", FlagKind::kString, "",
     "Evaluation time, RFC 3339 or seconds since the epoch; default: that of the newest sample."},
    {"start", FlagKind::kString, "",
     "Start of a range query; default: an hour before its end. Makes it a range query."},
    {"end", FlagKind::kString, "",
     "End of a range query; default: the newest sample. Makes it a range query."},
    {"step", FlagKind::kString, "",
     "Step of a range query (\"1m\" or seconds); default: a 250th of it, a second at least. Makes "
     "it a range query."},
    {"format", FlagKind::kString, "table", "table, csv, json (as the HTTP API) or promql."},
    {"o", FlagKind::kString, "", "The same, in short."},
    {"query.lookback-delta", FlagKind::kDuration, "5m",
     "How far an instant selector looks back for a sample."},
    {"query.timeout", FlagKind::kDuration, "2m", "Longest time a query may take."},
    {"query.max-samples", FlagKind::kInt, "50000000", "Samples that a query may hold in memory."},
    {"query.max-memory", FlagKind::kBytes, "2GB", "Most memory that a query may hold."},
    {"query.threads", FlagKind::kInt, "0", "Threads that the query may use; 0: one per core."},
    {"enable-feature", FlagKind::kRepeated, "", "Lists of features, as of `narthex server`."},
    {"analyze", FlagKind::kBool, "false", "Run the query and measure."},
};
constexpr std::span kQueryFlags = std::span(kExplainFlags).first(std::size(kExplainFlags) - 1);

std::optional<model::Timestamp> NewestSample(const tsdb::Db& db) {
  model::Timestamp newest = db.head().statistics().max_time;
  for (const auto& block : *db.blocks()) newest = std::max(newest, block->meta().max_time - 1);
  return newest == model::kTimestampMin ? std::nullopt : std::optional(newest);
}

// Times and durations have the forms of the HTTP API.
base::Result<model::Timestamp> TimeFlag(const Flags& flags, std::string name,
                                        model::Timestamp absent) {
  api::Request request;
  if (!flags.String(name).empty()) request.params.Add(name, flags.String(name));
  return api::TimeParam(request, name, absent);
}

base::Result<promql::Engine::Range> RangeOf(const Flags& flags, model::Timestamp newest) {
  constexpr int64_t kHourMs = 3'600'000;
  constexpr int64_t kStepsByDefault = 250;
  promql::Engine::Range range;
  ASSIGN_OR_RETURN(range.end, TimeFlag(flags, "end", newest));
  ASSIGN_OR_RETURN(range.start, TimeFlag(flags, "start", range.end - kHourMs));
  if (range.end < range.start) {
    return base::Fail(base::Code::kInvalidArgument, "--end lies before --start");
  }
  api::Request request;
  request.params.Add("step", flags.String("step"));
  ASSIGN_OR_RETURN(const auto step, api::DurationParam(request, "step"));
  const int64_t by_default =
      std::max<int64_t>((range.end - range.start) / 1000 / kStepsByDefault, 1) * 1000;
  range.step_ms = step.value_or(by_default);
  if (range.step_ms <= 0) {
    return base::Fail(base::Code::kInvalidArgument, "--step: \"{}\" is no duration above zero",
                      flags.String("step"));
  }
  return range;
}

base::Result<promql::QueryResult> Ask(const CommandHelp& help, const Flags& flags,
                                      storage::Queryable& storage, model::Timestamp newest,
                                      const std::string& text, bool profile) {
  promql::Engine::Options options;
  options.lookback_ms = flags.DurationMs("query.lookback-delta");
  options.timeout_ms = flags.DurationMs("query.timeout");
  options.samples_max = static_cast<uint64_t>(std::max<int64_t>(flags.Int("query.max-samples"), 0));
  options.memory_bytes_max = flags.Bytes("query.max-memory");
  options.threads = static_cast<size_t>(std::max<int64_t>(flags.Int("query.threads"), 0));
  ApplyFeatures(help.name, flags.Items("enable-feature"), options);
  const promql::Engine engine(options, base::SystemClock());
  base::Result<promql::QueryResult> result;
  if (flags.WasSet("start") || flags.WasSet("end") || flags.WasSet("step")) {
    ASSIGN_OR_RETURN(const promql::Engine::Range range, RangeOf(flags, newest));
    result = engine.OverRange(storage, text, range, {.profile = profile});
  } else {
    ASSIGN_OR_RETURN(const model::Timestamp time, TimeFlag(flags, "time", newest));
    result = engine.Instant(storage, text, time, {.profile = profile});
  }
  if (!result) {
    return base::Fail(result.error().code, "{}", PointOut(text, result.error().message));
  }
  return result;
}

base::Result<promql::QueryResult> AskDirectory(const CommandHelp& help, const Flags& flags,
                                               const std::string& text, bool profile) {
  base::Logger log(base::LogLevel::kError, base::LogFormat::kLogfmt);
  ASSIGN_OR_RETURN(const auto db, OpenForReading(flags.String("data"), log));
  const model::Timestamp newest = NewestSample(*db).value_or(base::SystemClock().WallMs());
  return Ask(help, flags, *db, newest, text, profile);
}

base::Status Query(const Flags& flags, const std::string& text) {
  ASSIGN_OR_RETURN(const ResultFormat format,
                   ParseResultFormat(flags.String(flags.WasSet("o") ? "o" : "format")));
  ASSIGN_OR_RETURN(const promql::QueryResult result, AskDirectory(kQueryHelp, flags, text, false));
  for (const std::string& remark : result.warnings) fmt::print(stderr, "{}\n", remark);
  for (const std::string& remark : result.infos) fmt::print(stderr, "{}\n", remark);
  const std::string out = FormatResult(result, format);
  std::fwrite(out.data(), 1, out.size(), stdout);
  return {};
}

constexpr CommandHelp kExplainHelp = {
    .name = "narthex tool promql explain",
    .summary = "Shows the operators that a query becomes; with --analyze, what each of them did.",
    .examples =
        "  narthex tool promql explain 'sum by (job) (rate(x[5m]))'\n"
        "  narthex tool promql explain --analyze --data=data --step=1m 'sum(rate(x[5m]))'\n",
    .positional = "EXPR",
};

base::Status Explain(const Flags& flags, const std::string& text) {
  const bool analyze = flags.Bool("analyze");
  promql::ScriptStorage nothing;
  ASSIGN_OR_RETURN(const promql::QueryResult result,
                   analyze ? AskDirectory(kExplainHelp, flags, text, true)
                           : Ask(kExplainHelp, flags, nothing, 0, text, true));
  if (result.plan != nullptr) fmt::print("{}", promql::FormatPlan(*result.plan, analyze));
  if (!analyze) return {};
  fmt::print("{} samples read, at most {} held, {} bytes at once\n", result.stats.samples_read,
             result.stats.samples_peak, result.stats.memory_peak_bytes);
  return {};
}

constexpr CommandHelp kTestHelp = {
    .name = "narthex tool test promql",
    .summary =
        "Runs PromQL test scripts (load, eval, expect) and says which answers are not as written.",
    .examples = "  narthex tool test promql queries.test more.test\n",
    .positional = "FILE…",
};

constexpr FlagSpec kTestFlags[] = {
    {"q", FlagKind::kBool, "false", "Print failures only."},
};

// How many failures a file has.
base::Result<size_t> RunFile(const std::string& path, bool quiet) {
  ASSIGN_OR_RETURN(const std::string script, base::ReadFile(base::PosixFileSystem(), path));
  const promql::ScriptReport report = promql::RunScript(script);
  for (const auto& failure : report.failures) {
    fmt::print("{}:{}: {}\n", path, failure.line, failure.text);
  }
  if (!quiet) fmt::print("{}: {} of {} passed\n", path, report.passed, report.evals);
  return report.failures.size();
}

int RunWithExpression(const CommandHelp& help, std::span<const FlagSpec> specs, int argc,
                      char** argv, base::Status (*run)(const Flags&, const std::string&)) {
  const auto flags = ParseCommandLine(help, specs, argc, argv);
  if (!flags) return flags.error();
  if (flags->positional().size() != 1) {
    fmt::print(stderr, "{}: needs one expression, see --help\n", help.name);
    return 2;
  }
  const base::Status status = run(*flags, flags->positional()[0]);
  if (status) return 0;
  fmt::print(stderr, "{}: {}\n", help.name, status.error().message);
  return 1;
}

}  // namespace

int RunQuery(int argc, char** argv) {
  return RunWithExpression(kQueryHelp, kQueryFlags, argc, argv, &Query);
}

int RunExplain(int argc, char** argv) {
  return RunWithExpression(kExplainHelp, kExplainFlags, argc, argv, &Explain);
}

int RunTestPromql(int argc, char** argv) {
  const auto flags = ParseCommandLine(kTestHelp, kTestFlags, argc, argv);
  if (!flags) return flags.error();
  if (flags->positional().empty()) {
    fmt::print(stderr, "{}: needs a file, see --help\n", kTestHelp.name);
    return 2;
  }
  size_t failures = 0;
  for (const std::string& path : flags->positional()) {
    const auto failed = RunFile(path, flags->Bool("q"));
    if (!failed) fmt::print(stderr, "{}: {}\n", kTestHelp.name, failed.error().message);
    failures += failed.value_or(1);
  }
  return failures == 0 ? 0 : 1;
}

void ApplyFeatures(std::string_view command, const std::vector<std::string_view>& names,
                   promql::Engine::Options& engine, StorageFeatures* storage) {
  for (const std::string_view name : names) {
    if (name == "promql-experimental-functions") {
      engine.parse.experimental_functions = true;
    } else if (name == "promql-extended-range-selectors") {
      engine.parse.extended_range_selectors = true;
    } else if (name == "promql-binop-fill-modifiers") {
      engine.parse.fill_modifiers = true;
    } else if (name == "promql-delayed-name-removal") {
      engine.delayed_name_removal = true;
    } else if (name == "use-start-timestamps") {
      engine.use_start_timestamps = true;
    } else if (storage != nullptr && name == "exemplar-storage") {
      storage->exemplars = true;
    } else if (storage != nullptr && name == "metadata-wal-records") {
      storage->metadata_records = true;
    } else {
      fmt::print(stderr, "{}: warning: feature {} has no effect here\n", command, name);
    }
  }
}

}  // namespace narthex::apps
