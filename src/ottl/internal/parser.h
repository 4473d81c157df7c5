#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "ottl/internal/node.h"

namespace narthex::ottl::internal {

struct Parsed {
  Node root;
  Level level = Level::kResource;  // The innermost that it needs.
};

// `level`: what paths without a prefix belong to.
// Error: kInvalidArgument "column 7: …".
base::Result<Parsed> ParseCondition(std::string_view text, Level level);

struct ParsedStatement {
  Node editor;
  std::optional<Node> where;
  Level level = Level::kResource;
};
base::Result<ParsedStatement> ParseStatement(std::string_view text, Level level);

}  // namespace narthex::ottl::internal
