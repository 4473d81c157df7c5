#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>
#include <variant>

#include "promql/functions/kernels.h"
#include "promql/parser/ast.h"

namespace narthex::promql {

inline constexpr size_t kFunctionArgsMax = 5;

// What runs a call; the types of arguments and result say which kinds fit.
using Evaluator = std::variant<ElementFn, WindowFn, VectorFn, ScalarFn>;

// One row of the function table: what the parser checks, the engine runs and the API documents.
struct Function {
  std::string_view name;
  std::array<ValueType, kFunctionArgsMax> args;  // kNone behind the last.
  size_t required = 0;
  size_t repeats = 0;  // How often the last argument may come again.
  ValueType result = ValueType::kVector;
  Evaluator evaluator;
  std::string_view doc;
  bool experimental = false;

  // The type of the i-th argument, the last one repeated.
  ValueType arg(size_t i) const;
  size_t args_max() const;
};

inline constexpr size_t kAnyTimes = 1000;

// nullptr when there is none.
const Function* FindFunction(std::string_view name);
// All of them, by name.
std::span<const Function> Functions();

}  // namespace narthex::promql
