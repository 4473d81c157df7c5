#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "promql/engine.h"

namespace narthex::apps {

// `narthex tool query`: PromQL over a data directory; argv[0] is the last word of the command. The
// result is the exit code.
int RunQuery(int argc, char** argv);
// `narthex tool promql explain`: the operators of a query.
int RunExplain(int argc, char** argv);
// `narthex tool test promql`: runs PromQL test scripts.
int RunTestPromql(int argc, char** argv);

// The switches of --enable-feature, which takes lists. Names that are unknown or change nothing
// here are passed over with a warning that names `command`, as upstream does.
// `storage` may be null: where nothing is stored.
struct StorageFeatures {
  bool exemplars = false;
  bool metadata_records = false;
};
void ApplyFeatures(std::string_view command, const std::vector<std::string_view>& names,
                   promql::Engine::Options& engine, StorageFeatures* storage = nullptr);

enum class ResultFormat {
  kTable,
  kCsv,     // One sample a line, a column per label.
  kJson,    // As `data` of the HTTP API.
  kPromql,  // As promtool prints.
};
base::Result<ResultFormat> ParseResultFormat(std::string_view name);
std::string FormatResult(const promql::QueryResult& result, ResultFormat format);

// A message that begins with "line:column: " with that line of the query and a caret below.
std::string PointOut(std::string_view query, std::string_view message);

}  // namespace narthex::apps
