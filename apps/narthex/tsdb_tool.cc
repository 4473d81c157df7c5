#include "tsdb_tool.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/env.h"
#include "base/time_format.h"
#include "flags.h"
#include "json/writer.h"
#include "model/byte_size.h"
#include "model/number.h"
#include "promql/parser/parser.h"

namespace narthex::apps {
namespace {

constexpr char kDefaultDirectory[] = "data/";

constexpr CommandHelp kListHelp = {
    .name = "narthex tool tsdb list",
    .summary = "Lists the blocks of a data directory: stands in for promtool tsdb list.",
    .examples = "  narthex tool tsdb list data\n",
    .positional = "[DIR]",
};

constexpr FlagSpec kListFlags[] = {
    {"human-readable", FlagKind::kBool, "false", "Times and sizes for people."},
    {"r", FlagKind::kBool, "false", "The same, in short."},
};

constexpr CommandHelp kDumpHelp = {
    .name = "narthex tool tsdb dump",
    .summary =
        "Prints the samples of a data directory, one a line: stands in for "
        "promtool tsdb dump.",
    .examples = "  narthex tool tsdb dump --match='up' --min-time=1700000000000 data\n",
    .positional = "[DIR]",
};

constexpr CommandHelp kDumpOpenMetricsHelp = {
    .name = "narthex tool tsdb dump-openmetrics",
    .summary = "The same in the OpenMetrics format: stands in for promtool tsdb dump-openmetrics.",
    .examples = "  narthex tool tsdb dump-openmetrics data > samples.om\n",
    .positional = "[DIR]",
};

constexpr FlagSpec kDumpFlags[] = {
    {"min-time", FlagKind::kInt, "-9223372036854775808", "First time to print, in milliseconds."},
    {"max-time", FlagKind::kInt, "9223372036854775807", "Last time to print, in milliseconds."},
    {"match", FlagKind::kRepeated, "", "Series selector; several are printed one after another."},
    {"format", FlagKind::kString, "prom", "prom (samples) or seriesjson (label sets)."},
    {"sandbox-dir-root", FlagKind::kString, "", "Nothing is written here.", true, true},
};

// 2023-11-14 02:00:00 +0000 UTC
std::string FormatGoTime(int64_t ms) {
  std::string text = base::FormatRfc3339(ms);
  text[10] = ' ';
  return text.substr(0, 19) + " +0000 UTC";
}

using Row = std::array<std::string, 8>;

// Columns as wide as their widest cell and two spaces, 13 at least, but for the last one.
void PrintTable(const std::vector<Row>& rows) {
  constexpr size_t kPadding = 2;
  constexpr size_t kWidthMin = 13;
  std::array<size_t, std::tuple_size_v<Row>> widths{};
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max({widths[i], kWidthMin, row[i].size() + kPadding});
    }
  }
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i + 1 < row.size(); ++i) line += fmt::format("{:<{}}", row[i], widths[i]);
    fmt::print("{}{}\n", line, row.back());
  }
}

base::Result<std::string> DirectoryOf(const Flags& flags) {
  if (flags.positional().size() > 1) {
    return base::Fail(base::Code::kInvalidArgument, "unexpected argument \"{}\", see --help",
                      flags.positional()[1]);
  }
  return flags.positional().empty() ? std::string(kDefaultDirectory) : flags.positional()[0];
}

int Report(const CommandHelp& help, const base::Status& status) {
  if (status) return 0;
  fmt::print(stderr, "{}: {}\n", help.name, status.error().message);
  return 1;
}

base::Status List(const Flags& flags) {
  ASSIGN_OR_RETURN(const std::string directory, DirectoryOf(flags));
  ASSIGN_OR_RETURN(const auto blocks, OpenBlocks(directory));
  PrintBlocks(blocks, flags.Bool("human-readable") || flags.Bool("r"));
  return {};
}

