#pragma once

#include <re2/re2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "otlp/tree.h"
#include "ottl/path.h"

namespace narthex::ottl {

struct Function;

enum class Op : uint8_t {
  kAbsent,  // An optional argument that is not there.
  kLiteral,
  kPath,
  kList,
  kMap,
  kCall,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kAnd,
  kOr,
  kNot,
};

// One node of the syntax tree. Immutable once made.
struct Node {
  Op op = Op::kLiteral;
  otlp::Any literal;
  Place place;                              // Of a path.
  const Function* function = nullptr;       // Of a call.
  std::shared_ptr<const re2::RE2> pattern;  // Of literal text where a pattern is expected.
  std::vector<std::string> names;           // Of a map.
  std::vector<Node> children;               // Operands, items, or arguments by parameter.
  std::vector<Node> keys;                   // Behind a path or a call.
};

}  // namespace narthex::ottl
