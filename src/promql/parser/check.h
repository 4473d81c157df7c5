#pragma once

#include <optional>

#include "promql/parser/ast.h"
#include "promql/parser/lexer.h"

namespace narthex::promql {

// Checks one node whose children are already checked, and settles its type. The first thing that
// is wrong, in upstream's words; nullopt when all is well.
std::optional<SyntaxError> CheckNode(Expr& node);

}  // namespace narthex::promql
