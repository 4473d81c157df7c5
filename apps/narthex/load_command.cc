#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/env.h"
#include "commands.h"
#include "flags.h"
#include "loadgen/load_run.h"
#include "loadgen/report.h"
#include "net/http_client.h"
#include "stop_signal.h"

namespace narthex::apps {
namespace {

constexpr CommandHelp kHelp = {
    "narthex load",
    "Sends weighted traffic to the demo's API at a planned rate, whatever the answers take.",
    "  narthex load                                  50 requests/s until Ctrl-C\n"
    "  narthex load --rate 200 --duration 30s        a run of its own\n"
    "  narthex load --duration 10s --quiet --json -  results as JSON\n",
};

constexpr FlagSpec kFlags[] = {
    {"target", FlagKind::kString, "http://127.0.0.1:8080", "Where the API listens."},
    {"rate", FlagKind::kFloat, "50", "Requests per second, all endpoints together."},
    {"duration", FlagKind::kDuration, "", "How long to send; without it until Ctrl-C."},
    {"arrival", FlagKind::kString, "poisson", "poisson (random gaps) or even."},
    {"seed", FlagKind::kInt, "1", "The same seed plans the same requests."},
    {"max-in-flight", FlagKind::kInt, "2000", "Requests over this many are dropped and counted."},
    {"timeout", FlagKind::kDuration, "30s", "How long to wait for an answer."},
    {"json", FlagKind::kString, "", "File for the results as JSON; - for standard output."},
    {"json.interval", FlagKind::kDuration, "0s",
     "Rewrite that file this often while running; 0 writes it once, at the end."},
    {"quiet", FlagKind::kBool, "false", "No live summary."},
};

constexpr std::chrono::milliseconds kPoll{100};
constexpr double kRedrawSeconds = 0.25;
constexpr double kLineSeconds = 1;
constexpr double kRateWindowSeconds = 2;  // Of the rates in the table.

base::Result<loadgen::LoadConfig> ConfigFrom(const Flags& flags) {
  loadgen::LoadConfig config;
  config.target = flags.String("target");
  while (config.target.ends_with('/')) config.target.pop_back();
  config.traffic.rate = flags.Float("rate");
  config.traffic.seed = static_cast<uint64_t>(flags.Int("seed"));
  if (flags.WasSet("duration")) {
    config.duration = std::chrono::milliseconds(flags.DurationMs("duration"));
  }
  config.timeout = std::chrono::milliseconds(flags.DurationMs("timeout"));
  config.in_flight_max = static_cast<size_t>(std::max<int64_t>(flags.Int("max-in-flight"), 1));
  if (config.traffic.rate <= 0 || config.timeout.count() <= 0) {
    return base::Fail(base::Code::kInvalidArgument, "--rate and --timeout must be positive");
  }
  if (flags.String("arrival") == "even") {
    config.traffic.arrival = loadgen::TrafficConfig::Arrival::kEven;
  } else if (flags.String("arrival") != "poisson") {
    return base::Fail(base::Code::kInvalidArgument, "--arrival: \"{}\" is not poisson or even",
                      flags.String("arrival"));
  }
  return config;
}

// Says when something periodic is to be done; also after the last request was sent, when only
// answers are waited for.
class Due {
 public:
  bool IsNow(double period_s) {
    const double now_s = static_cast<double>(base::SystemClock().MonotonicNs()) / 1e9;
    if (now_s < next_s_) return false;
    next_s_ = now_s + period_s;
    return true;
  }

 private:
  double next_s_ = 0;
};

// Keeps the terminal's last lines up to date, or writes a line a second where there is none.
class LiveView {
 public:
  LiveView(bool quiet, loadgen::LoadStats start)
      : quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1), before_(std::move(start)) {}

