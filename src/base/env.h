#pragma once

#include "base/clock.h"
#include "base/file_system.h"

namespace narthex::base {

// The world as a component is given it: files and time. Sockets have their own seam (net/).
// Members outlive every component that holds an Env. A value.
struct Env {
  FileSystem& files;
  Clock& clock;
};

// The machine we run on.
inline Env RealEnv() { return {PosixFileSystem(), SystemClock()}; }

}  // namespace narthex::base
