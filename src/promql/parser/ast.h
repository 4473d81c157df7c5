#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "model/matcher.h"
#include "model/sample.h"

namespace narthex::promql {

struct Function;  // functions/function.h

// The syntax tree of a query. Nodes are open data, built and checked by the parser; whoever holds
// a tree may trust its types. Depth is limited by the parser, so that recursion over a tree is
// safe.

// Byte offsets into the query text; `end` is the first byte after the node.
struct Position {
  uint32_t begin = 0;
  uint32_t end = 0;
  bool operator==(const Position&) const = default;
};

enum class ValueType { kNone, kScalar, kVector, kMatrix, kString };

// "scalar", "instant vector", "range vector", "string": as messages name them.
std::string_view ValueTypeText(ValueType type);
// "scalar", "vector", "matrix", "string": as the HTTP API names them.
std::string_view ValueTypeName(ValueType type);

struct Expr {
  enum class Kind {
    kNumber,
    kString,
    kVectorSelector,
    kMatrixSelector,
    kSubquery,
    kUnary,
    kBinary,
    kCall,
    kAggregate,
    kParen,
  };

  Expr(Kind node_kind, ValueType node_type) : kind(node_kind), type(node_type) {}
  virtual ~Expr() = default;
  Expr(const Expr&) = delete;
  Expr& operator=(const Expr&) = delete;