  void Show(const loadgen::LoadStats& now) {
    if (quiet_ || !due_.IsNow(terminal_ ? kRedrawSeconds : kLineSeconds)) return;
    if (!terminal_) {
      fmt::print(stderr, "{}\n", loadgen::FormatLine(now, before_));
      before_ = now;
      return;
    }
    const std::string table = loadgen::FormatTable(now, before_);
    fmt::print(stderr, "{}{}", Erase(), table);
    lines_ = std::ranges::count(table, '\n');
    if (now.elapsed_s - before_.elapsed_s >= kRateWindowSeconds) before_ = now;
  }

  std::string Erase() const {
    return lines_ == 0 ? std::string() : fmt::format("\x1b[{}A\x1b[J", lines_);
  }

 private:
  const bool quiet_;
  const bool terminal_;
  Due due_;
  std::ptrdiff_t lines_ = 0;
  loadgen::LoadStats before_;
};

// The file of --json: at the end, and every now and then before.
class ReportFile {
 public:
  ReportFile(const Flags& flags, const loadgen::LoadConfig& config)
      : path_(flags.String("json")),
        interval_s_(static_cast<double>(flags.DurationMs("json.interval")) / 1000),
        config_(config) {}

  void WriteWhenDue(const loadgen::LoadStats& stats) {
    if (interval_s_ <= 0 || path_ == "-" || !due_.IsNow(interval_s_)) return;
    // A failure shows again at the end, and is reported there.
    [[maybe_unused]] const base::Status status = Write(stats, false);
  }

  base::Status Write(const loadgen::LoadStats& stats, bool interrupted) {
    const std::string json = loadgen::FormatJson(config_, stats, interrupted) + "\n";
    if (path_.empty()) return {};
    if (path_ == "-") {
      fmt::print("{}", json);
      return {};
    }
    // Readers see one whole report or the other. Not synced: it does not matter after a crash.
    base::FileSystem& files = base::PosixFileSystem();
    const std::string unfinished = path_ + ".tmp";
    RETURN_IF_ERROR(base::RemoveAll(files, unfinished));
    {
      ASSIGN_OR_RETURN(const std::unique_ptr<base::File> file,
                       files.Open(unfinished, base::FileSystem::Mode::kCreateNew));
      RETURN_IF_ERROR(file->Append(json));
    }
    return files.Rename(unfinished, path_);
  }

 private:
  const std::string path_;
  const double interval_s_;
  const loadgen::LoadConfig& config_;
  Due due_;
};

}  // namespace

int RunLoad(int argc, char** argv) {
  const auto flags = ParseCommandLine(kHelp, kFlags, argc, argv);
  if (!flags.has_value()) return flags.error();
  const auto config = ConfigFrom(*flags);
  if (!config.has_value()) {
    fmt::print(stderr, "narthex load: {}\n", config.error().message);
    return 2;
  }
  StopSignal signal;
  net::HttpClient client;
  loadgen::LoadRun run(*config, client, base::SystemClock());
  if (const base::Status status = run.CheckTarget(); !status.has_value()) {
    fmt::print(stderr, "narthex load: {} (is `narthex api` running there?)\n",
               status.error().message);
    return 3;
  }
  ReportFile file(*flags, *config);
  LiveView view(flags->Bool("quiet"), run.Stats());
  bool interrupted = false;
  run.Start();
  while (!run.WaitUntilDone(std::chrono::milliseconds(0))) {
    if (signal.WaitFor(kPoll) == StopSignal::Event::kStop) {
      interrupted = true;
      run.Stop();
      run.WaitUntilDone(config->timeout + std::chrono::seconds(1));
    }
    view.Show(run.Stats());
    file.WriteWhenDue(run.Stats());
  }
  const loadgen::LoadStats stats = run.Stats();
  if (!flags->Bool("quiet")) {
    fmt::print(stderr, "{}{}", view.Erase(), loadgen::FormatSummary(stats));
  }
  const base::Status written = file.Write(stats, interrupted);
  if (!written.has_value()) {
    fmt::print(stderr, "narthex load: {}\n", written.error().message);
    return 1;
  }
  if (interrupted) return 130;
  return stats.Total().dropped > 0 ? 1 : 0;
}

}  // namespace narthex::apps
