#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "flags.h"
#include "json/reader.h"
#include "tsdb/db.h"
#include "tsdb_tool.h"

namespace narthex::apps {
namespace {

constexpr CommandHelp kHelp = {
    .name = "narthex tool tsdb bench write",
    .summary =
        "Measures how fast samples are written: stands in for promtool tsdb bench write. FILE has "
        "one series a line, as a JSON object of its labels; without it series are made up.",
    .examples = "  narthex tool tsdb bench write --metrics=100000 --scrapes=100\n",
    .positional = "[FILE]",
};

constexpr FlagSpec kFlags[] = {
    {"out", FlagKind::kString, "benchout", "Directory of the database; has to be empty."},
    {"metrics", FlagKind::kInt, "10000", "Number of series."},
    {"scrapes", FlagKind::kInt, "3000", "Samples per series."},
};

constexpr int64_t kIntervalMs = 15'000;
constexpr int64_t kBeginMs = 1'700'006'400'000;  // At the beginning of a block.
constexpr size_t kSeriesPerCommit = 2000;        // A large target.

double CpuSeconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

base::Result<std::vector<model::Labels>> ReadSeries(const std::string& path, size_t series_max) {
  ASSIGN_OR_RETURN(const std::string text, base::ReadFile(base::PosixFileSystem(), path));
  std::vector<model::Labels> series;
  size_t line_number = 0;
  for (size_t begin = 0; begin < text.size() && series.size() < series_max;) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line(text.data() + begin, end - begin);
    begin = end + 1;
    ++line_number;
    if (line.empty()) continue;
    const auto where = [&] { return fmt::format("{}:{}", path, line_number); };
    base::Result<json::Document> document = json::Document::Parse(line);
    if (!document) return std::unexpected(std::move(document.error()).In(where()));
    std::vector<model::Label> labels;
    bool good = document->root().kind() == json::Kind::kObject;
    document->root().ForEachMember([&](std::string_view name, json::Element value) {
      const auto text_value = value.String();
      good = good && text_value.has_value();
      if (good) labels.push_back({std::string(name), std::string(*text_value)});
      return good;
    });
    if (!good) {
      return base::Fail(base::Code::kInvalidArgument, "{}: expected an object of strings", where());
    }
    base::Result<model::Labels> made = model::Labels::From(std::move(labels));
    if (!made) return std::unexpected(std::move(made.error()).In(where()));
    series.push_back(*std::move(made));
  }
  return series;
}

// Eight labels each, as an exporter with histograms would have them.
std::vector<model::Labels> MakeUpSeries(size_t count) {
  std::vector<model::Labels> series;
  series.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    series.push_back(*model::Labels::From({{"__name__", fmt::format("metric_{}", i % 97)},
                                           {"instance", fmt::format("10.0.{}.7:9100", i / 2000)},
                                           {"job", "bench"},
                                           {"cluster", "eu-west"},
                                           {"handler", fmt::format("/api/v{}", i % 11)},
                                           {"method", i % 2 == 0 ? "GET" : "POST"},
                                           {"status", i % 5 == 0 ? "500" : "200"},
                                           {"shard", fmt::format("{}", i)}}));
  }
  return series;
}

struct Stage {
  double cpu_seconds = 0;
  double seconds = 0;
};

// Runs `work` and says what it took.
template <class Work>
base::Result<Stage> Measure(const char* name, Work work) {
  base::Clock& clock = base::SystemClock();
  fmt::print(">> start stage={}\n", name);
  const int64_t began_ns = clock.MonotonicNs();
  const double began_cpu = CpuSeconds();
  RETURN_IF_ERROR(work());
  const Stage stage{CpuSeconds() - began_cpu,
                    static_cast<double>(clock.MonotonicNs() - began_ns) / 1e9};
  fmt::print(">> completed stage={} duration={:.3f}s cpu={:.3f}s\n", name, stage.seconds,
             stage.cpu_seconds);
  return stage;
}

