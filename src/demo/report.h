#pragma once

#include <string>
#include <vector>

#include "demo/ledger.h"
#include "demo/queries.h"

namespace narthex::demo {

// What a run came to.
struct Report {
  std::string run;
  double elapsed_s = 0;
  Ledger ledger;
  std::vector<QueryAnswer> answers;
  std::vector<std::string> problems;  // Hops that could not be read.
  std::vector<std::string> notes;     // Restarts: worth knowing, but no loss by themselves.

  // The ledger's differences and the problems.
  std::vector<std::string> Differences() const;
  bool adds_up() const { return Differences().empty(); }
};

// {"run":…, "hops":{"load":{"in":…,"out":…,"waiting":…,"lost":…}, …}, "queries":[…],
//  "differences":[…], "adds_up":true}
std::string FormatReport(const Report& report);

}  // namespace narthex::demo
