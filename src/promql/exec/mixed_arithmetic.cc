#include "promql/exec/mixed_arithmetic.h"

#include "promql/functions/histogram_window.h"
#include "promql/functions/native_histogram.h"

namespace narthex::promql {
namespace {

using model::FloatHistogram;

Operand Made(FloatHistogram histogram) {
  return {0, std::make_shared<const FloatHistogram>(std::move(histogram))};
}

std::optional<Operand> Combine(Annotations& annotations, const Binary& node,
                               const FloatHistogram& left, const FloatHistogram& right) {
  if (left.custom() != right.custom()) {
    annotations.Warn(node.position, "incompatible bucket layout encountered for binary operator {}",
                     BinaryOpText(node.op));
    return std::nullopt;
  }
  FloatHistogram result = left;
  const bool add = node.op == BinaryOp::kAdd;
  const model::CombineRemarks remarks =
      add ? model::Add(result, right) : model::Subtract(result, right);
  RemarkOnCombination(annotations, node.position, remarks, add ? "addition" : "subtraction");
  return Made(std::move(result));
}

}  // namespace

std::optional<Operand> ApplyMixed(Annotations& annotations, const Binary& node, const Operand& left,
                                  const Operand& right) {
  const bool left_is = left.histogram != nullptr;
  const bool right_is = right.histogram != nullptr;
  switch (node.op) {
    case BinaryOp::kAdd:
    case BinaryOp::kSubtract:
      if (left_is && right_is) {
        return Combine(annotations, node, *left.histogram, *right.histogram);
      }
      break;
    case BinaryOp::kMultiply:
      if (left_is != right_is) {
        FloatHistogram product = left_is ? *left.histogram : *right.histogram;
        product.Multiply(left_is ? right.number : left.number);
        return Made(std::move(product));
      }
      break;
    case BinaryOp::kDivide:
      if (left_is && !right_is) {
        FloatHistogram quotient = *left.histogram;
        quotient.Divide(right.number);
        return Made(std::move(quotient));
      }
      break;
    case BinaryOp::kTrimUpper:
    case BinaryOp::kTrimLower:
      if (left_is && !right_is) {
        return Made(node.op == BinaryOp::kTrimUpper ? TrimAbove(*left.histogram, right.number)
                                                    : TrimBelow(*left.histogram, right.number));
      }
      break;
    case BinaryOp::kEqual:
    case BinaryOp::kNotEqual:
      if (left_is && right_is) {
        const bool same = left.histogram->SameAs(*right.histogram);
        return Operand{same == (node.op == BinaryOp::kEqual) ? 1.0 : 0.0, nullptr};
      }
      break;
    default:
      break;
  }
  const auto kind = [](bool histogram) { return histogram ? "histogram" : "float"; };
  annotations.Inform(node.position,
                     "incompatible sample types encountered for binary operator \"{}\": {} {} {}",
                     BinaryOpText(node.op), kind(left_is), BinaryOpText(node.op), kind(right_is));
  return std::nullopt;
}

}  // namespace narthex::promql
