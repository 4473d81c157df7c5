#include "demo/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>
#include <utility>

namespace narthex::demo {
namespace {

constexpr std::chrono::milliseconds kPoll{10};
constexpr int kInterruptedCode = 130;

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> Environment(const std::map<std::string, std::string>& added) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!added.contains(std::string(text.substr(0, text.find('='))))) out.emplace_back(text);
  }
  for (const auto& [name, value] : added) out.push_back(name + "=" + value);
  return out;
}

// Between fork and exec: only async-signal-safe calls.
[[noreturn]] void RunChild(char* const* arguments, char* const* environment, int log, int parent) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(1);  // It has died meanwhile.
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(nothing, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  execve(arguments[0], arguments, environment);
  _exit(127);
}

}  // namespace

base::Result<ChildProcess> ChildProcess::Start(const Spec& spec) {
  std::vector<std::string> arguments = spec.arguments;
  std::vector<std::string> environment = Environment(spec.variables);
  const std::vector<char*> argument_pointers = Pointers(arguments);
  const std::vector<char*> environment_pointers = Pointers(environment);
  const int log = open(spec.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) return base::FailErrno(errno, spec.log_path);
  const int parent = getpid();
  const int pid = fork();
  if (pid == 0) RunChild(argument_pointers.data(), environment_pointers.data(), log, parent);
  const int error = errno;
  close(log);
  if (pid < 0) return base::FailErrno(error, "fork");
  return ChildProcess(pid);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      ended_(std::move(other.ended_)),
      exited_well_(other.exited_well_) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(ended_, other.ended_);
  std::swap(exited_well_, other.exited_well_);
  return *this;
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) End(SIGKILL, std::chrono::milliseconds(0));
}

const std::optional<std::string>& ChildProcess::Poll() {
  int status = 0;
  if (ended_.has_value() || waitpid(pid_, &status, WNOHANG) != pid_) return ended_;
  if (WIFSIGNALED(status)) {
    ended_ = fmt::format("signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  } else {
    exited_well_ = WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == kInterruptedCode;
    ended_ = fmt::format("exit code {}", WEXITSTATUS(status));
  }
  return ended_;
}

bool ChildProcess::End(int signal, std::chrono::milliseconds patience) {
  if (Poll().has_value()) return true;
  kill(pid_, signal);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!Poll().has_value() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kPoll);
  }
  if (ended_.has_value()) return true;
  kill(pid_, SIGKILL);
  while (!Poll().has_value()) std::this_thread::sleep_for(kPoll);
  return false;
}

}  // namespace narthex::demo
