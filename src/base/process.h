#pragma once

#include <cstdint>
#include <string>

namespace narthex::base {

// What this process uses, from the operating system. Zeros where it does not tell.
struct ProcessUsage {
  double cpu_seconds = 0;  // User and system.
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
  uint64_t open_files = 0;
  uint64_t threads = 0;
};
ProcessUsage ReadProcessUsage();

// Has the memory of large blocks go back to the system as soon as they are freed, for processes
// that live long and need them now and then: left to itself malloc learns from the first such block
// to keep the like of it for ever. Call it first of all.
void ReturnLargeBlocks();

std::string HostName();
std::string CurrentDirectory();

}  // namespace narthex::base
