#include "ottl/condition.h"

#include "ottl/internal/function.h"
#include "ottl/internal/parser.h"

namespace narthex::ottl {

base::Result<Condition> Condition::Parse(std::string_view text, Level level) {
  ASSIGN_OR_RETURN(internal::Parsed parsed, internal::ParseCondition(text, level));
  return Condition(std::make_shared<const Node>(std::move(parsed.root)), parsed.level);
}

base::Result<bool> Condition::Evaluate(Scene& scene) const { return ottl::Holds(*root_, scene); }

}  // namespace narthex::ottl
