#include <algorithm>
#include <cmath>
#include <set>

#include "promql/testing/naive_evaluator.h"

namespace narthex::promql {
namespace {

using model::Labels;

Labels MatchKey(const VectorMatching& matching, const Labels& labels) {
  if (matching.on) return NaivePick(labels, matching.labels, true);
  std::vector<std::string> ignored = matching.labels;
  ignored.emplace_back("__name__");
  return NaivePick(labels, ignored, false);
}

bool DropsName(const Binary& node) { return node.return_bool || node.op <= BinaryOp::kAtan2; }

Labels ResultLabels(const Binary& node, const Labels& many, const Labels& one) {
  const VectorMatching& matching = node.matching;
  Labels labels = DropsName(node) ? NaiveDropName(many) : many;
  if (matching.cardinality == Cardinality::kOneToOne) {
    return NaivePick(labels, matching.labels, matching.on);
  }
  model::LabelsBuilder builder(labels);
  for (const std::string& name : matching.include) builder.Set(name, one.Get(name));
  return builder.Build();
}

base::Status Fail(std::string_view what) {
  return base::Fail(base::Code::kFailedPrecondition, "{}", what);
}

}  // namespace

double NaiveApply(BinaryOp op, double left, double right) {
  switch (op) {
    case BinaryOp::kAdd:
      return left + right;
    case BinaryOp::kSubtract:
      return left - right;
    case BinaryOp::kMultiply:
      return left * right;
    case BinaryOp::kDivide:
      return left / right;
    case BinaryOp::kModulo:
      return std::fmod(left, right);
    case BinaryOp::kPower:
      return std::pow(left, right);
    case BinaryOp::kAtan2:
      return std::atan2(left, right);
    case BinaryOp::kEqual:
      return left == right;
    case BinaryOp::kNotEqual:
      return left != right;
    case BinaryOp::kGreater:
      return left > right;
    case BinaryOp::kLess:
      return left < right;
    case BinaryOp::kGreaterOrEqual:
      return left >= right;
    default:
      CHECK(op == BinaryOp::kLessOrEqual);
      return left <= right;
  }
}

base::Result<NaiveVector> NaiveJoin(const Binary& node, const NaiveVector& left,
                                    const NaiveVector& right) {
  if (left.empty() || right.empty()) return NaiveVector{};
  const VectorMatching& matching = node.matching;
  const bool many_left = matching.cardinality != Cardinality::kOneToMany;
  std::map<Labels, NaiveElement> ones;
  for (const NaiveElement& one : many_left ? right : left) {
    if (!ones.emplace(MatchKey(matching, one.labels), one).second) {
      return std::unexpected(Fail("many-to-many").error());
    }
  }
  std::map<Labels, std::set<Labels>> matched;
  NaiveVector results;
  for (const NaiveElement& many : many_left ? left : right) {
    const Labels key = MatchKey(matching, many.labels);
    const auto found = ones.find(key);
    if (found == ones.end()) continue;
    const NaiveElement& one = found->second;
    const double a = many_left ? many.value : one.value;
    const double b = many_left ? one.value : many.value;
    const Labels labels = ResultLabels(node, many.labels, one.labels);
    // One to one, a group matches once; else each result does.
    const bool one_to_one = matching.cardinality == Cardinality::kOneToOne;
    if (!matched[key].insert(one_to_one ? Labels() : labels).second) {
      return std::unexpected(Fail("multiple matches").error());
    }
    const double value = NaiveApply(node.op, a, b);
    if (!IsComparison(node.op) || node.return_bool) {
      results.push_back({labels, value});
    } else if (value == 1) {
      results.push_back({labels, a});
    }
  }
  RETURN_IF_ERROR(NaiveRefuseDuplicates(results));
  return results;
}

NaiveVector NaiveSetOp(const Binary& node, const NaiveVector& left, const NaiveVector& right) {
  std::set<Labels> keys;
  for (const NaiveElement& element : node.op == BinaryOp::kOr ? left : right) {
    keys.insert(MatchKey(node.matching, element.labels));
  }
  NaiveVector results;
  for (const NaiveElement& element : left) {
    const bool has = keys.contains(MatchKey(node.matching, element.labels));
    if (node.op == BinaryOp::kOr || has == (node.op == BinaryOp::kAnd)) results.push_back(element);
  }
  if (node.op != BinaryOp::kOr) return results;
  for (const NaiveElement& element : right) {
    if (!keys.contains(MatchKey(node.matching, element.labels))) results.push_back(element);
  }
  return results;
}

}  // namespace narthex::promql
