#include <fmt/core.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "commands.h"
#include "flags.h"
#include "promql_tool.h"
#include "tsdb_tool.h"

namespace narthex::apps {
namespace {

// A tool is two words: a group and what to do with it. One without a name takes what no other of
// its group does.
struct Tool {
  const char* group;
  const char* name;
  const char* summary;
  int (*run)(int argc, char** argv);
};

constexpr Tool kTools[] = {
    {"tsdb", "list", "the blocks of a data directory", &RunTsdbList},
    {"tsdb", "analyze", "which labels make a block large", &RunTsdbAnalyze},
    {"tsdb", "dump", "the samples of blocks and log", &RunTsdbDump},
    {"tsdb", "dump-openmetrics", "the same in the OpenMetrics format", &RunTsdbDumpOpenMetrics},
    {"tsdb", "create-blocks-from", "openmetrics FILE: blocks of samples with timestamps",
     &RunTsdbCreateBlocks},
    {"tsdb", "bench", "write [FILE]: how fast samples are written", &RunTsdbBench},
    {"query", "", "--data=DIR EXPR: PromQL over a data directory", &RunQuery},
    {"promql", "explain", "EXPR: the operators of a query, and what they did", &RunExplain},
    {"test", "promql", "FILE…: runs PromQL test scripts", &RunTestPromql},
};

std::string Help() {
  std::string out =
      "Looks into files without a server: stands in for promtool.\n\n"
      "Usage: narthex tool GROUP COMMAND [flags]\n\nCommands:\n";
  for (const Tool& tool : kTools) {
    out += fmt::format("  {:<24} {}\n", fmt::format("{} {}", tool.group, tool.name), tool.summary);
  }
  return out + "\n`narthex tool GROUP COMMAND --help` shows a command's flags.\n";
}

}  // namespace

int RunTool(int argc, char** argv) {
  const std::string_view group = argc > 1 ? argv[1] : "--help";
  if (group == "--help" || group == "-h" || group == "help") {
    fmt::print("{}", Help());
    return 0;
  }
  if (group == "--version") {
    fmt::print("{}\n", VersionText());
    return 0;
  }
  const std::string_view name = argc > 2 ? argv[2] : "";
  for (const Tool& tool : kTools) {
    if (group == tool.group && name == tool.name) return tool.run(argc - 2, argv + 2);
  }
  for (const Tool& tool : kTools) {
    if (group == tool.group && *tool.name == 0) return tool.run(argc - 1, argv + 1);
  }
  std::vector<std::string> candidates;
  for (const Tool& tool : kTools) candidates.push_back(fmt::format("{} {}", tool.group, tool.name));
  const std::string given = name.empty() ? std::string(group) : fmt::format("{} {}", group, name);
  const std::string closest = ClosestTo(given, candidates);
  if (closest.empty()) {
    fmt::print(stderr, "narthex tool: unknown command \"{}\", see narthex tool --help\n", given);
  } else {
    fmt::print(stderr, "narthex tool: unknown command \"{}\", did you mean `{}`?\n", given,
               closest);
  }
  return 2;
}

}  // namespace narthex::apps
