#pragma once

#include <string_view>

#include "base/result.h"
#include "ottl/internal/node.h"

namespace narthex::ottl::internal {

// Nesting beyond this is refused.
inline constexpr int kDepthMax = 100;

struct Parsed {
  Node root;
  Level level = Level::kResource;  // The innermost that a path or function needs.
};

// See Condition::Parse.
base::Result<Parsed> ParseCondition(std::string_view text, Level level);

}  // namespace narthex::ottl::internal
