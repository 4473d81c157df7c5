#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ottl/internal/node.h"
#include "ottl/scene.h"

namespace narthex::ottl {

// The arguments of one call, evaluated when asked for. A view.
class Args {
 public:
  Args(const Node& call, Scene& scene) : call_(call), scene_(scene) {}

  size_t size() const { return call_.children.size(); }
  bool Has(size_t i) const { return call_.children[i].op != Op::kAbsent; }
  base::Result<otlp::Any> Get(size_t i) const;
  // Errors: kInvalidArgument for a value of another type.
  base::Result<std::string> Text(size_t i) const;
  base::Result<int64_t> Int(size_t i) const;
  base::Result<double> Number(size_t i) const;
  base::Result<bool> Bool(size_t i) const;
  base::Result<otlp::Any::Array> List(size_t i) const;
  base::Result<std::vector<std::string>> Texts(size_t i) const;
  base::Result<otlp::Any::Map> Map(size_t i) const;
  // The pattern at a parameter that takes one.
  base::Result<std::shared_ptr<const re2::RE2>> Pattern(size_t i) const;
  // `fallback` where the argument is absent.
  base::Result<std::string> TextOr(size_t i, std::string_view fallback) const;
  base::Result<int64_t> IntOr(size_t i, int64_t fallback) const;
  base::Result<bool> BoolOr(size_t i, bool fallback) const;

  // Of editors.
  base::Status Set(size_t i, otlp::Any value) const;
  Stage& stage() const { return static_cast<Stage&>(scene_); }
  Scene& scene() const { return scene_; }

 private:
  const Node& call_;
  Scene& scene_;
};

// One row per function; parser, evaluator and documentation read it. Names of editors begin with a
// small letter.
struct Function {
  std::string_view name;
  // Names in order; behind a name `?`: optional, `~`: a pattern; before it `&`: a path to be set.
  std::string_view parameters;
  // The innermost level that it looks at by itself.
  Level level;
  base::Result<otlp::Any> (*run)(const Args& args);
  std::string_view documentation;

  bool is_editor() const { return name[0] >= 'a'; }
};

// Each family's rows.
std::span<const Function> TextFunctions();
std::span<const Function> ValueFunctions();
std::span<const Function> MapEditors();
std::span<const Function> MetricEditors();

const Function* FindFunction(std::string_view name);

// The glob of `replace_match` as a pattern over the whole text.
std::string PatternFromGlob(std::string_view glob);

base::Result<otlp::Any> Evaluate(const Node& node, Scene& scene);
base::Result<bool> Holds(const Node& node, Scene& scene);
// At a path with its keys; maps on the way are made.
base::Status Assign(const Node& path, Stage& stage, otlp::Any value);

}  // namespace narthex::ottl
