#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "demo/backoff.h"
#include "demo/child_process.h"
#include "demo/probe.h"
#include "demo/report.h"
#include "demo/screen.h"
#include "demo/settings.h"

namespace narthex::demo {

// Runs collector, server, API and load as child processes and watches them over HTTP. A child that
// dies is started again, after 1 s, 2 s … 30 s; the others go on. One thread at a time.
class Supervisor {
 public:
  // `env` and `client` outlive the supervisor.
  Supervisor(Settings settings, base::Env env, net::HttpClient& client);
  ~Supervisor();

  // Prepares files and starts the children; load once the API answers. Error: a port in use, a
  // missing configuration file, a directory that cannot be written.
  base::Status Start();
  // Looks after the children; call it a few times a second. Cheap, but may wait for slow answers.
  void Tick();
  // Error: a child that keeps dying before it has ever been up, with the last line of its log.
  base::Status Health() const;
  // The load has run for its duration, or without load the duration is over.
  bool IsFinished() const;
  // Every hop is up and all example queries have answers.
  bool HasAnswers() const;
  View view() const;

  // Stops load, API, collector and server in this order. In between, the API flushes its last
  // export and the server scrapes it, so that nothing is lost. `progress` hears what is going on.
  Report Stop(const std::function<void(const std::string&)>& progress);

 private:
  struct Child {
    std::string name;
    std::function<ChildProcess::Spec(int attempt)> spec;
    std::function<bool()> is_up;
    std::optional<ChildProcess> process;
    Backoff backoff;
    int attempts = 0;
    bool up = false;
    bool was_ever_up = false;
    bool finished = false;      // Ended well, and is not needed again.
    std::string last_end;       // Why it ended the last time.
    int64_t restart_at_ns = 0;  // While it is down.
  };

  void Look(Child& child);
  void Launch(Child& child);
  void ReadHops();
  // Polls until `is_done` or the time is up.
  bool Await(std::chrono::milliseconds patience, const std::function<bool()>& is_done);
  void End(Child& child, int signal, std::chrono::milliseconds patience);
  void FinishLoad(Report& report);
  void FinishApi(Report& report);
  void FinishCollector(Report& report);
  void FinishServer(Report& report);
  // State and detail of a hop; `detail` is for when it is up.
  HopView ViewOf(const Child& child, std::string detail) const;
  std::vector<std::pair<std::string, std::string>> Links() const;
  double ElapsedS() const;

  const Settings settings_;
  base::Env env_;
  Probe probe_;
  Child collector_, server_, api_, load_;
  int64_t start_ns_ = 0;
  int64_t ready_ns_ = 0;  // When collector, server and API were first all up; 0 before.
  int64_t next_read_ns_ = 0;
  struct Reading {
    int64_t at_ns = 0;
    Ledger ledger;
  };
  Reading now_, before_;
  std::vector<QueryAnswer> answers_;
};

}  // namespace narthex::demo
