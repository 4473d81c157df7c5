#include "base/fault_points.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "base/check.h"

namespace narthex::base {
namespace {

// NARTHEX_KILL_AT=<point> in the environment kills the process there, for tests that run the
// program as a whole.
void KillWhenAsked(std::string_view point) {
  const char* const wanted = std::getenv("NARTHEX_KILL_AT");
  if (wanted != nullptr && point == wanted) std::raise(SIGKILL);
}

std::function<void(std::string_view)>& Handler() {
  static std::function<void(std::string_view)> handler = KillWhenAsked;
  return handler;
}

}  // namespace

void SetFaultHandler(std::function<void(std::string_view)> handler) {
  Handler() = handler ? std::move(handler) : KillWhenAsked;
}

void ReachFaultPoint(std::string_view point) {
  CHECK(std::ranges::find(kFaultPoints, point) != std::end(kFaultPoints));
  Handler()(point);
}

}  // namespace narthex::base
