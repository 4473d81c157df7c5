// The pass that evaluates once what stands more than once.

#include "promql/exec/plan.h"
#include "promql/exec/planner.h"
#include "promql/parser/printer.h"

namespace narthex::promql {
namespace {

// Parents before their operands.
template <class Visit>
void ForEachNode(const Expr& expr, Visit&& visit) {
  visit(expr);
  switch (expr.kind) {
    case Expr::Kind::kSubquery:
      return ForEachNode(*As<Subquery>(expr).expr, visit);
    case Expr::Kind::kUnary:
      return ForEachNode(*As<Unary>(expr).expr, visit);
    case Expr::Kind::kParen:
      return ForEachNode(*As<Paren>(expr).expr, visit);
    case Expr::Kind::kBinary:
      ForEachNode(*As<Binary>(expr).left, visit);
      return ForEachNode(*As<Binary>(expr).right, visit);
    case Expr::Kind::kCall:
      for (const ExprPtr& arg : As<Call>(expr).args) ForEachNode(*arg, visit);
      return;
    case Expr::Kind::kAggregate:
      if (As<Aggregate>(expr).parameter) ForEachNode(*As<Aggregate>(expr).parameter, visit);
      return ForEachNode(*As<Aggregate>(expr).expr, visit);
    default:
      return;
  }
}

}  // namespace

base::Result<Rows> Planner::ReadVector(const Expr& expr, const Grid& grid) {
  const auto found = shared_.find(TextOf(expr));
  std::vector<Kept>* const shared = found == shared_.end() ? nullptr : &found->second;
  if (shared != nullptr) {
    for (const Kept& kept : *shared) {
      if (kept.grid != grid) continue;
      if (context_.plan != nullptr) {
        PlanNode& node = *context_.plan->inputs.emplace_back(std::make_unique<PlanNode>());
        node.text = OperatorText(Unwrap(expr));
        node.notes = "evaluated already";
        node.series = kept.rows.rows.size();
      }
      return CopyRows(kept.rows, grid.steps, context_.budget);
    }
  }
  const size_t remarks = context_.annotations.size();
  ASSIGN_OR_RETURN(auto input, Vector(expr, grid));
  ASSIGN_OR_RETURN(Rows rows, ReadAll(*input, grid.steps, context_.budget));
  // Remarks name the place that they are about: each place has to make its own.
  if (shared != nullptr && context_.annotations.size() == remarks) {
    shared->push_back({grid, CopyRows(rows, grid.steps, context_.budget)});
  }
  return rows;
}

std::string_view Planner::TextOf(const Expr& expr) const {
  if (shared_.empty()) return {};
  const Position at = Unwrap(expr).position;
  return at.end <= text_.size() && at.begin < at.end ? text_.substr(at.begin, at.end - at.begin)
                                                     : std::string_view();
}

void Planner::FindShared(std::string_view text, const Expr& root) {
  // Looking costs the length of the text at every level.
  constexpr size_t kTextBytesMax = 4096;
  if (!context_.passes.share_subexpressions || text.size() > kTextBytesMax) return;
  text_ = text;
  std::map<std::string_view, size_t> uses;
  bool binary = false;
  ForEachNode(root, [&](const Expr& node) {
    binary |= node.kind == Expr::Kind::kBinary;
    const Position at = node.position;
    if (node.type != ValueType::kVector || at.end > text.size() || at.begin >= at.end) return;
    ++uses[text.substr(at.begin, at.end - at.begin)];
  });
  if (!binary) return;  // Nothing stands beside anything else.
  for (const auto& [written, count] : uses) {
    if (count > 1) shared_.try_emplace(written);
  }
}

}  // namespace narthex::promql