// How one series and its samples become text.
using Format = void (*)(const model::Labels& labels, const model::SampleColumns& samples,
                        std::string& out);

void AppendLabels(const model::Labels& labels, bool with_name, std::string& out) {
  out += '{';
  bool first = true;
  for (const model::LabelView label : labels) {
    if (!with_name && label.name == model::kMetricName) continue;
    if (!first) out += ", ";
    first = false;
    if (model::IsLegacyLabelName(label.name)) {
      out += label.name;
    } else {
      model::AppendQuoted(out, label.name);
    }
    out += '=';
    model::AppendQuoted(out, label.value);
  }
  out += '}';
}

void FormatProm(const model::Labels& labels, const model::SampleColumns& samples,
                std::string& out) {
  std::string series;
  AppendLabels(labels, true, series);
  for (size_t i = 0; i < samples.size(); ++i) {
    out += series;
    out += ' ';
    model::AppendCompactFloat(out, samples.v[i]);
    out += fmt::format(" {}\n", samples.t[i]);
  }
}

void FormatOpenMetrics(const model::Labels& labels, const model::SampleColumns& samples,
                       std::string& out) {
  std::string series(labels.Get(model::kMetricName));
  AppendLabels(labels, false, series);
  for (size_t i = 0; i < samples.size(); ++i) {
    out += series;
    out += ' ';
    model::AppendCompactFloat(out, samples.v[i]);
    out += fmt::format(" {:.3f}\n", static_cast<double>(samples.t[i]) / 1000);
  }
}

void FormatSeriesJson(const model::Labels& labels, const model::SampleColumns&, std::string& out) {
  json::Writer writer;
  writer.BeginObject();
  for (const model::LabelView label : labels) writer.Key(label.name).String(label.value);
  writer.EndObject();
  out += writer.text() + "\n";
}

base::Status DumpSeries(storage::Querier& querier, const std::vector<model::Matcher>& matchers,
                        model::TimeRange range, Format format) {
  ASSIGN_OR_RETURN(const std::unique_ptr<storage::SeriesSet> set, querier.Select(matchers));
  model::SampleColumns samples;
  std::string text;
  for (size_t i = 0; i < set->size(); ++i) {
    RETURN_IF_ERROR(set->Read(i, range, samples));
    text.clear();
    format(set->labels(i), samples, text);
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
  return {};
}

base::Status Dump(const Flags& flags, Format format) {
  ASSIGN_OR_RETURN(const std::string directory, DirectoryOf(flags));
  if (flags.String("format") == "seriesjson") {
    format = FormatSeriesJson;
  } else if (flags.String("format") != "prom") {
    return base::Fail(base::Code::kInvalidArgument,
                      "--format: \"{}\" is neither prom nor seriesjson", flags.String("format"));
  }
  const model::TimeRange range{flags.Int("min-time"), flags.Int("max-time")};
  std::vector<std::vector<model::Matcher>> selections;
  for (const std::string& text : flags.List("match")) {
    ASSIGN_OR_RETURN(selections.emplace_back(), promql::ParseSelector(text));
  }
  if (selections.empty()) selections.emplace_back();
  base::Logger log(base::LogLevel::kWarn, base::LogFormat::kLogfmt);
  ASSIGN_OR_RETURN(const auto db, OpenForReading(directory, log));
  ASSIGN_OR_RETURN(const auto querier, db->OpenQuerier(range));
  for (const auto& matchers : selections) {
    RETURN_IF_ERROR(DumpSeries(*querier, matchers, range, format));
  }
  uint64_t unread = 0;
  for (const auto& block : *db->blocks()) unread += block->unread_chunks();
  if (unread > 0) {
    fmt::print(stderr, "{} chunks of an encoding that is not read were passed over\n", unread);
  }
  return {};
}

}  // namespace

