#pragma once

#include <string_view>

namespace narthex::base {

// Prints "CHECK failed: <expression> at file:line" and aborts.
[[noreturn]] void CheckFailed(std::string_view expression, const char* file, int line);

}  // namespace narthex::base

// A bug of ours, in every build: state that must not be is worse than no process. Nothing that
// comes from outside the process may ever trip one.
#define CHECK(condition)                                            \
  do {                                                              \
    if (!(condition)) [[unlikely]]                                  \
      ::narthex::base::CheckFailed(#condition, __FILE__, __LINE__); \
  } while (false)

// The same in debug and sanitizer builds only, for hot paths.
#ifdef NDEBUG
#define DCHECK(condition)        \
  do {                           \
    if (false) CHECK(condition); \
  } while (false)
#else
#define DCHECK(condition) CHECK(condition)
#endif
