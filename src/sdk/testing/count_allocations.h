#pragma once

#include <cstddef>

namespace narthex::sdk {

// How often this thread has called operator new, in programs that link this.
size_t AllocationCount();

}  // namespace narthex::sdk
