#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "promql/exec/context.h"
#include "promql/exec/operator.h"
#include "promql/functions/kernels.h"
#include "promql/parser/ast.h"

namespace narthex::promql {

// Whether histograms stay in the rows that a function is applied to, also
// behind it.
enum class KeepHistograms { kNo, kForFunction, kYes };

// Turns a syntax tree into running operators, part by part. Scalars are evaluated while planning:
// a scalar is one number per step. One thread at a time, one per query.
class Planner {
 public:
  explicit Planner(QueryContext& context) : context_(context) {}

  // REQUIRES: the expression is an instant vector.
  base::Result<VectorOperatorPtr> Vector(const Expr& expr, const Grid& grid);
  // REQUIRES: a range vector.
  base::Result<MatrixOperatorPtr> Matrix(const Expr& expr, const Grid& grid);
  // REQUIRES: a scalar. One value per step.
  base::Result<std::vector<double>> Scalar(const Expr& expr, const Grid& grid);
  // REQUIRES: a string.
  static const std::string& Text(const Expr& expr);

  // Applies `fn` to every row and drops its name; merges rows that became equal. Functions of
  // numbers leave nothing of histograms.
  base::Result<VectorOperatorPtr> Elementwise(VectorOperatorPtr input, ElementFn fn,
                                              ScalarArgs args, const Grid& grid,
                                              KeepHistograms keep = KeepHistograms::kNo);
  // The rows of an expression, all at once.
  base::Result<Rows> ReadVector(const Expr& expr, const Grid& grid);
  QueryContext& context() { return context_; }

  // Looks for subexpressions that stand more than once. `text`: of the query, which the positions
  // of `root` belong to.
  void FindShared(std::string_view text, const Expr& root);

 private:
  // The rows of a subexpression that stands more than once, for those who come later.
  struct Kept {
    Grid grid;
    Rows rows;
  };

  base::Result<VectorOperatorPtr> PlanVector(const Expr& expr, const Grid& grid);
  std::string_view TextOf(const Expr& expr) const;
  base::Result<VectorOperatorPtr> VectorNode(const Expr& expr, const Grid& grid);
  base::Result<VectorOperatorPtr> UnaryNode(const Unary& node, const Grid& grid);
  base::Result<VectorOperatorPtr> CallNode(const Call& node, const Grid& grid);
  base::Result<VectorOperatorPtr> WindowNode(const Call& node, WindowFn fn, const Grid& grid);
  base::Result<VectorOperatorPtr> ElementNode(const Call& node, ElementFn fn, const Grid& grid);
  base::Result<VectorOperatorPtr> Broadcast(const Expr& expr, const Grid& grid);
  base::Result<MatrixOperatorPtr> SubqueryNode(const Subquery& node, const Grid& grid);
  base::Result<std::vector<double>> ScalarBinary(const Binary& node, const Grid& grid);

  QueryContext& context_;
  std::string_view text_;
  std::map<std::string_view, std::vector<Kept>> shared_;  // By what is written.
};

// True when the value is the same at every step: literals, and what `@` pins.
bool IsStepInvariant(const Expr& expr);

// Warns once per value that is no quantile.
void WarnOfQuantiles(QueryContext& context, const std::vector<double>& quantiles, Position at);

}  // namespace narthex::promql
