#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace narthex::base {

void CheckFailed(std::string_view expression, const char* file, int line) {
  std::fprintf(stderr, "CHECK failed: %.*s at %s:%d\n", static_cast<int>(expression.size()),
               expression.data(), file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace narthex::base
