#include "promql/script/pinned.h"

#include "promql/functions/function.h"
#include "promql/parser/parser.h"
#include "promql/parser/printer.h"
#include "promql/script/script.h"

namespace narthex::promql {
namespace {

// Pins every selector and subquery that has no `@` of its own to a time, but for what lies inside
// a pinned subquery.
void PinTo(Expr& expr, model::Timestamp time) {
  const auto pin = [time](AtModifier& at) {
    if (!at) at = {AtModifier::Kind::kTime, time};
  };
  switch (expr.kind) {
    case Expr::Kind::kNumber:
    case Expr::Kind::kString:
      return;
    case Expr::Kind::kVectorSelector:
      return pin(As<VectorSelector>(expr).at);
    case Expr::Kind::kMatrixSelector:
      return pin(As<MatrixSelector>(expr).vector->at);
    case Expr::Kind::kSubquery:
      return pin(As<Subquery>(expr).at);
    case Expr::Kind::kUnary:
      return PinTo(*As<Unary>(expr).expr, time);
    case Expr::Kind::kParen:
      return PinTo(*As<Paren>(expr).expr, time);
    case Expr::Kind::kBinary:
      PinTo(*As<Binary>(expr).left, time);
      return PinTo(*As<Binary>(expr).right, time);
    case Expr::Kind::kCall: {
      auto& call = As<Call>(expr);
      // The second argument of info() has no time.
      const size_t count = call.function->name == "info" ? 1 : call.args.size();
      for (size_t i = 0; i < count; ++i) PinTo(*call.args[i], time);
      return;
    }
    case Expr::Kind::kAggregate:
      if (As<Aggregate>(expr).parameter) PinTo(*As<Aggregate>(expr).parameter, time);
      return PinTo(*As<Aggregate>(expr).expr, time);
  }
}

}  // namespace

std::string Pinned(std::string_view query, model::Timestamp time) {
  constexpr std::string_view kTimely[] = {"time(",          "timestamp(",    "predict_linear(",
                                          "days_in_month(", "day_of_month(", "day_of_week(",
                                          "day_of_year(",   "hour(",         "minute(",
                                          "month(",         "year(",         "start(",
                                          "end(",           "range(",        "step("};
  for (const std::string_view call : kTimely) {
    if (query.find(call) != std::string_view::npos) return {};
  }
  const auto expr = Parse(query, ScriptEngineOptions().parse);
  if (!expr) return {};
  PinTo(**expr, time);
  return ToString(**expr);
}

}  // namespace narthex::promql
