#include "stop_signal.h"

#include <unistd.h>

#include <csignal>
#include <ctime>

namespace narthex::apps {
namespace {

sigset_t Signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  return set;
}

StopSignal::Event EventOf(int signal) {
  if (signal == SIGHUP) return StopSignal::Event::kReload;
  if (signal != SIGINT && signal != SIGTERM) return StopSignal::Event::kTimeout;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);  // The next one has its default effect.
  return StopSignal::Event::kStop;
}

}  // namespace

StopSignal::StopSignal() {
  const sigset_t set = Signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

StopSignal::Event StopSignal::Wait() {
  const sigset_t set = Signals();
  int signal = 0;
  while (sigwait(&set, &signal) != 0) {
  }
  return EventOf(signal);
}

StopSignal::Event StopSignal::WaitFor(std::chrono::milliseconds timeout) {
  const sigset_t set = Signals();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  const timespec limit{.tv_sec = seconds.count(),
                       .tv_nsec = std::chrono::nanoseconds(timeout - seconds).count()};
  return EventOf(sigtimedwait(&set, nullptr, &limit));
}

void StopSignal::RequestStop() { kill(getpid(), SIGTERM); }

}  // namespace narthex::apps
