#include "commands.h"

namespace narthex::apps {

std::span<const Command> Commands() {
  static constexpr Command kCommands[] = {
      {"load", nullptr, "send traffic to the demo's API", &RunLoad},
  };
  return kCommands;
}

}  // namespace narthex::apps