base::Result<std::vector<std::shared_ptr<tsdb::Block>>> OpenBlocks(const std::string& directory) {
  base::FileSystem& files = base::PosixFileSystem();
  ASSIGN_OR_RETURN(const std::vector<std::string> paths, tsdb::ListBlocks(files, directory));
  std::vector<std::shared_ptr<tsdb::Block>> blocks;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(blocks.emplace_back(), tsdb::Block::Open(files, path));
  }
  std::ranges::sort(blocks, {}, [](const auto& block) {
    const tsdb::BlockMeta meta = block->meta();
    return std::pair(meta.min_time, meta.ulid);
  });
  return blocks;
}

// The files of a running server may go while they are opened: cut into a block, or compacted.
base::Result<std::unique_ptr<tsdb::Db>> OpenForReading(const std::string& directory,
                                                       base::Logger& log) {
  constexpr int kAttempts = 3;
  tsdb::Db::Options options{.directory = directory};
  options.read_only = true;
  auto db = tsdb::Db::Open(base::RealEnv(), log, options);
  for (int i = 1; i < kAttempts && !db && db.error().code == base::Code::kNotFound; ++i) {
    db = tsdb::Db::Open(base::RealEnv(), log, options);
  }
  return db;
}

void PrintBlocks(const std::vector<std::shared_ptr<tsdb::Block>>& blocks, bool readable) {
  std::vector<Row> rows = {{"BLOCK ULID", "MIN TIME", "MAX TIME", "DURATION", "NUM SAMPLES",
                            "NUM CHUNKS", "NUM SERIES", "SIZE"}};
  const auto time = [&](int64_t ms) { return readable ? FormatGoTime(ms) : std::to_string(ms); };
  for (const auto& block : blocks) {
    const tsdb::BlockMeta meta = block->meta();
    rows.push_back(
        {meta.ulid.ToString(), time(meta.min_time), time(meta.max_time),
         FormatGoDuration(meta.max_time - meta.min_time), std::to_string(meta.stats.samples),
         std::to_string(meta.stats.chunks), std::to_string(meta.stats.series),
         readable ? model::FormatBytes(block->bytes()) : std::to_string(block->bytes())});
  }
  PrintTable(rows);
}

std::string FormatGoDuration(int64_t ms) {
  if (ms == 0) return "0s";
  if (ms > -1000 && ms < 1000) return fmt::format("{}ms", ms);
  std::string text = ms < 0 ? "-" : "";
  const uint64_t all = ms < 0 ? 0 - static_cast<uint64_t>(ms) : static_cast<uint64_t>(ms);
  const uint64_t seconds = all / 1000;
  if (seconds >= 3600) text += fmt::format("{}h", seconds / 3600);
  if (seconds >= 60) text += fmt::format("{}m", seconds / 60 % 60);
  text += std::to_string(seconds % 60);
  if (all % 1000 != 0) {
    std::string fraction = fmt::format(".{:03}", all % 1000);
    while (fraction.ends_with('0')) fraction.pop_back();
    text += fraction;
  }
  return text + "s";
}

int RunTsdbList(int argc, char** argv) {
  const auto flags = ParseCommandLine(kListHelp, kListFlags, argc, argv);
  return flags ? Report(kListHelp, List(*flags)) : flags.error();
}

int RunTsdbDump(int argc, char** argv) {
  const auto flags = ParseCommandLine(kDumpHelp, kDumpFlags, argc, argv);
  return flags ? Report(kDumpHelp, Dump(*flags, FormatProm)) : flags.error();
}

int RunTsdbDumpOpenMetrics(int argc, char** argv) {
  const auto flags = ParseCommandLine(kDumpOpenMetricsHelp, kDumpFlags, argc, argv);
  if (!flags) return flags.error();
  const base::Status dumped = Dump(*flags, FormatOpenMetrics);
  if (dumped) fmt::print("# EOF\n");
  return Report(kDumpOpenMetricsHelp, dumped);
}

}  // namespace narthex::apps
