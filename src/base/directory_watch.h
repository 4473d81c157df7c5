#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/result.h"

namespace narthex::base {

// Says in which directories a file was written to its end, moved in or out, or removed. What is
// still being written says nothing until it is closed. One thread at a time, but for Wake, which is
// thread-safe. Source: Linux, inotify(7).
class DirectoryWatch {
 public:
  // Error: kResourceExhausted where the machine has no more watches or descriptors.
  static Result<std::unique_ptr<DirectoryWatch>> Create();
  ~DirectoryWatch();
  DirectoryWatch(const DirectoryWatch&) = delete;
  DirectoryWatch& operator=(const DirectoryWatch&) = delete;

  // Watches exactly these from now on. Error: the first that could not be watched; the others are.
  Status Watch(const std::set<std::string>& directories);
  // The directories with changes since the last call, at the latest after `timeout`; also ends,
  // possibly with none, when Wake is called.
  std::set<std::string> Wait(std::chrono::milliseconds timeout);
  void Wake();

 private:
  DirectoryWatch(int events, int wake) : events_(events), wake_(wake) {}

  const int events_;
  const int wake_;
  std::map<std::string, int> watches_;
};

// When a file was last changed, in milliseconds since the Unix epoch. Error: kNotFound and others.
Result<int64_t> ModifiedMs(const std::string& path);

}  // namespace narthex::base
