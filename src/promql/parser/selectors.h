#pragma once

#include <vector>

#include "model/matcher.h"
#include "promql/parser/ast.h"

namespace narthex::promql {

// The matchers of every selector in the tree, from left to right.
std::vector<std::vector<model::Matcher>> SelectorsOf(const Expr& expr);

}  // namespace narthex::promql
