#include "commands.h"

#include <vector>

namespace narthex::apps {

std::span<const Command> Commands() {
  static const std::vector<Command> commands;
  return commands;
}

}  // namespace narthex::apps
