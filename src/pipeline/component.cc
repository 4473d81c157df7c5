#include "pipeline/component.h"

namespace narthex::pipeline {

base::Result<ComponentId> ComponentId::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  ComponentId id{.type = std::string(text.substr(0, slash)), .name = {}};
  if (id.type.empty()) {
    return base::Fail(base::Code::kInvalidArgument,
                      "\"{}\" is not a component id: the type is empty", text);
  }
  if (slash != std::string_view::npos) {
    id.name = text.substr(slash + 1);
    if (id.name.empty()) {
      return base::Fail(base::Code::kInvalidArgument,
                        "\"{}\" is not a component id: the name after \"/\" is empty", text);
    }
  }
  return id;
}

}  // namespace narthex::pipeline
