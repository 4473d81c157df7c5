#pragma once

#include <chrono>

namespace narthex::apps {

// SIGINT, SIGTERM and SIGHUP as events that a command waits for. Make one first thing, before any
// thread starts: threads inherit the blocked signals. After the first SIGINT or SIGTERM a second
// one ends the process at once. One thread at a time.
class StopSignal {
 public:
  enum class Event { kStop, kReload, kTimeout };

  StopSignal();
  Event Wait();
  Event WaitFor(std::chrono::milliseconds timeout);

  // What a signal would do, for an HTTP endpoint that stops the program. Any thread.
  static void RequestStop();
};

}  // namespace narthex::apps
