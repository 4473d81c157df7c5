#include "promql/parser/printer.h"

#include <fmt/core.h>

#include <cmath>
#include <limits>

#include "model/duration.h"
#include "model/number.h"
#include "promql/functions/function.h"

namespace narthex::promql {
namespace {

// A number of seconds as a duration, or as a number where it is no whole count of milliseconds.
void AppendSeconds(std::string& out, double seconds) {
  const double ms = std::round(std::fabs(seconds) * 1000);
  if (std::signbit(seconds)) out += '-';
  if (ms / 1000 != std::fabs(seconds) || ms > 9e15)
    return model::AppendFixedFloat(out, std::fabs(seconds));
  out += model::FormatDuration(static_cast<int64_t>(ms));
}

void AppendLabelName(std::string& out, std::string_view name) {
  if (model::IsLegacyLabelName(name)) {
    out += name;
  } else {
    model::AppendQuoted(out, name);
  }
}

void AppendLabelList(std::string& out, const std::vector<std::string>& labels) {
  out += '(';
  for (size_t i = 0; i < labels.size(); ++i) {
    if (i > 0) out += ", ";
    AppendLabelName(out, labels[i]);
  }
  out += ')';
}

std::string_view DurationOpText(DurationExpr::Op op) {
  constexpr std::string_view kText[] = {" + ", " - ", " * ", " / ", " % ", " ^ "};
  return kText[static_cast<int>(op) - static_cast<int>(DurationExpr::Op::kAdd)];
}

void AppendDurationExpr(std::string& out, const DurationExpr& expr) {
  using Op = DurationExpr::Op;
  if (expr.parenthesised) out += '(';
  switch (expr.op) {
    case Op::kLiteral:
      if (expr.written_as_number) {
        model::AppendFixedFloat(out, expr.seconds);
      } else {
        AppendSeconds(out, expr.seconds);
      }
      break;
    case Op::kStep:
      out += "step()";
      break;
    case Op::kRange:
      out += "range()";
      break;
    case Op::kNegate:
    case Op::kPlus:
      out += expr.op == Op::kNegate ? '-' : '+';
      AppendDurationExpr(out, *expr.left);
      break;
    case Op::kMinOf:
    case Op::kMaxOf:
      out += expr.op == Op::kMinOf ? "min_of(" : "max_of(";
      AppendDurationExpr(out, *expr.left);
      out += ", ";
      AppendDurationExpr(out, *expr.right);
      out += ')';
      break;
    default:
      AppendDurationExpr(out, *expr.left);
      out += DurationOpText(expr.op);
      AppendDurationExpr(out, *expr.right);
  }
  if (expr.parenthesised) out += ')';
}

void AppendDuration(std::string& out, const Duration& duration) {
  if (duration.expr != nullptr) return AppendDurationExpr(out, *duration.expr);
  out += model::FormatDuration(duration.ms);
}

void AppendAtAndOffset(std::string& out, const AtModifier& at,
                       const std::optional<Duration>& offset) {
  switch (at.kind) {
    case AtModifier::Kind::kNone:
      break;
    case AtModifier::Kind::kTime:
      out += fmt::format(" @ {:.3f}", static_cast<double>(at.time) / 1000);
      break;
    case AtModifier::Kind::kStart:
      out += " @ start()";
      break;
    case AtModifier::Kind::kEnd:
      out += " @ end()";
      break;
  }
  if (offset) {
    out += " offset ";
    AppendDuration(out, *offset);
  }
}

void AppendSelector(std::string& out, const VectorSelector& node) {
  const bool bare_name = model::IsLegacyMetricName(node.name);
  std::string inner;
  const auto separate = [&] {
    if (!inner.empty()) inner += ',';
  };
  if (!node.name.empty() && !bare_name) model::AppendQuoted(inner, node.name);
  for (const model::Matcher& matcher : node.matchers) {
    const bool is_name = matcher.name() == model::kMetricName &&
                         matcher.type() == model::Matcher::Type::kEqual &&
                         matcher.value() == node.name;
    if (is_name && !node.name.empty()) continue;
    separate();
    inner += matcher.ToString();
  }
  if (bare_name) out += node.name;
  if (!inner.empty() || !bare_name) out += '{' + inner + '}';
}

void AppendRangeModifier(std::string& out, const VectorSelector& node) {
  if (node.anchored) out += " anchored";
  if (node.smoothed) out += " smoothed";
}

std::string SubqueryRange(const Subquery& node) {
  std::string out = "[";
  AppendDuration(out, node.range);
  out += ':';
  if (node.step) AppendDuration(out, *node.step);
  out += ']';
  AppendAtAndOffset(out, node.at, node.offset);
  return out;
}

std::string AggregateHead(const Aggregate& node) {
  std::string out(AggregateOpText(node.op));
  if (node.without || !node.grouping.empty()) {
    out += node.without ? " without " : " by ";
    AppendLabelList(out, node.grouping);
    out += ' ';
  }
  return out;
}

// " bool on (a) group_left (b)"
std::string OperatorTail(const Binary& node) {
  std::string out;
  if (node.return_bool) out += " bool";
  const VectorMatching& matching = node.matching;
  const bool grouped = matching.cardinality == Cardinality::kManyToOne ||
                       matching.cardinality == Cardinality::kOneToMany;
  if (matching.on || !matching.labels.empty() || grouped) {
    out += matching.on ? " on " : " ignoring ";
    AppendLabelList(out, matching.labels);
    if (grouped) {
      out += matching.cardinality == Cardinality::kManyToOne ? " group_left " : " group_right ";
      AppendLabelList(out, matching.include);
    }
  }
  const auto fill = [&](std::string_view name, double value) {
    out += fmt::format(" {} (", name);
    model::AppendFixedFloat(out, value);
    out += ')';
  };
  const auto& left = matching.fill_left;
  const auto& right = matching.fill_right;
  if (left && right && std::bit_cast<uint64_t>(*left) == std::bit_cast<uint64_t>(*right)) {
    fill("fill", *left);
  } else {
    if (left) fill("fill_left", *left);
    if (right) fill("fill_right", *right);
  }
  return out;
}

// Out of line, like all that needs room on the stack of the recursion below.
[[gnu::noinline]] void AppendOperator(std::string& out, const Binary& node) {
  out += fmt::format(" {}{} ", BinaryOpText(node.op), OperatorTail(node));
}

[[gnu::noinline]] void AppendSubqueryRange(std::string& out, const Subquery& node) {
  out += SubqueryRange(node);
}

[[gnu::noinline]] void AppendAggregateHead(std::string& out, const Aggregate& node) {
  out += AggregateHead(node);
}

// Stops early once the text is longer than `limit`.
void Append(std::string& out, const Expr& expr, size_t limit) {
  if (out.size() > limit) return;
  switch (expr.kind) {
    case Expr::Kind::kNumber: {
      const auto& node = As<Number>(expr);
      if (node.written_as_duration) return AppendSeconds(out, node.value);
      // A sign in front would bind weaker than `^`.
      if (node.value == std::numeric_limits<double>::infinity()) {
        out += "Inf";
        return;
      }
      return model::AppendFixedFloat(out, node.value);
    }
    case Expr::Kind::kString:
      return model::AppendQuoted(out, As<String>(expr).value);
    case Expr::Kind::kVectorSelector: {
      const auto& node = As<VectorSelector>(expr);
      AppendSelector(out, node);
      AppendRangeModifier(out, node);
      return AppendAtAndOffset(out, node.at, node.offset);
    }
    case Expr::Kind::kMatrixSelector: {
      const auto& node = As<MatrixSelector>(expr);
      AppendSelector(out, *node.vector);
      out += '[';
      AppendDuration(out, node.range);
      out += ']';
      AppendRangeModifier(out, *node.vector);
      return AppendAtAndOffset(out, node.vector->at, node.vector->offset);
    }
    case Expr::Kind::kSubquery:
      Append(out, *As<Subquery>(expr).expr, limit);
      return AppendSubqueryRange(out, As<Subquery>(expr));
    case Expr::Kind::kUnary:
      out += As<Unary>(expr).negate ? '-' : '+';
      return Append(out, *As<Unary>(expr).expr, limit);
    case Expr::Kind::kParen:
      out += '(';
      Append(out, *As<Paren>(expr).expr, limit);
      out += ')';
      return;
    case Expr::Kind::kBinary: {
      const auto& node = As<Binary>(expr);
      Append(out, *node.left, limit);
      AppendOperator(out, node);
      return Append(out, *node.right, limit);
    }
    case Expr::Kind::kCall: {
      const auto& node = As<Call>(expr);
      out += node.function->name;
      out += '(';
      for (size_t i = 0; i < node.args.size(); ++i) {
        if (i > 0) out += ", ";
        Append(out, *node.args[i], limit);
      }
      out += ')';
      return;
    }
    case Expr::Kind::kAggregate: {
      const auto& node = As<Aggregate>(expr);
      AppendAggregateHead(out, node);
      out += '(';
      if (node.parameter) {
        Append(out, *node.parameter, limit);
        out += ", ";
      }
      Append(out, *node.expr, limit);
      out += ')';
      return;
    }
  }
}

std::string Indent(size_t level) { return std::string(2 * level, ' '); }

// One node over several lines; what fits stays on one.
std::string PrettyAt(const Expr& expr, size_t level) {
  constexpr size_t kLineMax = 100;
  std::string line;
  Append(line, expr, kLineMax);
  const bool fits = line.size() <= kLineMax;
  switch (expr.kind) {
    case Expr::Kind::kAggregate: {
      if (fits) break;
      const auto& node = As<Aggregate>(expr);
      std::string out = Indent(level) + AggregateHead(node) + "(\n";
      if (node.parameter) out += PrettyAt(*node.parameter, level + 1) + ",\n";
      return out + PrettyAt(*node.expr, level + 1) + "\n" + Indent(level) + ")";
    }
    case Expr::Kind::kBinary: {
      if (fits) break;
      const auto& node = As<Binary>(expr);
      return PrettyAt(*node.left, level + 1) + "\n" + Indent(level) +
             std::string(BinaryOpText(node.op)) + OperatorTail(node) + "\n" +
             PrettyAt(*node.right, level + 1);
    }
    case Expr::Kind::kCall: {
      if (fits) break;
      const auto& node = As<Call>(expr);
      std::string out = Indent(level) + std::string(node.function->name) + "(\n";
      for (size_t i = 0; i < node.args.size(); ++i) {
        if (i > 0) out += ",\n";
        out += PrettyAt(*node.args[i], level + 1);
      }
      return out + "\n" + Indent(level) + ")";
    }
    case Expr::Kind::kParen:
      if (fits) break;
      return Indent(level) + "(\n" + PrettyAt(*As<Paren>(expr).expr, level + 1) + "\n" +
             Indent(level) + ")";
    case Expr::Kind::kSubquery:
      if (fits) break;
      return PrettyAt(*As<Subquery>(expr).expr, level) + SubqueryRange(As<Subquery>(expr));
    case Expr::Kind::kUnary: {
      if (fits) break;
      const auto& node = As<Unary>(expr);
      const std::string inner = PrettyAt(*node.expr, level);
      return Indent(level) + (node.negate ? "-" : "+") + inner.substr(inner.find_first_not_of(' '));
    }
    default:
      break;
  }
  return Indent(level) + (fits ? line : ToString(expr));
}

}  // namespace

std::string ToString(const Expr& expr) {
  std::string out;
  Append(out, expr, std::string::npos);
  return out;
}

std::string Pretty(const Expr& expr) { return PrettyAt(expr, 0); }

std::string OperatorText(const Expr& expr) {
  switch (expr.kind) {
    case Expr::Kind::kAggregate:
      return AggregateHead(As<Aggregate>(expr));
    case Expr::Kind::kBinary:
      return std::string(BinaryOpText(As<Binary>(expr).op)) + OperatorTail(As<Binary>(expr));
    case Expr::Kind::kUnary:
      return As<Unary>(expr).negate ? "-" : "+";
    case Expr::Kind::kCall: {
      const auto& call = As<Call>(expr);
      for (const ExprPtr& arg : call.args) {
        if (arg->type == ValueType::kMatrix) return ToString(expr);
      }
      return std::string(call.function->name);
    }
    default:
      return ToString(expr);
  }
}

std::string ToString(const Duration& duration) {
  std::string out;
  AppendDuration(out, duration);
  return out;
}

}  // namespace narthex::promql
