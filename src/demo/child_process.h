#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace narthex::demo {

// A running program. Its output goes to a file, its input is empty; it has a process group of its
// own, so that Ctrl-C reaches only us, and gets SIGTERM should we die. One thread at a time, and
// the thread that starts it must outlive it.
class ChildProcess {
 public:
  struct Spec {
    std::vector<std::string> arguments;            // The program first.
    std::map<std::string, std::string> variables;  // Added to our environment.
    std::string log_path;                          // Appended to.
  };
  static base::Result<ChildProcess> Start(const Spec& spec);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();  // Kills what still runs.

  int pid() const { return pid_; }
  // "exit code 1" or "signal 9 (Killed)" once it has ended.
  const std::optional<std::string>& Poll();
  bool exited_well() const { return exited_well_; }  // With code 0, or the code of Ctrl-C.
  // Asks it to end with `signal` and waits; kills it after `patience`. False if it had to.
  bool End(int signal, std::chrono::milliseconds patience);

 private:
  explicit ChildProcess(int pid) : pid_(pid) {}

  int pid_ = -1;  // -1: moved from.
  std::optional<std::string> ended_;
  bool exited_well_ = false;
};

}  // namespace narthex::demo
