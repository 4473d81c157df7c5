#pragma once

#include <string>
#include <vector>

#include "pipeline/describe.h"

namespace narthex::collector {

// The keys of one component, or those that several have in common. A value.
struct KeyTable {
  std::string title;     // "receiver otlp"; of a group its name.
  std::string markdown;  // A table, and what is known and has no effect, or is refused.
};

// In the order of the description, groups last.
std::vector<KeyTable> KeyTables(const pipeline::Description& description);

}  // namespace narthex::collector
