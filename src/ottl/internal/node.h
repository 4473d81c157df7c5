#pragma once

#include <re2/re2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ottl/condition.h"

namespace narthex::ottl {

// What an operand comes to. Text is a view into the tree, the batch or `owned` text of the reader.
struct Value {
  enum class Type : uint8_t { kNil, kBool, kInt, kDouble, kString };
  Type type = Type::kNil;
  bool boolean = false;
  int64_t whole = 0;
  double real = 0;
  std::string_view text;
};

enum class Op : uint8_t {
  kLiteral,
  kPath,
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kAnd,
  kOr,
  kNot,
  kIsMatch,       // Of the one child.
  kHasPointKey,   // `text`
  kHasPointAttr,  // `text`, and the child's value.
};

enum class Field : uint8_t {
  kAttribute,  // `text` is the key.
  kName,
  kDescription,
  kUnit,
  kType,
  kIsMonotonic,
  kTemporality,
  kVersion,
};

// One node of the tree. Immutable once made.
struct Node {
  Op op = Op::kLiteral;
  Value literal;     // Text is `text`.
  std::string text;  // A literal's, or a key.
  Level level = Level::kMetric;
  Field field = Field::kName;
  std::shared_ptr<const re2::RE2> pattern;
  std::vector<Node> children;
};

}  // namespace narthex::ottl
