#include "ottl/statement.h"

#include "ottl/internal/function.h"
#include "ottl/internal/parser.h"

namespace narthex::ottl {

struct Editing {
  Node editor;
  std::optional<Node> where;
};

base::Result<Statement> Statement::Parse(std::string_view text, Level level) {
  ASSIGN_OR_RETURN(internal::ParsedStatement parsed, internal::ParseStatement(text, level));
  auto editing =
      std::make_shared<const Editing>(Editing{std::move(parsed.editor), std::move(parsed.where)});
  return Statement(std::move(editing), parsed.level);
}

bool Statement::changes_metric() const {
  return editing_->editor.function->level == Level::kMetric;
}

base::Status Statement::Run(Stage& stage) const {
  if (editing_->where.has_value()) {
    ASSIGN_OR_RETURN(const bool holds, Holds(*editing_->where, stage));
    if (!holds) return {};
  }
  RETURN_IF_ERROR(Evaluate(editing_->editor, stage));
  return {};
}

}  // namespace narthex::ottl
