#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

#include "base/bytes.h"
#include "flags.h"
#include "promql/parser/parser.h"
#include "tsdb_tool.h"

namespace narthex::apps {
namespace {

constexpr CommandHelp kHelp = {
    .name = "narthex tool tsdb analyze",
    .summary = "Shows which labels make a block large: stands in for promtool tsdb analyze.",
    .examples =
        "  narthex tool tsdb analyze data\n"
        "  narthex tool tsdb analyze --extended data 01M81HY7W4B3854A7QDSSR3YHH\n",
    .positional = "[DIR [BLOCK]]",
};

constexpr FlagSpec kFlags[] = {
    {"limit", FlagKind::kInt, "20", "Items to show in each list."},
    {"extended", FlagKind::kBool, "false", "How full the chunks are, too."},
    {"match", FlagKind::kString, "", "Only series that this selector matches."},
};

// 100 % in the list of --extended.
constexpr uint64_t kSamplesOfFullChunk = 120;
constexpr size_t kFullnessSteps = 10;

struct Count {
  uint64_t count;
  std::string name;
};

void PrintLargest(const char* title, std::vector<Count> counts, size_t limit) {
  fmt::print("\n{}:\n", title);
  std::ranges::sort(counts, [](const Count& a, const Count& b) {
    return a.count != b.count ? a.count > b.count : a.name < b.name;
  });
  for (size_t i = 0; i < std::min(limit, counts.size()); ++i) {
    fmt::print("{} {}\n", counts[i].count, counts[i].name);
  }
}

// What one pass over the series of a block adds up.
struct Totals {
  struct Pair {
    uint64_t series = 0;
    uint64_t uncovered_ms = 0;  // Of the block's time, summed over the series.
  };
  std::map<std::string, uint64_t> name_uncovered_ms;
  std::map<std::string, Pair> pairs;
  uint64_t entries = 0;
};

base::Result<Totals> AddUp(const tsdb::Block& block, const std::vector<tsdb::SeriesId>& ids) {
  Totals totals;
  const tsdb::BlockMeta meta = block.meta();
  const auto duration = static_cast<uint64_t>(meta.max_time - meta.min_time);
  for (const tsdb::SeriesId id : ids) {
    ASSIGN_OR_RETURN(const auto series, block.index().ReadSeries(id));
    uint64_t covered = 0;
    if (!series.chunks.empty()) {
      covered = static_cast<uint64_t>(series.chunks.back().max - series.chunks.front().min);
    }
    const uint64_t uncovered = duration - std::min(duration, covered);
    for (const model::LabelView label : series.labels) {
      const std::string name(label.name);
      totals.name_uncovered_ms[name] += uncovered;
      Totals::Pair& pair = totals.pairs[name + "=" + std::string(label.value)];
      pair.uncovered_ms += uncovered;
      ++pair.series;
      ++totals.entries;
    }
  }
  return totals;
}

base::Status PrintFullness(const tsdb::Block& block, const std::vector<tsdb::SeriesId>& ids) {
  std::array<uint64_t, kFullnessSteps> steps{};
  uint64_t chunks = 0;
  for (const tsdb::SeriesId id : ids) {
    ASSIGN_OR_RETURN(const auto series, block.index().ReadSeries(id));
    RETURN_IF_ERROR(
        block.chunks().Read(series.chunks, [&](size_t, tsdb::RawChunk chunk) -> base::Status {
          uint64_t samples = 0;
          if (chunk.bytes.size() >= 2) samples = base::LoadBigEndian<uint16_t>(chunk.bytes.data());
          // Rounded up: half full is "50%", one sample "10%".
          samples = std::clamp<uint64_t>(samples, 1, kSamplesOfFullChunk);
          ++steps[(samples * kFullnessSteps - 1) / kSamplesOfFullChunk];
          ++chunks;
          return {};
        }));
  }
  fmt::print("\nCompaction analysis:\n");
  fmt::print("Fullness: Amount of samples in chunks (100% is 120 samples)\n");
  for (size_t i = 0; i < steps.size(); ++i) {
    const uint64_t percent = chunks == 0 ? 0 : steps[i] * 100 / chunks;
    fmt::print("{:7}%: {}\n", (i + 1) * 10, std::string(percent, '#'));
  }
  return {};
}

base::Result<std::shared_ptr<tsdb::Block>> FindBlock(const std::vector<std::string>& words) {
  const std::string directory = words.empty() ? "data/" : words[0];
  ASSIGN_OR_RETURN(const auto blocks, OpenBlocks(directory));
  if (words.size() < 2) {
    if (blocks.empty()) {
      return base::Fail(base::Code::kNotFound, "there is no block in {}", directory);
    }
    return blocks.back();
  }
  for (const auto& block : blocks) {
    if (block->meta().ulid.ToString() == words[1]) return block;
  }
  return base::Fail(base::Code::kNotFound, "block {} not found", words[1]);
}

base::Status Analyze(const Flags& flags) {
  std::vector<model::Matcher> matchers;
  if (!flags.String("match").empty()) {
    ASSIGN_OR_RETURN(matchers, promql::ParseSelector(flags.String("match")));
  }
  const auto limit = static_cast<size_t>(std::max<int64_t>(flags.Int("limit"), 0));
  ASSIGN_OR_RETURN(const std::shared_ptr<tsdb::Block> block, FindBlock(flags.positional()));
  const tsdb::BlockMeta meta = block->meta();
  ASSIGN_OR_RETURN(const std::vector<std::string> names, block->LabelNames(matchers));
  ASSIGN_OR_RETURN(const std::vector<tsdb::SeriesId> ids, block->index().Select(matchers));
  ASSIGN_OR_RETURN(const Totals totals, AddUp(*block, ids));
  fmt::print("Block ID: {}\n", meta.ulid.ToString());
  fmt::print("Duration: {}\n", FormatGoDuration(meta.max_time - meta.min_time));
  fmt::print("Total Series: {}\n", meta.stats.series);
  if (!matchers.empty()) {
    fmt::print("Matcher: {}\n", flags.String("match"));
    fmt::print("Matched series: {}\n", ids.size());
  }
  fmt::print("Label names: {}\n", names.size());
  fmt::print("Postings (unique label pairs): {}\n", totals.pairs.size());
  fmt::print("Postings entries (total label pairs): {}\n", totals.entries);

  // In whole series: so many would have been absent all the time.
  const auto in_series = [&](uint64_t uncovered_ms) {
    const auto duration = static_cast<double>(std::max<int64_t>(meta.max_time - meta.min_time, 1));
    return static_cast<uint64_t>(static_cast<double>(uncovered_ms) / duration);
  };
  std::vector<Count> pair_churn;
  std::vector<Count> pair_series;
  std::vector<Count> metric_names;
  const std::string metric_prefix = std::string(model::kMetricName) + "=";
  for (const auto& [name, pair] : totals.pairs) {
    pair_churn.push_back({in_series(pair.uncovered_ms), name});
    pair_series.push_back({pair.series, name});
    if (name.starts_with(metric_prefix)) {
      metric_names.push_back({pair.series, name.substr(metric_prefix.size())});
    }
  }
  std::vector<Count> name_churn;
  for (const auto& [name, uncovered] : totals.name_uncovered_ms) {
    name_churn.push_back({in_series(uncovered), name});
  }
  std::vector<Count> value_bytes;
  std::vector<Count> cardinality;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(const std::vector<std::string> values, block->LabelValues(name, matchers));
    uint64_t bytes = 0;
    for (const std::string& value : values) bytes += value.size();
    value_bytes.push_back({bytes, name});
    cardinality.push_back({values.size(), name});
  }
  PrintLargest("Label pairs most involved in churning", std::move(pair_churn), limit);
  PrintLargest("Label names most involved in churning", std::move(name_churn), limit);
  PrintLargest("Most common label pairs", std::move(pair_series), limit);
  PrintLargest("Label names with highest cumulative label value length", std::move(value_bytes),
               limit);
  PrintLargest("Highest cardinality labels", std::move(cardinality), limit);
  PrintLargest("Highest cardinality metric names", std::move(metric_names), limit);
  return flags.Bool("extended") ? PrintFullness(*block, ids) : base::Status();
}

}  // namespace

int RunTsdbAnalyze(int argc, char** argv) {
  const auto flags = ParseCommandLine(kHelp, kFlags, argc, argv);
  if (!flags) return flags.error();
  const base::Status status = Analyze(*flags);
  if (status) return 0;
  fmt::print(stderr, "{}: {}\n", kHelp.name, status.error().message);
  return 1;
}

}  // namespace narthex::apps
