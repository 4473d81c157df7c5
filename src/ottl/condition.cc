#include "ottl/condition.h"

#include <algorithm>
#include <compare>

#include "model/number.h"
#include "otlp/edit.h"
#include "otlp/value.h"
#include "ottl/internal/node.h"
#include "ottl/internal/parser.h"

namespace narthex::ottl {
namespace {

using otlp::AnyValue;
using Type = Value::Type;

// `owned` holds text that lies nowhere yet.
Value FromAny(const AnyValue& any, std::string& owned) {
  switch (any.kind()) {
    case AnyValue::Kind::kEmpty:
      return {};
    case AnyValue::Kind::kString:
      return {.type = Type::kString, .text = any.bytes()};
    case AnyValue::Kind::kBool:
      return {.type = Type::kBool, .boolean = any.Bool()};
    case AnyValue::Kind::kInt:
      return {.type = Type::kInt, .whole = any.Int()};
    case AnyValue::Kind::kDouble:
      return {.type = Type::kDouble, .real = any.Double()};
    default:
      owned = otlp::Text(any);
      return {.type = Type::kString, .text = owned};
  }
}

Value FromText(std::string_view text) { return {.type = Type::kString, .text = text}; }
Value FromBool(bool value) { return {.type = Type::kBool, .boolean = value}; }
Value FromInt(int64_t value) { return {.type = Type::kInt, .whole = value}; }

int64_t TypeNumber(otlp::MetricKind kind) {
  switch (kind) {
    case otlp::MetricKind::kNone:
      return 0;
    case otlp::MetricKind::kGauge:
      return 1;
    case otlp::MetricKind::kSum:
      return 2;
    case otlp::MetricKind::kHistogram:
      return 3;
    case otlp::MetricKind::kExponentialHistogram:
      return 4;
    case otlp::MetricKind::kSummary:
      return 5;
  }
  return 0;
}

std::string_view AttributesAt(Level level, const Subject& subject) {
  switch (level) {
    case Level::kResource:
      return subject.resource->attributes;
    case Level::kScope:
      return subject.scope->attributes;
    case Level::kMetric:
    case Level::kDatapoint:
      break;
  }
  return subject.point_attributes;
}

Value ReadPath(const Node& node, const Subject& subject, std::string& owned) {
  switch (node.field) {
    case Field::kAttribute: {
      const auto found = otlp::FindAttribute(AttributesAt(node.level, subject), node.text);
      return found.has_value() ? FromAny(*found, owned) : Value();
    }
    case Field::kName:
      return FromText(node.level == Level::kScope ? subject.scope->name : subject.metric->name);
    case Field::kVersion:
      return FromText(subject.scope->version);
    case Field::kDescription:
      return FromText(subject.metric->description);
    case Field::kUnit:
      return FromText(subject.metric->unit);
    case Field::kType:
      return FromInt(TypeNumber(subject.metric->kind));
    case Field::kIsMonotonic:
      return FromBool(subject.metric->is_monotonic);
    case Field::kTemporality:
      return FromInt(static_cast<int64_t>(subject.metric->temporality));
  }
  return {};
}

bool IsNumber(const Value& value) {
  return value.type == Type::kInt || value.type == Type::kDouble;
}
double AsDouble(const Value& value) {
  return value.type == Type::kInt ? static_cast<double>(value.whole) : value.real;
}

// Unordered where the types have nothing in common, and for NaN.
std::partial_ordering Compare(const Value& a, const Value& b) {
  if (IsNumber(a) && IsNumber(b)) {
    if (a.type == Type::kInt && b.type == Type::kInt) return a.whole <=> b.whole;
    return AsDouble(a) <=> AsDouble(b);
  }
  if (a.type != b.type) return std::partial_ordering::unordered;
  switch (a.type) {
    case Type::kString:
      return a.text <=> b.text;
    case Type::kBool:
      return a.boolean <=> b.boolean;
    default:
      return std::partial_ordering::equivalent;  // nil
  }
}

std::string TextOf(const Value& value) {
  switch (value.type) {
    case Type::kNil:
      return "";
    case Type::kBool:
      return value.boolean ? "true" : "false";
    case Type::kInt:
      return std::to_string(value.whole);
    case Type::kDouble:
      return model::FormatFloat(value.real);
    case Type::kString:
      return std::string(value.text);
  }
  return "";
}

template <class Accept>
bool AnyPoint(const Subject& subject, std::string_view key, Accept accept) {
  const auto any = [&](const auto& points) {
    return std::ranges::any_of(points, [&](const auto& point) {
      const auto value = otlp::FindAttribute(point.attributes, key);
      return value.has_value() && accept(*value);
    });
  };
  const otlp::Metric& metric = *subject.metric;
  switch (metric.kind) {
    case otlp::MetricKind::kNone:
      return false;
    case otlp::MetricKind::kGauge:
    case otlp::MetricKind::kSum:
      return any(subject.batch->NumbersOf(metric));
    case otlp::MetricKind::kHistogram:
      return any(subject.batch->HistogramsOf(metric));
    case otlp::MetricKind::kExponentialHistogram:
      return any(subject.batch->ExponentialsOf(metric));
    case otlp::MetricKind::kSummary:
      return any(subject.batch->SummariesOf(metric));
  }
  return false;
}

bool Holds(const Node& node, const Subject& subject);

Value Evaluate(const Node& node, const Subject& subject, std::string& owned) {
  if (node.op == Op::kPath) return ReadPath(node, subject, owned);
  if (node.op != Op::kLiteral) return FromBool(Holds(node, subject));
  Value value = node.literal;
  value.text = node.text;
  return value;
}

bool HoldsComparison(const Node& node, const Subject& subject) {
  std::string left_text, right_text;
  const auto order = Compare(Evaluate(node.children[0], subject, left_text),
                             Evaluate(node.children[1], subject, right_text));
  switch (node.op) {
    case Op::kEqual:
      return order == 0;
    case Op::kNotEqual:
      return order != 0;
    case Op::kLess:
      return order < 0;
    case Op::kLessOrEqual:
      return order <= 0;
    case Op::kGreater:
      return order > 0;
    default:
      return order >= 0;
  }
}

bool Holds(const Node& node, const Subject& subject) {
  const auto holds = [&](const Node& child) { return Holds(child, subject); };
  std::string owned;
  switch (node.op) {
    case Op::kLiteral:
      return node.literal.boolean;
    case Op::kPath: {
      const Value value = Evaluate(node, subject, owned);
      return value.type == Type::kBool && value.boolean;
    }
    case Op::kAnd:
      return std::ranges::all_of(node.children, holds);
    case Op::kOr:
      return std::ranges::any_of(node.children, holds);
    case Op::kNot:
      return !Holds(node.children[0], subject);
    case Op::kIsMatch: {
      const Value value = Evaluate(node.children[0], subject, owned);
      return value.type != Type::kNil && re2::RE2::PartialMatch(TextOf(value), *node.pattern);
    }
    case Op::kHasPointKey:
      return AnyPoint(subject, node.text, [](const AnyValue&) { return true; });
    case Op::kHasPointAttr:
      return AnyPoint(subject, node.text, [&](const AnyValue& value) {
        return value.kind() == AnyValue::Kind::kString && value.bytes() == node.children[0].text;
      });
    default:
      return HoldsComparison(node, subject);
  }
}

}  // namespace

base::Result<Condition> Condition::Parse(std::string_view text, Level level) {
  ASSIGN_OR_RETURN(internal::Parsed parsed, internal::ParseCondition(text, level));
  return Condition(std::make_shared<const Node>(std::move(parsed.root)), parsed.level);
}

bool Condition::Holds(const Subject& subject) const { return ottl::Holds(*root_, subject); }

}  // namespace narthex::ottl
