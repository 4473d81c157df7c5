#pragma once

#include "promql/parser/duration_parser.h"

namespace narthex::promql {

// Selectors, the modifiers behind them, and lists of labels. Used by the parser only; methods that
// return null pointers or false have set the error.
class SelectorParser : public DurationParser {
 protected:
  using DurationParser::DurationParser;

  [[gnu::noinline]] std::unique_ptr<VectorSelector> ParseVectorSelector(bool labels_only = false);
  // "(a, b,)" as by, on and group_left take it.
  [[gnu::noinline]] bool ParseLabelList(std::vector<std::string>& labels);
  [[gnu::noinline]] ExprPtr ParseOffset(ExprPtr expr);
  [[gnu::noinline]] ExprPtr ParseAt(ExprPtr expr);
  [[gnu::noinline]] ExprPtr ParseRangeModifier(ExprPtr expr);

 private:
  [[gnu::noinline]] bool ParseMatchers(VectorSelector& node);
  [[gnu::noinline]] bool ParseMatcher(VectorSelector& node);
  // `{"metric.name"}`.
  bool SetQuotedName(VectorSelector& node, std::string name, Position position);
};

}  // namespace narthex::promql
