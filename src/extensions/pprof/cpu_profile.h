#pragma once

#include <chrono>
#include <stop_token>
#include <string>

#include "base/env.h"
#include "base/result.h"

namespace narthex::extensions {

// Looks where this process spends its processor time: a hundred times per second of it, on
// whichever thread runs. Returns a profile for the tool `pprof`, which finds names with the help of
// the program's file. Blocks for `duration`, or until `stop`. One at a time in a process. Error:
// kUnavailable while another is under way.
// Source: github.com/google/pprof, proto/profile.proto.
base::Result<std::string> RecordCpuProfile(base::Env env, std::chrono::milliseconds duration,
                                           std::stop_token stop);

}  // namespace narthex::extensions
