#include <fmt/core.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "commands.h"
#include "flags.h"
#include "net/open_files.h"

namespace narthex::apps {
namespace {

std::string ShortHelp() {
  std::string out =
      "narthex: Prometheus and the OpenTelemetry Collector in one binary\n\n"
      "Usage: narthex COMMAND [flags]\n\nCommands:\n";
  for (const Command& command : Commands()) {
    out += fmt::format("  {:<10} {}\n", command.name, command.summary);
  }
  return out + "\n`narthex COMMAND --help` shows a command's flags.\n";
}

const Command* FindCommand(std::string_view name) {
  for (const Command& command : Commands()) {
    if (name == command.name) return &command;
  }
  return nullptr;
}

int UnknownCommand(std::string_view name) {
  std::vector<std::string> names;
  for (const Command& command : Commands()) names.emplace_back(command.name);
  const std::string closest = ClosestTo(name, names);
  if (closest.empty()) {
    fmt::print(stderr, "narthex: unknown command \"{}\", see narthex --help\n", name);
  } else {
    fmt::print(stderr, "narthex: unknown command \"{}\", did you mean `{}`?\n", name, closest);
  }
  return 2;
}

int Run(int argc, char** argv) {
  net::RaiseOpenFilesLimit();
  // Under another program's name we are that program, arguments and all.
  const std::string_view path = argv[0];
  const std::string_view invoked_as = path.substr(path.rfind('/') + 1);
  for (const Command& command : Commands()) {
    if (command.program != nullptr && invoked_as == command.program) {
      return command.run(argc, argv);
    }
  }
  const std::string_view first = argc > 1 ? argv[1] : "--help";
  if (first == "--help" || first == "-h" || first == "help") {
    fmt::print("{}", ShortHelp());
    return 0;
  }
  if (first == "--version" || first == "version") {
    fmt::print("{}\n", VersionText());
    return 0;
  }
  const Command* command = FindCommand(first);
  return command == nullptr ? UnknownCommand(first) : command->run(argc - 1, argv + 1);
}

}  // namespace
}  // namespace narthex::apps

int main(int argc, char** argv) { return argc > 0 ? narthex::apps::Run(argc, argv) : 2; }
