#include <fmt/core.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/env.h"
#include "base/random.h"
#include "commands.h"
#include "demo/supervisor.h"
#include "flags.h"
#include "net/http_client.h"
#include "stop_signal.h"

namespace narthex::apps {
namespace {

constexpr CommandHelp kHelp = {
    "narthex demo",
    "Runs the whole pipeline on this machine: load, API, collector and server.",
    "  narthex demo                                     until Ctrl-C, data stays in data/\n"
    "  narthex demo --rate 200 --duration 60s           for a minute\n"
    "  narthex demo --no-load                           you send the requests\n"
    "  narthex demo --duration 20s --json report.json   unattended; fails if a hop lost anything\n"
    "  narthex demo --once                              start, answer the queries, stop\n",
};

constexpr FlagSpec kFlags[] = {
    {"duration", FlagKind::kDuration, "", "How long to send load; without it until Ctrl-C."},
    {"rate", FlagKind::kFloat, "50", "Requests per second."},
    {"load", FlagKind::kBool, "true", "Send load."},
    {"seed", FlagKind::kInt, "1", "Of the traffic and of the API's latencies."},
    {"data-dir", FlagKind::kString, "data", "Where data, logs and effective files go."},
    {"config-dir", FlagKind::kString, "",
     "Holds otel-collector-config.yaml and prometheus.yml; without it ./config, or else the one "
     "beside the binary."},
    {"scrape-interval", FlagKind::kDuration, "1s",
     "How often the server scrapes; 0s leaves what prometheus.yml says."},
    {"json", FlagKind::kString, "", "File for what each hop counted; - for standard output."},
    {"once", FlagKind::kBool, "false", "Stop once the example queries have answers; print them."},
    {"quiet", FlagKind::kBool, "false", "No status."},
    {"host", FlagKind::kString, "127.0.0.1", "Address on which API and server listen."},
    {"api.port", FlagKind::kInt, "8080", "Port of the API."},
    {"otlp.grpc.port", FlagKind::kInt, "4317", "Port of the collector's OTLP over gRPC."},
    {"otlp.http.port", FlagKind::kInt, "4318", "Port of the collector's OTLP over HTTP."},
    {"exporter.port", FlagKind::kInt, "8889", "Port where the collector exposes the metrics."},
    {"telemetry.port", FlagKind::kInt, "8888", "Port where the collector exposes its own."},
    {"health.port", FlagKind::kInt, "13133", "Port of the collector's health check."},
    {"server.port", FlagKind::kInt, "9090", "Port of the server."},
};

constexpr std::chrono::milliseconds kTick{250};
constexpr int64_t kLineEveryNs = 5'000'000'000;

std::string ProgramPath() {
  char path[PATH_MAX];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
  return size <= 0 ? "/proc/self/exe" : std::string(path, static_cast<size_t>(size));
}

std::string ConfigDirectory(const Flags& flags, const std::string& program) {
  if (!flags.String("config-dir").empty()) return flags.String("config-dir");
  const std::string beside = base::ParentPath(program);
  for (const std::string& directory : {std::string("config"), beside + "/../../config"}) {
    const std::string file = base::JoinPath(directory, "prometheus.yml");
    if (base::PosixFileSystem().Exists(file).value_or(false)) return directory;
  }
  return "config";
}

base::Result<uint16_t> PortFrom(const Flags& flags, const char* name) {
  const int64_t port = flags.Int(name);
  if (port < 1 || port > UINT16_MAX) {
    return base::Fail(base::Code::kInvalidArgument, "flag --{}: {} is not a port", name, port);
  }
  return static_cast<uint16_t>(port);
}

base::Result<demo::Settings> SettingsFrom(const Flags& flags) {
  demo::Settings settings;
  settings.program = ProgramPath();
  settings.config_directory = ConfigDirectory(flags, settings.program);
  settings.data_directory = flags.String("data-dir");
  settings.host = flags.String("host");
  ASSIGN_OR_RETURN(settings.ports.api, PortFrom(flags, "api.port"));
  ASSIGN_OR_RETURN(settings.ports.otlp_grpc, PortFrom(flags, "otlp.grpc.port"));
  ASSIGN_OR_RETURN(settings.ports.otlp_http, PortFrom(flags, "otlp.http.port"));
  ASSIGN_OR_RETURN(settings.ports.exporter, PortFrom(flags, "exporter.port"));
  ASSIGN_OR_RETURN(settings.ports.telemetry, PortFrom(flags, "telemetry.port"));
  ASSIGN_OR_RETURN(settings.ports.health, PortFrom(flags, "health.port"));
  ASSIGN_OR_RETURN(settings.ports.server, PortFrom(flags, "server.port"));
  settings.scrape_interval = std::chrono::milliseconds(flags.DurationMs("scrape-interval"));
  settings.rate = flags.Float("rate");
  if (!(settings.rate > 0)) {
    return base::Fail(base::Code::kInvalidArgument, "--rate must be positive (--no-load for none)");
  }
  settings.seed = static_cast<uint64_t>(flags.Int("seed"));
  settings.load = flags.Bool("load");
  if (flags.WasSet("duration")) {
    settings.duration = std::chrono::milliseconds(flags.DurationMs("duration"));
  }
  settings.run = fmt::format("demo-{:016x}", base::RandomSeed());
  return settings;
}

// Redraws the status in place on a terminal; elsewhere writes a line every five seconds.
class StatusView {
 public:
  explicit StatusView(bool quiet) : quiet_(quiet), terminal_(isatty(STDOUT_FILENO) == 1) {}

