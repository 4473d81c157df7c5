#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "tsdb/block/block.h"
#include "tsdb/db.h"

namespace narthex::apps {

// `narthex tool tsdb …`, each with promtool's flags and output; argv[0] is the last word of the
// command. The result is the exit code.
int RunTsdbList(int argc, char** argv);
int RunTsdbAnalyze(int argc, char** argv);
int RunTsdbDump(int argc, char** argv);
int RunTsdbDumpOpenMetrics(int argc, char** argv);
int RunTsdbCreateBlocks(int argc, char** argv);
int RunTsdbBench(int argc, char** argv);

// The blocks of a data directory, oldest first. Nothing is written.
base::Result<std::vector<std::shared_ptr<tsdb::Block>>> OpenBlocks(const std::string& directory);
// A data directory as it is, blocks and log, also of a running server; nothing is written.
base::Result<std::unique_ptr<tsdb::Db>> OpenForReading(const std::string& directory,
                                                       base::Logger& log);
// The table of `tsdb list`; `readable` for people.
void PrintBlocks(const std::vector<std::shared_ptr<tsdb::Block>>& blocks, bool readable);
// As Go prints a time.Duration: "1h59m59.966s", "0s".
std::string FormatGoDuration(int64_t ms);

}  // namespace narthex::apps
