#pragma once

#include <string>

#include "promql/parser/ast.h"

namespace narthex::promql {

// The query on one line, normalised as upstream prints it. Parsing the text gives an equal tree.
std::string ToString(const Expr& expr);

// The same over several indented lines wherever a node is longer than 100 characters.
std::string Pretty(const Expr& expr);

// A node without its operands: `sum by (job)`, `rate`, `* on (pod)`; selectors whole.
std::string OperatorText(const Expr& expr);

// "[5m * 2]" without the brackets.
std::string ToString(const Duration& duration);

}  // namespace narthex::promql
