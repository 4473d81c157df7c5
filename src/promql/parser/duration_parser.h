#pragma once

#include "promql/parser/token_reader.h"

namespace narthex::promql {

// Durations where the grammar wants one: `5m`, `300`, `(step() + 1m) * 2`. Used by the parser only.
class DurationParser : public TokenReader {
 protected:
  using TokenReader::TokenReader;

  // `positive`: a range or step. `simple`: an offset, where arithmetic needs parentheses.
  bool ParseDuration(Duration& duration, bool positive, bool simple);

 private:
  // Of a number or a duration.
  double LiteralSeconds(const Token& token) const;
  bool SetDuration(Duration& duration, double seconds, bool positive);
  [[gnu::noinline]] DurationExprPtr MakeDuration(DurationExpr::Op op, uint32_t begin,
                                                 DurationExprPtr left, DurationExprPtr right);
  [[gnu::noinline]] DurationExprPtr ParseDurationExpr(int strength_min);
  [[gnu::noinline]] DurationExprPtr ParseDurationUnary(bool powers);
  [[gnu::noinline]] DurationExprPtr ParseDurationPrimary();
  [[gnu::noinline]] DurationExprPtr ParseDurationCall();
};

}  // namespace narthex::promql
