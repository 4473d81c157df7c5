#include <fmt/core.h>

#include <cstdio>
#include <map>
#include <set>

#include "base/env.h"
#include "exposition/parser.h"
#include "flags.h"
#include "tsdb/block/block_writer.h"
#include "tsdb_tool.h"

namespace narthex::apps {
namespace {

constexpr CommandHelp kHelp = {
    .name = "narthex tool tsdb create-blocks-from openmetrics",
    .summary =
        "Turns samples with timestamps into blocks: stands in for promtool tsdb "
        "create-blocks-from openmetrics.",
    .examples = "  narthex tool tsdb create-blocks-from openmetrics samples.om data\n",
    .positional = "FILE [DIR]",
};

constexpr FlagSpec kFlags[] = {
    {"human-readable", FlagKind::kBool, "false", "Times and sizes for people."},
    {"r", FlagKind::kBool, "false", "The same, in short."},
    {"quiet", FlagKind::kBool, "false", "Do not list the blocks."},
    {"q", FlagKind::kBool, "false", "The same, in short."},
};

constexpr int64_t kBlockMs = 2 * 60 * 60 * 1000;
constexpr uint16_t kSamplesPerChunk = 120;

int64_t BlockOf(model::Timestamp t) {
  return (t >= 0 ? t / kBlockMs : (t - kBlockMs + 1) / kBlockMs) * kBlockMs;
}

// Calls visit(parser, time) for every sample.
template <class Visit>
base::Status ForEachSample(std::string_view body, Visit visit) {
  exposition::Parser parser(body, exposition::Format::kOpenMetrics);
  for (;;) {
    ASSIGN_OR_RETURN(const auto entry, parser.Next());
    if (!entry) return {};
    if (*entry != exposition::Parser::Entry::kSeries) continue;
    if (!parser.timestamp()) {
      return base::Fail(base::Code::kInvalidArgument, "{} has no timestamp", parser.series());
    }
    RETURN_IF_ERROR(visit(parser, *parser.timestamp()));
  }
}

struct Series {
  std::vector<chunk::XorChunk> chunks;
  std::vector<tsdb::EncodedChunk> encoded;  // Bytes and counts are filled in at the end.

  base::Status Add(const model::Labels& labels, model::Timestamp t, double v) {
    if (!chunks.empty() && t <= chunks.back().last_time()) {
      return base::Fail(base::Code::kInvalidArgument, "{}: time {} does not follow {}",
                        labels.ToString(), t, chunks.back().last_time());
    }
    if (chunks.empty() || chunks.back().count() == kSamplesPerChunk) {
      chunks.emplace_back();
      encoded.push_back({.min = t});
    }
    chunks.back().Append(t, v);
    encoded.back().max = t;
    return {};
  }
};

base::Status WriteBlock(const std::string& directory, std::string_view body, int64_t begin,
                        tsdb::Ulid ulid) {
  std::map<model::Labels, Series> all;
  std::set<std::string> symbols;
  tsdb::BlockMeta meta{.min_time = begin + kBlockMs, .max_time = begin};
  RETURN_IF_ERROR(
      ForEachSample(body, [&](exposition::Parser& parser, model::Timestamp t) -> base::Status {
        if (BlockOf(t) != begin) return {};
        ASSIGN_OR_RETURN(const model::Labels labels, parser.Labels());
        meta.min_time = std::min(meta.min_time, t);
        meta.max_time = std::max(meta.max_time, t + 1);
        return all[labels].Add(labels, t, parser.value());
      }));
  for (const auto& [labels, series] : all) {
    for (const model::LabelView label : labels) {
      symbols.emplace(label.name);
      symbols.emplace(label.value);
    }
  }
  ASSIGN_OR_RETURN(const auto writer,
                   tsdb::BlockWriter::Create(base::PosixFileSystem(), directory, {.ulid = ulid},
                                             {symbols.begin(), symbols.end()}));
  for (auto& [labels, series] : all) {
    for (size_t i = 0; i < series.chunks.size(); ++i) {
      series.encoded[i].samples = series.chunks[i].count();
      series.encoded[i].bytes = series.chunks[i].bytes();
    }
    RETURN_IF_ERROR(writer->AddSeries(labels, series.encoded));
  }
  ASSIGN_OR_RETURN(std::ignore, writer->Finish(std::move(meta)));
  return {};
}

base::Status Import(const Flags& flags) {
  const std::vector<std::string>& words = flags.positional();
  if (words.empty() || words.size() > 2) {
    return base::Fail(base::Code::kInvalidArgument, "expected FILE [DIR], see --help");
  }
  const base::Env env = base::RealEnv();
  const std::string directory = words.size() > 1 ? words[1] : "data/";
  ASSIGN_OR_RETURN(const std::unique_ptr<base::MappedFile> file, env.files.Map(words[0]));
  // The whole file is good before anything is written; then one pass for each block, so that only
  // one is in memory.
  std::set<int64_t> begins;
  RETURN_IF_ERROR(ForEachSample(
      file->bytes(), [&](exposition::Parser& parser, model::Timestamp t) -> base::Status {
        ASSIGN_OR_RETURN(std::ignore, parser.Labels());
        begins.insert(BlockOf(t));
        return {};
      }));
  // What was cut off reads as zeros, and would pass for a damaged line at best.
  if (!file->intact()) return base::Fail(base::Code::kDataLoss, "{} was cut off", words[0]);
  RETURN_IF_ERROR(env.files.CreateDirectories(directory));
  base::Random random(base::RandomSeed());
  std::vector<std::shared_ptr<tsdb::Block>> blocks;
  for (const int64_t begin : begins) {
    const tsdb::Ulid ulid = tsdb::Ulid::New(env.clock.WallMs(), random);
    RETURN_IF_ERROR(WriteBlock(directory, file->bytes(), begin, ulid));
    ASSIGN_OR_RETURN(blocks.emplace_back(),
                     tsdb::Block::Open(env.files, base::JoinPath(directory, ulid.ToString())));
  }
  if (blocks.empty() || flags.Bool("quiet") || flags.Bool("q")) return {};
  PrintBlocks(blocks, flags.Bool("human-readable") || flags.Bool("r"));
  return {};
}

}  // namespace

int RunTsdbCreateBlocks(int argc, char** argv) {
  const std::string_view source = argc > 1 ? argv[1] : "";
  if (source != "openmetrics" && source != "--help" && source != "-h") {
    fmt::print(stderr, "{}: unknown source \"{}\"\n", kHelp.name, source);
    return 2;
  }
  const int skip = source == "openmetrics" ? 1 : 0;
  const auto flags = ParseCommandLine(kHelp, kFlags, argc - skip, argv + skip);
  if (!flags) return flags.error();
  const base::Status status = Import(*flags);
  if (status) return 0;
  fmt::print(stderr, "{}: {}\n", kHelp.name, status.error().message);
  return 1;
}

}  // namespace narthex::apps
