#include "base/directory_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace narthex::base {
namespace {

constexpr uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE |
                             IN_DELETE_SELF | IN_MOVE_SELF;

}  // namespace

Result<std::unique_ptr<DirectoryWatch>> DirectoryWatch::Create() {
  const int events = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (events < 0) return FailErrno(errno, "watching files");
  const int wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) {
    const int error = errno;
    ::close(events);
    return FailErrno(error, "watching files");
  }
  return std::unique_ptr<DirectoryWatch>(new DirectoryWatch(events, wake));
}

DirectoryWatch::~DirectoryWatch() {
  ::close(events_);
  ::close(wake_);
}

Status DirectoryWatch::Watch(const std::set<std::string>& directories) {
  Status status;
  for (auto it = watches_.begin(); it != watches_.end();) {
    if (directories.contains(it->first)) {
      ++it;
      continue;
    }
    ::inotify_rm_watch(events_, it->second);
    it = watches_.erase(it);
  }
  for (const std::string& directory : directories) {
    if (watches_.contains(directory)) continue;
    const int watch = ::inotify_add_watch(events_, directory.c_str(), kEvents);
    if (watch >= 0) {
      watches_.emplace(directory, watch);
    } else if (status) {
      status = FailErrno(errno, "watching " + directory);
    }
  }
  return status;
}

std::set<std::string> DirectoryWatch::Wait(std::chrono::milliseconds timeout) {
  pollfd files[2] = {{.fd = events_, .events = POLLIN, .revents = 0},
                     {.fd = wake_, .events = POLLIN, .revents = 0}};
  ::poll(files, 2, static_cast<int>(timeout.count()));
  uint64_t wakes = 0;
  [[maybe_unused]] const ssize_t woken = ::read(wake_, &wakes, sizeof wakes);
  std::set<std::string> changed;
  alignas(inotify_event) char buffer[4096];
  for (ssize_t size; (size = ::read(events_, buffer, sizeof buffer)) > 0;) {
    for (ssize_t at = 0; at < size;) {
      inotify_event event;
      std::memcpy(&event, buffer + at, sizeof event);
      at += static_cast<ssize_t>(sizeof event + event.len);
      for (auto it = watches_.begin(); it != watches_.end();) {
        // After an overflow nobody knows where.
        if (it->second == event.wd || (event.mask & IN_Q_OVERFLOW) != 0) changed.insert(it->first);
        const bool gone = it->second == event.wd && (event.mask & (IN_IGNORED | IN_MOVE_SELF)) != 0;
        it = gone ? watches_.erase(it) : std::next(it);
      }
    }
  }
  return changed;
}

void DirectoryWatch::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
}

Result<int64_t> ModifiedMs(const std::string& path) {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0) return FailErrno(errno, path);
  return facts.st_mtim.tv_sec * int64_t{1000} + facts.st_mtim.tv_nsec / 1'000'000;
}

}  // namespace narthex::base