  void Show(const demo::View& view) {
    if (quiet_) return;
    if (!terminal_) {
      const int64_t now_ns = base::SystemClock().MonotonicNs();
      if (now_ns < next_ns_) return;
      next_ns_ = now_ns + kLineEveryNs;
      fmt::print("{}\n", demo::FormatViewLine(view));
    } else {
      const std::string screen = demo::FormatScreen(view);
      // Up to where the last one began, and clear from there.
      if (lines_ > 0) fmt::print("\x1b[{}A\x1b[J", lines_);
      lines_ = std::ranges::count(screen, '\n');
      fmt::print("{}", screen);
    }
    std::fflush(stdout);
  }

  // A line that stays, below the status.
  void Say(const std::string& text) {
    if (quiet_) return;
    fmt::print("{}\n", text);
    std::fflush(stdout);
  }

 private:
  const bool quiet_;
  const bool terminal_;
  int64_t next_ns_ = 0;
  std::ptrdiff_t lines_ = 0;
};

// Until the run is over, for whatever reason. Error: a child cannot start.
base::Status Watch(demo::Supervisor& supervisor, StopSignal& signal, StatusView& view, bool once) {
  while (true) {
    supervisor.Tick();
    RETURN_IF_ERROR(supervisor.Health());
    view.Show(supervisor.view());
    if (supervisor.IsFinished() || (once && supervisor.HasAnswers())) return {};
    if (signal.WaitFor(kTick) == StopSignal::Event::kStop) return {};
  }
}

base::Status WriteReport(const std::string& path, const demo::Report& report) {
  if (path.empty()) return {};
  const std::string json = demo::FormatReport(report) + "\n";
  if (path != "-") return base::WriteFileAtomically(base::PosixFileSystem(), path, json);
  fmt::print("{}", json);
  return {};
}

int Fail(const base::Error& error, int code) {
  fmt::print(stderr, "narthex demo: {}\n", error.message);
  return code;
}

}  // namespace

int RunDemo(int argc, char** argv) {
  const auto flags = ParseCommandLine(kHelp, kFlags, argc, argv);
  if (!flags.has_value()) return flags.error();
  const base::Result<demo::Settings> settings = SettingsFrom(*flags);
  if (!settings.has_value()) return Fail(settings.error(), 2);
  StopSignal signal;
  net::HttpClient client;
  demo::Supervisor supervisor(*settings, base::RealEnv(), client);
  if (const base::Status status = supervisor.Start(); !status.has_value()) {
    return Fail(status.error(), 1);
  }
  // With the report on standard output nothing else goes there.
  StatusView view(flags->Bool("quiet") || flags->String("json") == "-");
  const base::Status watched = Watch(supervisor, signal, view, flags->Bool("once"));
  if (!watched.has_value()) return Fail(watched.error(), 1);
  const demo::Report report = supervisor.Stop([&](const std::string& text) { view.Say(text); });
  if (flags->Bool("once")) {
    for (const demo::QueryAnswer& answer : report.answers) {
      view.Say(fmt::format("{}\n    {}", answer.query->promql, demo::FormatAnswer(answer)));
    }
  }
  if (const base::Status status = WriteReport(flags->String("json"), report); !status.has_value()) {
    return Fail(status.error(), 1);
  }
  for (const std::string& note : report.notes) view.Say(note);
  for (const std::string& difference : report.Differences())
    view.Say("lost or unclear: " + difference);
  if (report.adds_up()) view.Say("every hop adds up; data stays in " + settings->data_directory);
  // Whoever stops by hand has seen the screen; unattended runs are judged by their sums.
  const bool unattended = flags->WasSet("duration") || flags->Bool("once");
  return unattended && !report.adds_up() ? 1 : 0;
}

}  // namespace narthex::apps
