#pragma once

#include <string>
#include <vector>

#include "demo/queries.h"

namespace narthex::demo {

// One hop of the pipeline as people see it.
struct HopView {
  std::string name;
  std::string state;  // "up", "starting", "down", "finished", "off"
  double rate = 0;
  std::string unit;  // "req", "points", "samples"
  uint64_t errors = 0;
  std::string detail;  // Lag and whatever else matters; why it is down.
};

struct View {
  double elapsed_s = 0;
  std::vector<HopView> hops;
  std::vector<std::pair<std::string, std::string>> links;  // Title and URL.
  std::vector<QueryAnswer> answers;
  std::string notice;  // What went wrong, or is being done.
};

// The status screen: at most 80 columns and 24 lines, each ending in a line break.
std::string FormatScreen(const View& view);
// The same in one line, for logs.
std::string FormatViewLine(const View& view);

}  // namespace narthex::demo
