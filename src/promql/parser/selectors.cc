#include "promql/parser/selectors.h"

namespace narthex::promql {
namespace {

// Trees are no deeper than the parser lets them be.
void Collect(const Expr& expr, std::vector<std::vector<model::Matcher>>& out) {
  switch (expr.kind) {
    case Expr::Kind::kNumber:
    case Expr::Kind::kString:
      return;
    case Expr::Kind::kVectorSelector:
      out.push_back(As<VectorSelector>(expr).matchers);
      return;
    case Expr::Kind::kMatrixSelector:
      return Collect(*As<MatrixSelector>(expr).vector, out);
    case Expr::Kind::kSubquery:
      return Collect(*As<Subquery>(expr).expr, out);
    case Expr::Kind::kUnary:
      return Collect(*As<Unary>(expr).expr, out);
    case Expr::Kind::kParen:
      return Collect(*As<Paren>(expr).expr, out);
    case Expr::Kind::kBinary:
      Collect(*As<Binary>(expr).left, out);
      return Collect(*As<Binary>(expr).right, out);
    case Expr::Kind::kCall:
      for (const ExprPtr& arg : As<Call>(expr).args) Collect(*arg, out);
      return;
    case Expr::Kind::kAggregate: {
      const auto& aggregate = As<Aggregate>(expr);
      if (aggregate.parameter != nullptr) Collect(*aggregate.parameter, out);
      return Collect(*aggregate.expr, out);
    }
  }
}

}  // namespace

std::vector<std::vector<model::Matcher>> SelectorsOf(const Expr& expr) {
  std::vector<std::vector<model::Matcher>> selectors;
  Collect(expr, selectors);
  return selectors;
}

}  // namespace narthex::promql
