#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "promql/parser/ast.h"

namespace narthex::promql {

// What a query may cost before it is understood. Both limits answer hostile texts with an error.
struct ParseOptions {
  size_t text_bytes_max = size_t{1} << 20;
  uint32_t depth_max = 1000;  // Nodes on the longest way down the tree, and open brackets.
  // Functions, aggregations and modifiers that upstream hides behind feature flags.
  bool experimental_functions = false;
  bool extended_range_selectors = false;  // `anchored`, `smoothed`
  bool fill_modifiers = false;            // `fill(0)`
};

// The checked tree of a query: types fit, every selector has a matcher that does not match empty.
// Error: kInvalidArgument "1:5: parse error: …", line and column counted from 1, in bytes.
base::Result<ExprPtr> Parse(std::string_view text, const ParseOptions& options = {});

// The matchers of `metric{label="value"}`, as match[] parameters have them. Errors as above.
base::Result<std::vector<model::Matcher>> ParseSelector(std::string_view text,
                                                        const ParseOptions& options = {});

// "3:7" for a byte offset of a text.
std::string LineAndColumn(std::string_view text, uint32_t offset);

}  // namespace narthex::promql