// One scrape of every series, a commit per target.
base::Status Ingest(tsdb::Db& db, const std::vector<model::Labels>& series,
                    std::vector<storage::SeriesRef>& refs, int64_t scrape) {
  const int64_t t = kBeginMs + scrape * kIntervalMs;
  for (size_t begin = 0; begin < series.size(); begin += kSeriesPerCommit) {
    const size_t end = std::min(begin + kSeriesPerCommit, series.size());
    const auto appender = db.OpenAppender();
    for (size_t i = begin; i < end; ++i) {
      if (refs[i] == 0) {
        ASSIGN_OR_RETURN(refs[i], appender->Resolve(series[i]));
      }
      const double value = static_cast<double>(scrape) * 10 + static_cast<double>(i % 1000);
      storage::Appended verdict = appender->Append(refs[i], t, value);
      if (verdict == storage::Appended::kUnknownSeries) {  // Dropped by a truncation.
        ASSIGN_OR_RETURN(refs[i], appender->Resolve(series[i]));
        verdict = appender->Append(refs[i], t, value);
      }
      if (verdict != storage::Appended::kYes) {
        return base::Fail(base::Code::kInternal, "{}: refused at {}", series[i].ToString(), t);
      }
    }
    RETURN_IF_ERROR(appender->Commit());
  }
  return {};
}

base::Status Bench(const Flags& flags) {
  const auto metrics = static_cast<size_t>(std::max<int64_t>(flags.Int("metrics"), 1));
  const int64_t scrapes = flags.Int("scrapes");
  std::vector<model::Labels> series;
  if (flags.positional().empty()) {
    series = MakeUpSeries(metrics);
  } else {
    ASSIGN_OR_RETURN(series, ReadSeries(flags.positional()[0], metrics));
  }
  const std::string directory = flags.String("out");
  base::Env env = base::RealEnv();
  ASSIGN_OR_RETURN(const bool exists, env.files.Exists(directory));
  if (exists) {
    ASSIGN_OR_RETURN(const auto entries, env.files.List(directory));
    if (!entries.empty()) {
      return base::Fail(base::Code::kFailedPrecondition, "--out: {} is not empty", directory);
    }
  }
  base::Logger log(base::LogLevel::kWarn, base::LogFormat::kLogfmt);
  tsdb::Db::Options options{.directory = directory};
  ASSIGN_OR_RETURN(std::unique_ptr<tsdb::Db> db, tsdb::Db::Open(env, log, options));

  std::vector<storage::SeriesRef> refs(series.size());
  ASSIGN_OR_RETURN(const Stage ingest, Measure("ingestScrapes", [&]() -> base::Status {
                     for (int64_t scrape = 0; scrape < scrapes; ++scrape) {
                       RETURN_IF_ERROR(Ingest(*db, series, refs, scrape));
                     }
                     return {};
                   }));
  const auto samples = static_cast<double>(series.size()) * static_cast<double>(scrapes);
  fmt::print(" > total samples: {:.0f}\n > samples/sec: {:.0f}\n > cpu ns/sample: {:.1f}\n",
             samples, samples / ingest.seconds, ingest.cpu_seconds * 1e9 / samples);
  ASSIGN_OR_RETURN([[maybe_unused]] const Stage compacted,
                   Measure("compaction", [&] { return db->Maintain(); }));
  uint64_t bytes = 0;
  uint64_t in_blocks = 0;
  for (const auto& block : *db->blocks()) {
    bytes += block->bytes();
    in_blocks += block->meta().stats.samples;
  }
  if (in_blocks > 0) {
    fmt::print(" > samples in blocks: {}\n > bytes/sample in blocks: {:.2f}\n", in_blocks,
               static_cast<double>(bytes) / static_cast<double>(in_blocks));
  }
  return {};
}

}  // namespace

int RunTsdbBench(int argc, char** argv) {
  const bool is_write = argc > 1 && std::string_view(argv[1]) == "write";
  if (!is_write && argc > 1 && argv[1][0] != '-') {
    fmt::print(stderr, "{}: \"{}\" is not measured, only write\n", kHelp.name, argv[1]);
    return 2;
  }
  const auto flags = ParseCommandLine(kHelp, kFlags, argc - is_write, argv + is_write);
  if (!flags) return flags.error();
  if (!is_write) {
    fmt::print(stderr, "{}: say what to measure: write\n", kHelp.name);
    return 2;
  }
  if (const base::Status done = Bench(*flags); !done) {
    fmt::print(stderr, "{}: {}\n", kHelp.name, done.error().message);
    return 1;
  }
  return 0;
}

}  // namespace narthex::apps
