#pragma once

#include <functional>
#include <string_view>

namespace narthex::base {

// Every named fault point there is, so that crash tests can enumerate them.
inline constexpr std::string_view kFaultPoints[] = {
    "wal.before_append", "wal.after_append",   "wal.after_segment_create",
    "head.after_log",    "head.after_publish",
};

// What a test does at a fault point: kill the process, delay, count. Process-wide, set by tests
// before threads start; the default does nothing.
void SetFaultHandler(std::function<void(std::string_view point)> handler);
void ReachFaultPoint(std::string_view point);

}  // namespace narthex::base

// A place where a crash or an error is worth a test. No code at all in release builds.
#ifdef NARTHEX_FAULT_POINTS
#define NARTHEX_FAULT_POINT(name) ::narthex::base::ReachFaultPoint(name)
#else
#define NARTHEX_FAULT_POINT(name) \
  do {                            \
  } while (false)
#endif
