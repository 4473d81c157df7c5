#include "promql/testing/naive_evaluator.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "promql/functions/function.h"

namespace narthex::promql {
namespace {

using model::Labels;
using model::Sample;
using model::Timestamp;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double Seconds(Timestamp t) { return static_cast<double>(t) / 1000; }

// The labels that absent() makes up.
Labels AbsentLabels(const Expr& arg) {
  const Expr& inner = Unwrap(arg);
  const VectorSelector* selector = nullptr;
  if (inner.kind == Expr::Kind::kVectorSelector) selector = &As<VectorSelector>(inner);
  if (inner.kind == Expr::Kind::kMatrixSelector) selector = As<MatrixSelector>(inner).vector.get();
  if (selector == nullptr) return {};
  std::map<std::string, std::vector<model::Matcher>> by_name;
  for (const model::Matcher& matcher : selector->matchers) {
    by_name[matcher.name()].push_back(matcher);
  }
  std::vector<model::Label> labels;
  for (const auto& [name, matchers] : by_name) {
    const bool says = matchers.size() == 1 && matchers[0].type() == model::Matcher::Type::kEqual;
    if (name != model::kMetricName && says) labels.push_back({name, matchers[0].value()});
  }
  return *Labels::From(std::move(labels));
}

bool TakesSamples(const Call& call) {
  return std::ranges::any_of(call.args,
                             [](const ExprPtr& arg) { return arg->type == ValueType::kMatrix; });
}

const std::string& Text(const Expr& expr) { return As<String>(Unwrap(expr)).value; }

}  // namespace

Timestamp NaiveEvaluator::Moved(Timestamp t, const std::optional<Duration>& offset,
                                const AtModifier& at) const {
  if (at.kind == AtModifier::Kind::kTime) t = at.time;
  if (at.kind == AtModifier::Kind::kStart) t = times_.start;
  if (at.kind == AtModifier::Kind::kEnd) t = times_.end;
  return offset ? t - offset->ms : t;
}

NaiveVector NaiveEvaluator::Select(const VectorSelector& selector, Timestamp t, bool times) const {
  const Timestamp at = Moved(t, selector.offset, selector.at);
  NaiveVector found;
  for (const auto& [labels, samples] : world_) {
    if (!model::AllMatch(selector.matchers, labels)) continue;
    const Sample* newest = nullptr;
    for (const Sample& sample : samples) {
      if (sample.t <= at && sample.t > at - options_.lookback_ms) newest = &sample;
    }
    if (newest == nullptr || model::IsStaleNan(newest->v)) continue;
    found.push_back({labels, times ? Seconds(newest->t) : newest->v});
  }
  return found;
}

base::Result<NaiveMatrix> NaiveEvaluator::Matrix(const Expr& expr, Timestamp t) const {
  const Expr& inner = Unwrap(expr);
  NaiveMatrix matrix;
  if (inner.kind == Expr::Kind::kMatrixSelector) {
    const auto& node = As<MatrixSelector>(inner);
    const Timestamp end = Moved(t, node.vector->offset, node.vector->at);
    for (const auto& [labels, samples] : world_) {
      if (!model::AllMatch(node.vector->matchers, labels)) continue;
      std::vector<Sample> inside;
      for (const Sample& sample : samples) {
        const bool in = sample.t > end - node.range.ms && sample.t <= end;
        if (in && !model::IsStaleNan(sample.v)) inside.push_back(sample);
      }
      if (!inside.empty()) matrix.emplace_back(labels, std::move(inside));
    }
    return matrix;
  }
  const auto& node = As<Subquery>(inner);
  const Timestamp end = Moved(t, node.offset, node.at);
  const int64_t step = node.step ? node.step->ms : options_.subquery_step_ms;
  std::map<Labels, std::vector<Sample>> by_labels;
  const Timestamp open_start = end - node.range.ms;
  for (Timestamp at = (open_start / step - 1) * step; at <= end; at += step) {
    if (at <= open_start) continue;
    ASSIGN_OR_RETURN(const NaiveVector vector, Vector(*node.expr, at));
    for (const NaiveElement& element : vector) {
      by_labels[element.labels].push_back({at, element.value});
    }
  }
  for (auto& [labels, samples] : by_labels) matrix.emplace_back(labels, std::move(samples));
  return matrix;
}

base::Result<double> NaiveEvaluator::Scalar(const Expr& expr, Timestamp t) const {
  const Expr& inner = Unwrap(expr);
  if (inner.kind == Expr::Kind::kNumber) return As<Number>(inner).value;
  if (inner.kind == Expr::Kind::kUnary) {
    ASSIGN_OR_RETURN(const double value, Scalar(*As<Unary>(inner).expr, t));
    return As<Unary>(inner).negate ? -value : value;
  }
  if (inner.kind == Expr::Kind::kBinary) {
    const auto& node = As<Binary>(inner);
    ASSIGN_OR_RETURN(const double left, Scalar(*node.left, t));
    ASSIGN_OR_RETURN(const double right, Scalar(*node.right, t));
    return NaiveApply(node.op, left, right);
  }
  const auto& call = As<Call>(inner);
  const std::string_view name = call.function->name;
  if (name == "pi") return M_PI;
  if (name == "time") return Seconds(t);
  if (name == "start") return Seconds(times_.start);
  if (name == "end") return Seconds(times_.end);
  if (name == "range") return Seconds(times_.end - times_.start);
  if (name == "step") return Seconds(times_.step_ms);
  if (name == "scalar") {
    ASSIGN_OR_RETURN(const NaiveVector vector, Vector(*call.args[0], t));
    return vector.size() == 1 ? vector[0].value : kNan;
  }
  ASSIGN_OR_RETURN(const double a, Scalar(*call.args[0], t));
  ASSIGN_OR_RETURN(const double b, Scalar(*call.args[1], t));
  if (std::isnan(a) || std::isnan(b)) return kNan;
  return name == "min_of" ? std::min(a, b) : std::max(a, b);
}

base::Result<NaiveVector> NaiveEvaluator::Vector(const Expr& expr, Timestamp t) const {
  const Expr& inner = Unwrap(expr);
  switch (inner.kind) {
    case Expr::Kind::kVectorSelector:
      return Select(As<VectorSelector>(inner), t, false);
    case Expr::Kind::kUnary: {
      ASSIGN_OR_RETURN(NaiveVector vector, Vector(*As<Unary>(inner).expr, t));
      if (!As<Unary>(inner).negate) return vector;
      for (NaiveElement& element : vector) {
        element = {NaiveDropName(element.labels), -element.value};
      }
      RETURN_IF_ERROR(NaiveRefuseDuplicates(vector));
      return vector;
    }
    case Expr::Kind::kBinary:
      return BinaryVector(As<Binary>(inner), t);
    case Expr::Kind::kAggregate:
      return AggregateVector(As<Aggregate>(inner), t);
    default:
      return CallVector(As<Call>(inner), t);
  }
}

base::Result<NaiveVector> NaiveEvaluator::BinaryVector(const Binary& node, Timestamp t) const {
  if (node.BothVectors()) {
    ASSIGN_OR_RETURN(const NaiveVector left, Vector(*node.left, t));
    ASSIGN_OR_RETURN(const NaiveVector right, Vector(*node.right, t));
    if (!IsSetOp(node.op)) return NaiveJoin(node, left, right);
    NaiveVector both = NaiveSetOp(node, left, right);
    RETURN_IF_ERROR(NaiveRefuseDuplicates(both));
    return both;
  }
  const bool vector_left = node.left->type == ValueType::kVector;
  ASSIGN_OR_RETURN(const NaiveVector vector, Vector(vector_left ? *node.left : *node.right, t));
  ASSIGN_OR_RETURN(const double scalar, Scalar(vector_left ? *node.right : *node.left, t));
  NaiveVector results;
  for (const NaiveElement& element : vector) {
    const double left = vector_left ? element.value : scalar;
    const double right = vector_left ? scalar : element.value;
    const double value = NaiveApply(node.op, left, right);
    if (!IsComparison(node.op) || node.return_bool) {
      results.push_back({NaiveDropName(element.labels), value});
    } else if (value == 1) {
      results.push_back(element);
    }
  }
  RETURN_IF_ERROR(NaiveRefuseDuplicates(results));
  return results;
}

base::Result<NaiveVector> NaiveEvaluator::AggregateVector(const Aggregate& node,
                                                          Timestamp t) const {
  double parameter = 0;
  std::string label;
  if (node.parameter != nullptr) {
    if (node.parameter->type == ValueType::kString) {
      label = Text(*node.parameter);
    } else {
      ASSIGN_OR_RETURN(parameter, Scalar(*node.parameter, t));
    }
  }
  ASSIGN_OR_RETURN(const NaiveVector input, Vector(*node.expr, t));
  return NaiveAggregate(node, parameter, label, input);
}

base::Result<NaiveVector> NaiveEvaluator::OverRange(const Call& call, Timestamp t) const {
  NaiveWindow window;
  window.t = t;
  NaiveMatrix matrix;
  for (const ExprPtr& arg : call.args) {
    if (arg->type != ValueType::kMatrix) {
      ASSIGN_OR_RETURN(window.scalars.emplace_back(), Scalar(*arg, t));
      continue;
    }
    ASSIGN_OR_RETURN(matrix, Matrix(*arg, t));
    const Expr& inner = Unwrap(*arg);
    if (inner.kind == Expr::Kind::kMatrixSelector) {
      const auto& node = As<MatrixSelector>(inner);
      window.end = Moved(t, node.vector->offset, node.vector->at);
      window.start = window.end - node.range.ms;
    } else {
      window.end = Moved(t, As<Subquery>(inner).offset, As<Subquery>(inner).at);
      window.start = window.end - As<Subquery>(inner).range.ms;
    }
  }
  const std::string_view name = call.function->name;
  if (name == "absent_over_time") {
    return matrix.empty() ? NaiveVector{{AbsentLabels(*call.args[0]), 1}} : NaiveVector{};
  }
  NaiveVector results;
  for (auto& [labels, samples] : matrix) {
    window.samples = std::move(samples);
    const bool keeps_name = name == "last_over_time" || name == "first_over_time";
    if (const auto value = NaiveOverRange(name, window)) {
      results.push_back({keeps_name ? labels : NaiveDropName(labels), *value});
    }
  }
  RETURN_IF_ERROR(NaiveRefuseDuplicates(results));
  return results;
}

base::Result<NaiveVector> NaiveEvaluator::Elementwise(const Call& call, Timestamp t) const {
  NaiveVector input = {{{}, Seconds(t)}};  // hour() and its like without argument.
  if (!call.args.empty()) {
    ASSIGN_OR_RETURN(input, Vector(*call.args[0], t));
  }
  std::vector<double> scalars;
  for (size_t i = 1; i < call.args.size(); ++i) {
    ASSIGN_OR_RETURN(scalars.emplace_back(), Scalar(*call.args[i], t));
  }
  NaiveVector results;
  for (const NaiveElement& element : input) {
    const auto value = NaiveOfNumber(call.function->name, element.value, scalars);
    if (value) results.push_back({NaiveDropName(element.labels), *value});
  }
  RETURN_IF_ERROR(NaiveRefuseDuplicates(results));
  return results;
}

base::Result<NaiveVector> NaiveEvaluator::Relabel(const Call& call, Timestamp t) const {
  ASSIGN_OR_RETURN(NaiveVector vector, Vector(*call.args[0], t));
  const std::string& destination = Text(*call.args[1]);
  for (NaiveElement& element : vector) {
    std::string value;
    if (call.function->name == "label_join") {
      for (size_t i = 3; i < call.args.size(); ++i) {
        if (i > 3) value += Text(*call.args[2]);
        value += element.labels.Get(Text(*call.args[i]));
      }
    } else {
      const auto regex = model::AnchoredRegex::Compile(Text(*call.args[4]));
      if (!regex) return base::Fail(base::Code::kFailedPrecondition, "invalid pattern");
      const std::string_view source = element.labels.Get(Text(*call.args[3]));
      if (!regex->Expand(source, Text(*call.args[2]), &value)) continue;
    }
    model::LabelsBuilder builder(element.labels);
    builder.Set(destination, value);
    element.labels = builder.Build();
  }
  RETURN_IF_ERROR(NaiveRefuseDuplicates(vector));
  return vector;
}

base::Result<NaiveVector> NaiveEvaluator::CallVector(const Call& call, Timestamp t) const {
  const std::string_view name = call.function->name;
  if (TakesSamples(call)) return OverRange(call, t);
  if (name == "label_replace" || name == "label_join") return Relabel(call, t);
  if (name == "vector") {
    ASSIGN_OR_RETURN(const double value, Scalar(*call.args[0], t));
    return NaiveVector{{{}, value}};
  }
  if (name == "timestamp" && Unwrap(*call.args[0]).kind == Expr::Kind::kVectorSelector) {
    NaiveVector times = Select(As<VectorSelector>(Unwrap(*call.args[0])), t, true);
    for (NaiveElement& element : times) element.labels = NaiveDropName(element.labels);
    RETURN_IF_ERROR(NaiveRefuseDuplicates(times));
    return times;
  }
  if (name == "histogram_quantile") {
    ASSIGN_OR_RETURN(const double q, Scalar(*call.args[0], t));
    ASSIGN_OR_RETURN(const NaiveVector buckets, Vector(*call.args[1], t));
    NaiveVector quantiles = NaiveHistogramQuantile(q, buckets);
    RETURN_IF_ERROR(NaiveRefuseDuplicates(quantiles));
    return quantiles;
  }
  if (name == "absent" || name == "sort" || name == "sort_desc" || name == "timestamp") {
    ASSIGN_OR_RETURN(NaiveVector vector, Vector(*call.args[0], t));
    if (name == "absent") {
      return vector.empty() ? NaiveVector{{AbsentLabels(*call.args[0]), 1}} : NaiveVector{};
    }
    if (name != "timestamp") return vector;  // Order is not looked at here.
    for (NaiveElement& element : vector) element = {NaiveDropName(element.labels), Seconds(t)};
    RETURN_IF_ERROR(NaiveRefuseDuplicates(vector));
    return vector;
  }
  return Elementwise(call, t);
}

Labels NaiveDropName(const Labels& labels) {
  return NaivePick(labels, {"__name__", "__type__", "__unit__"}, false);
}

Labels NaivePick(const Labels& labels, const std::vector<std::string>& names, bool keep) {
  std::vector<model::Label> picked;
  for (const model::LabelView label : labels) {
    const bool named = std::ranges::find(names, label.name) != names.end();
    if (named == keep) picked.push_back({std::string(label.name), std::string(label.value)});
  }
  return *Labels::From(std::move(picked));
}

base::Status NaiveRefuseDuplicates(const NaiveVector& vector) {
  std::set<Labels> seen;
  for (const NaiveElement& element : vector) {
    if (!seen.insert(element.labels).second) {
      return base::Fail(base::Code::kFailedPrecondition, "equal labels");
    }
  }
  return {};
}

}  // namespace narthex::promql
