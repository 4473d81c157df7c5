#include <algorithm>
#include <compare>
#include <limits>

#include "base/check.h"
#include "ottl/internal/function.h"

namespace narthex::ottl {
namespace {

using base::Code;
using base::Fail;
using otlp::Any;

std::optional<double> AsNumber(const Any& value) {
  if (const auto* whole = value.As<int64_t>()) return static_cast<double>(*whole);
  if (const auto* real = value.As<double>()) return *real;
  return std::nullopt;
}

// Unordered where the types have nothing in common, and for NaN.
std::partial_ordering Compare(const Any& a, const Any& b) {
  const auto *a_int = a.As<int64_t>(), *b_int = b.As<int64_t>();
  if (a_int != nullptr && b_int != nullptr) return *a_int <=> *b_int;
  const auto a_number = AsNumber(a), b_number = AsNumber(b);
  if (a_number.has_value() && b_number.has_value()) return *a_number <=> *b_number;
  if (a.data.index() != b.data.index()) return std::partial_ordering::unordered;
  if (const auto* text = a.As<std::string>()) return *text <=> *b.As<std::string>();
  if (const auto* boolean = a.As<bool>()) return *boolean <=> *b.As<bool>();
  if (const auto* bytes = a.As<Any::Bytes>()) return bytes->data <=> b.As<Any::Bytes>()->data;
  return a == b ? std::partial_ordering::equivalent : std::partial_ordering::unordered;
}

bool HoldsComparison(Op op, const Any& left, const Any& right) {
  const auto order = Compare(left, right);
  switch (op) {
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

base::Result<Any> IntArithmetic(Op op, int64_t left, int64_t right) {
  const auto a = static_cast<uint64_t>(left), b = static_cast<uint64_t>(right);
  // Wraps around, as Go's numbers do.
  switch (op) {
    case Op::kAdd:
      return Any(static_cast<int64_t>(a + b));
    case Op::kSubtract:
      return Any(static_cast<int64_t>(a - b));
    case Op::kMultiply:
      return Any(static_cast<int64_t>(a * b));
    default:
      break;
  }
  if (right == 0) return Fail(Code::kInvalidArgument, "attempted to divide by 0");
  if (right == -1) return Any(static_cast<int64_t>(-a));
  return Any(left / right);
}

base::Result<Any> Arithmetic(Op op, const Any& left, const Any& right) {
  const auto *a_int = left.As<int64_t>(), *b_int = right.As<int64_t>();
  if (a_int != nullptr && b_int != nullptr) return IntArithmetic(op, *a_int, *b_int);
  const auto a = AsNumber(left), b = AsNumber(right);
  if (!a.has_value() || !b.has_value()) {
    return Fail(Code::kInvalidArgument, "arithmetic needs numbers");
  }
  switch (op) {
    case Op::kAdd:
      return Any(*a + *b);
    case Op::kSubtract:
      return Any(*a - *b);
    case Op::kMultiply:
      return Any(*a * *b);
    default:
      break;
  }
  if (*b == 0) return Fail(Code::kInvalidArgument, "attempted to divide by 0");
  return Any(*a / *b);
}

base::Result<Any> At(const Any& value, const Any& key) {
  if (value.is_nil()) return Any();
  if (const auto* name = key.As<std::string>()) {
    const auto* map = value.As<Any::Map>();
    if (map == nullptr) return Fail(Code::kInvalidArgument, "[\"{}\"]: not a map", *name);
    const Any* found = otlp::Find(*map, *name);
    return found != nullptr ? *found : Any();
  }
  const auto *index = key.As<int64_t>(), *dummy = index;
  const auto* list = value.As<Any::Array>();
  if (dummy == nullptr || list == nullptr) {
    return Fail(Code::kInvalidArgument, "index: not a list, or no index");
  }
  if (!std::in_range<size_t>(*index) || static_cast<size_t>(*index) >= list->size()) {
    return Fail(Code::kInvalidArgument, "index {} out of bounds", *index);
  }
  return (*list)[static_cast<size_t>(*index)];
}

base::Result<Any> Follow(Any value, const Node& node, size_t first, Scene& scene) {
  for (size_t i = first; i < node.keys.size(); ++i) {
    ASSIGN_OR_RETURN(const Any key, Evaluate(node.keys[i], scene));
    ASSIGN_OR_RETURN(value, At(value, key));
  }
  return value;
}

base::Result<Any> ReadPath(const Node& node, Scene& scene) {
  if (node.keys.empty()) return scene.Get(node.place);
  ASSIGN_OR_RETURN(const Any key, Evaluate(node.keys[0], scene));
  const auto* name = key.As<std::string>();
  if (!node.place.is_map || name == nullptr) return Follow(scene.Get(node.place), node, 0, scene);
  return Follow(scene.GetKey(node.place, *name), node, 1, scene);
}

base::Result<bool> Truth(const Node& node, Scene& scene) {
  ASSIGN_OR_RETURN(const Any value, Evaluate(node, scene));
  if (const auto* boolean = value.As<bool>()) return *boolean;
  return Fail(Code::kInvalidArgument, "a condition came to something else than true or false");
}

}  // namespace

base::Result<bool> Holds(const Node& node, Scene& scene) {
  switch (node.op) {
    case Op::kAnd:
      for (const Node& child : node.children) {
        ASSIGN_OR_RETURN(const bool holds, Holds(child, scene));
        if (!holds) return false;
      }
      return true;
    case Op::kOr:
      for (const Node& child : node.children) {
        ASSIGN_OR_RETURN(const bool holds, Holds(child, scene));
        if (holds) return true;
      }
      return false;
    case Op::kNot: {
      ASSIGN_OR_RETURN(const bool holds, Holds(node.children[0], scene));
      return !holds;
    }
    case Op::kEqual:
    case Op::kNotEqual:
    case Op::kLess:
    case Op::kLessOrEqual:
    case Op::kGreater:
    case Op::kGreaterOrEqual: {
      ASSIGN_OR_RETURN(const Any left, Evaluate(node.children[0], scene));
      ASSIGN_OR_RETURN(const Any right, Evaluate(node.children[1], scene));
      return HoldsComparison(node.op, left, right);
    }
    default:
      return Truth(node, scene);
  }
}

base::Result<Any> Evaluate(const Node& node, Scene& scene) {
  switch (node.op) {
    case Op::kAbsent:
      return Any();
    case Op::kLiteral:
      return node.literal;
    case Op::kPath:
      return ReadPath(node, scene);
    case Op::kList: {
      Any::Array list;
      for (const Node& child : node.children) {
        ASSIGN_OR_RETURN(Any item, Evaluate(child, scene));
        list.push_back(std::move(item));
      }
      return Any(std::move(list));
    }
    case Op::kMap: {
      Any::Map map;
      for (size_t i = 0; i < node.children.size(); ++i) {
        ASSIGN_OR_RETURN(Any item, Evaluate(node.children[i], scene));
        otlp::Put(map, node.names[i], std::move(item));
      }
      return Any(std::move(map));
    }
    case Op::kCall: {
      ASSIGN_OR_RETURN(Any value, node.function->run(Args(node, scene)));
      return Follow(std::move(value), node, 0, scene);
    }
    case Op::kAdd:
    case Op::kSubtract:
    case Op::kMultiply:
    case Op::kDivide: {
      ASSIGN_OR_RETURN(const Any left, Evaluate(node.children[0], scene));
      ASSIGN_OR_RETURN(const Any right, Evaluate(node.children[1], scene));
      return Arithmetic(node.op, left, right);
    }
    default: {
      ASSIGN_OR_RETURN(const bool holds, Holds(node, scene));
      return Any(holds);
    }
  }
}

base::Status Assign(const Node& path, Stage& stage, Any value) {
  if (path.keys.empty()) return stage.Set(path.place, std::move(value));
  otlp::AttributeMap* map = stage.MapAt(path.place);
  Any* place = nullptr;
  for (const Node& node : path.keys) {
    ASSIGN_OR_RETURN(const Any key, Evaluate(node, stage));
    if (place != nullptr && place->is_nil()) place->data = Any::Map();
    if (const auto* name = key.As<std::string>()) {
      if (place != nullptr) map = place->As<Any::Map>();
      if (map == nullptr) return Fail(Code::kInvalidArgument, "[\"{}\"]: not a map", *name);
      place = otlp::Find(*map, *name);
      if (place == nullptr) place = &map->emplace_back(*name, Any()).second;
      continue;
    }
    auto* list = place != nullptr ? place->As<Any::Array>() : nullptr;
    const auto* index = key.As<int64_t>();
    if (list == nullptr || index == nullptr || !std::in_range<size_t>(*index) ||
        static_cast<size_t>(*index) >= list->size()) {
      return Fail(Code::kInvalidArgument, "index: not a list, or out of bounds");
    }
    place = &(*list)[static_cast<size_t>(*index)];
  }
  *place = std::move(value);
  return {};
}

namespace {

// A statement runs for every point, and may make of a value twice as much each time.
constexpr size_t kValueBytesMax = 4 << 20;
constexpr int kValueDepthMax = 100;

// Takes what the value holds from `bytes_left`; false where that is not enough.
bool Fits(const Any& value, size_t& bytes_left, int depth) {
  const auto take = [&](size_t bytes) {
    const bool is_enough = bytes <= bytes_left;
    bytes_left -= std::min(bytes, bytes_left);
    return is_enough;
  };
  if (depth > kValueDepthMax || !take(1)) return false;
  if (const auto* text = value.As<std::string>()) return take(text->size());
  if (const auto* bytes = value.As<Any::Bytes>()) return take(bytes->data.size());
  if (const auto* array = value.As<Any::Array>()) {
    return std::ranges::all_of(*array,
                               [&](const Any& item) { return Fits(item, bytes_left, depth + 1); });
  }
  if (const auto* map = value.As<Any::Map>()) {
    return std::ranges::all_of(*map, [&](const auto& pair) {
      return take(pair.first.size()) && Fits(pair.second, bytes_left, depth + 1);
    });
  }
  return true;
}

}  // namespace

base::Result<Any> Args::Get(size_t i) const { return Evaluate(call_.children[i], scene_); }

base::Result<std::string> Args::Text(size_t i) const {
  ASSIGN_OR_RETURN(Any value, Get(i));
  if (auto* text = value.As<std::string>()) return std::move(*text);
  return Fail(Code::kInvalidArgument, "{}: expected text", call_.function->name);
}
base::Result<int64_t> Args::Int(size_t i) const {
  ASSIGN_OR_RETURN(const Any value, Get(i));
  if (const auto* whole = value.As<int64_t>()) return *whole;
  return Fail(Code::kInvalidArgument, "{}: expected an integer", call_.function->name);
}
base::Result<double> Args::Number(size_t i) const {
  ASSIGN_OR_RETURN(const Any value, Get(i));
  if (const auto number = AsNumber(value)) return *number;
  return Fail(Code::kInvalidArgument, "{}: expected a number", call_.function->name);
}
base::Result<bool> Args::Bool(size_t i) const {
  ASSIGN_OR_RETURN(const Any value, Get(i));
  if (const auto* boolean = value.As<bool>()) return *boolean;
  return Fail(Code::kInvalidArgument, "{}: expected true or false", call_.function->name);
}
base::Result<Any::Array> Args::List(size_t i) const {
  ASSIGN_OR_RETURN(Any value, Get(i));
  if (auto* list = value.As<Any::Array>()) return std::move(*list);
  return Fail(Code::kInvalidArgument, "{}: expected a list", call_.function->name);
}
base::Result<std::vector<std::string>> Args::Texts(size_t i) const {
  ASSIGN_OR_RETURN(const Any::Array list, List(i));
  std::vector<std::string> texts;
  for (const Any& item : list) {
    const auto* text = item.As<std::string>();
    if (text == nullptr) {
      return Fail(Code::kInvalidArgument, "{}: expected a list of texts", call_.function->name);
    }
    texts.push_back(*text);
  }
  return texts;
}
base::Result<Any::Map> Args::Map(size_t i) const {
  ASSIGN_OR_RETURN(Any value, Get(i));
  if (auto* map = value.As<Any::Map>()) return std::move(*map);
  return Fail(Code::kInvalidArgument, "{}: expected a map", call_.function->name);
}
base::Result<std::shared_ptr<const re2::RE2>> Args::Pattern(size_t i) const {
  if (call_.children[i].pattern != nullptr) return call_.children[i].pattern;
  ASSIGN_OR_RETURN(const std::string text, Text(i));
  auto pattern = std::make_shared<const re2::RE2>(text, re2::RE2::Quiet);
  if (!pattern->ok()) {
    return Fail(Code::kInvalidArgument, "{}: {}", call_.function->name, pattern->error());
  }
  return pattern;
}
base::Result<std::string> Args::TextOr(size_t i, std::string_view fallback) const {
  return Has(i) ? Text(i) : std::string(fallback);
}
base::Result<int64_t> Args::IntOr(size_t i, int64_t fallback) const {
  return Has(i) ? Int(i) : fallback;
}
base::Result<bool> Args::BoolOr(size_t i, bool fallback) const {
  return Has(i) ? Bool(i) : fallback;
}
base::Status Args::Set(size_t i, otlp::Any value) const {
  size_t bytes_left = kValueBytesMax;
  if (!Fits(value, bytes_left, 0)) {
    return Fail(Code::kResourceExhausted, "{}: the value grows over {} MiB or {} levels",
                call_.function->name, kValueBytesMax >> 20, kValueDepthMax);
  }
  return Assign(call_.children[i], stage(), std::move(value));
}

const Function* FindFunction(std::string_view name) {
  for (const auto family : {TextFunctions(), ValueFunctions(), MapEditors(), MetricEditors()}) {
    for (const Function& function : family) {
      if (function.name == name) return &function;
    }
  }
  return nullptr;
}

}  // namespace narthex::ottl
