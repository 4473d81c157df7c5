#pragma once

#include <span>

namespace narthex::apps {

// A subcommand. `argv[0]` is its name; the result is the process's exit code: 0 done, 1 failed,
// 2 usage or configuration, 3 unreachable, 130 interrupted.
struct Command {
  const char* name;
  const char* program;  // The program that this command is when invoked by that name; may be null.
  const char* summary;
  int (*run)(int argc, char** argv);
};

int RunApi(int argc, char** argv);
int RunCollector(int argc, char** argv);
int RunDemo(int argc, char** argv);
int RunServer(int argc, char** argv);
int RunLoad(int argc, char** argv);
int RunTool(int argc, char** argv);

// Every command there is, in the order of the short help.
std::span<const Command> Commands();

}  // namespace narthex::apps