  const Kind kind;
  ValueType type;
  Position position;
  uint32_t depth = 1;  // Nodes on the longest way down, this one included.
};
using ExprPtr = std::unique_ptr<Expr>;

// REQUIRES: the node is a T.
template <class T>
const T& As(const Expr& expr) {
  DCHECK(expr.kind == T::kKind);
  return static_cast<const T&>(expr);
}
template <class T>
T& As(Expr& expr) {
  DCHECK(expr.kind == T::kKind);
  return static_cast<T&>(expr);
}

// Arithmetic in the place of a duration: `[5m * 2]`, `offset (step() + 1m)`.
struct DurationExpr {
  enum class Op {
    kLiteral,
    kStep,   // step(): the interval of the query, 0 for an instant query
    kRange,  // range(): end minus start of the query
    kAdd,
    kSubtract,
    kMultiply,
    kDivide,
    kModulo,
    kPower,
    kNegate,  // left only
    kPlus,    // left only
    kMinOf,
    kMaxOf,
  };
  Op op = Op::kLiteral;
  double seconds = 0;             // kLiteral
  bool written_as_number = true;  // kLiteral: `300`, not `5m`
  bool parenthesised = false;
  Position position;
  uint32_t depth = 1;
  std::unique_ptr<DurationExpr> left;
  std::unique_ptr<DurationExpr> right;
};
using DurationExprPtr = std::unique_ptr<DurationExpr>;

// Milliseconds, constant once the query's start, end and step are known.
struct Duration {
  int64_t ms = 0;
  DurationExprPtr expr;  // Null where it is a plain literal.
  Position position;
};

// `@ 1609746000`, `@ start()`, `@ end()`.
struct AtModifier {
  enum class Kind { kNone, kTime, kStart, kEnd };
  Kind kind = Kind::kNone;
  model::Timestamp time = 0;  // kTime; ResolveDurations sets it for the other two.
  explicit operator bool() const { return kind != Kind::kNone; }
};

struct Number final : Expr {
  static constexpr Kind kKind = Kind::kNumber;
  Number() : Expr(kKind, ValueType::kScalar) {}
  double value = 0;
  bool written_as_duration = false;
};

struct String final : Expr {
  static constexpr Kind kKind = Kind::kString;
  String() : Expr(kKind, ValueType::kString) {}
  std::string value;
};

struct VectorSelector final : Expr {
  static constexpr Kind kKind = Kind::kVectorSelector;
  VectorSelector() : Expr(kKind, ValueType::kVector) {}
  std::string name;                      // Empty where only matchers say it.
  std::vector<model::Matcher> matchers;  // That of `name` included, last.
  std::optional<Duration> offset;
  AtModifier at;
  bool anchored = false;
  bool smoothed = false;
  // Only count and sum of native histograms are asked for: samples that say nothing of resets are
  // compared with those before them, as upstream does on this way.
  bool detect_resets = false;
};

struct MatrixSelector final : Expr {
  static constexpr Kind kKind = Kind::kMatrixSelector;
  MatrixSelector() : Expr(kKind, ValueType::kMatrix) {}
  std::unique_ptr<VectorSelector> vector;  // Carries offset and @.
  Duration range;
};

struct Subquery final : Expr {
  static constexpr Kind kKind = Kind::kSubquery;
  Subquery() : Expr(kKind, ValueType::kMatrix) {}
  ExprPtr expr;
  Duration range;
  std::optional<Duration> step;  // nullopt: the engine's default
  std::optional<Duration> offset;
  AtModifier at;
};

struct Unary final : Expr {
  static constexpr Kind kKind = Kind::kUnary;
  Unary() : Expr(kKind, ValueType::kScalar) {}
  bool negate = true;
  ExprPtr expr;
};

struct Paren final : Expr {
  static constexpr Kind kKind = Kind::kParen;
  Paren() : Expr(kKind, ValueType::kNone) {}
  ExprPtr expr;
};

enum class BinaryOp {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kPower,
  kAtan2,
  kEqual,
  kNotEqual,
  kGreater,
  kLess,
  kGreaterOrEqual,
  kLessOrEqual,
  kAnd,
  kOr,
  kUnless,
  kTrimUpper,  // </
  kTrimLower,  // >/
};
std::string_view BinaryOpText(BinaryOp op);
inline bool IsComparison(BinaryOp op) {
  return op >= BinaryOp::kEqual && op <= BinaryOp::kLessOrEqual;
}
inline bool IsSetOp(BinaryOp op) { return op >= BinaryOp::kAnd && op <= BinaryOp::kUnless; }

enum class Cardinality { kOneToOne, kManyToOne, kOneToMany, kManyToMany };

// How the two sides of a binary operator find each other.
struct VectorMatching {
  Cardinality cardinality = Cardinality::kOneToOne;
  bool on = false;  // else ignoring
  std::vector<std::string> labels;
  std::vector<std::string> include;  // Labels that group_left and group_right copy.
  // Values that stand for a missing partner.
  std::optional<double> fill_left;
  std::optional<double> fill_right;
};

struct Binary final : Expr {
  static constexpr Kind kKind = Kind::kBinary;
  Binary() : Expr(kKind, ValueType::kScalar) {}
  BinaryOp op = BinaryOp::kAdd;
  bool return_bool = false;
  ExprPtr left;
  ExprPtr right;
  VectorMatching matching;  // Means nothing unless both sides are vectors.
  bool BothVectors() const {
    return left->type == ValueType::kVector && right->type == ValueType::kVector;
  }
};

struct Call final : Expr {
  static constexpr Kind kKind = Kind::kCall;
  Call() : Expr(kKind, ValueType::kNone) {}
  const Function* function = nullptr;
  std::vector<ExprPtr> args;
};

enum class AggregateOp {
  kSum,
  kAvg,
  kMin,
  kMax,
  kCount,
  kGroup,
  kStddev,
  kStdvar,
  kTopk,
  kBottomk,
  kCountValues,
  kQuantile,
  kLimitk,
  kLimitRatio,
};
std::string_view AggregateOpText(AggregateOp op);
std::optional<AggregateOp> AggregateOpFromText(std::string_view lower_case);
// The type of the parameter in front of the vector; kNone where there is none.
ValueType AggregateParameter(AggregateOp op);

struct Aggregate final : Expr {
  static constexpr Kind kKind = Kind::kAggregate;
  Aggregate() : Expr(kKind, ValueType::kVector) {}
  AggregateOp op = AggregateOp::kSum;
  ExprPtr expr;
  ExprPtr parameter;  // Null where the operator has none.
  std::vector<std::string> grouping;
  bool without = false;
};

// The node below any number of parentheses.
const Expr& Unwrap(const Expr& expr);

}  // namespace narthex::promql
