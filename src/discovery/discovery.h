#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "discovery/config.h"
#include "discovery/target_group.h"
#include "net/dns_resolver.h"

namespace narthex::discovery {

// Looks for targets, again and again, and says whose have changed. Places with equal settings are
// looked at once for all who want them. Thread-safe.
class Discovery {
 public:
  struct Pool {
    std::string name;
    std::vector<Config> configs;
  };
  struct Options {
    std::vector<Pool> pools;
    std::function<void()> on_change;  // TakeChanged has something; must not call back.
    net::DnsResolver::Options dns;
    size_t http_bytes_max = 64 << 20;  // Of an answer.
  };
  struct Mechanism {
    uint64_t looks = 0;
    uint64_t failures = 0;
    double seconds = 0;  // Of all looks.
  };
  struct Statistics {
    uint64_t received_updates = 0;  // Answers of places.
    uint64_t updates = 0;           // Taken by TakeChanged.
    uint64_t failed_configs = 0;    // Places of now that cannot be looked at with these settings.
    uint64_t file_read_errors = 0;
    uint64_t file_watcher_errors = 0;
    uint64_t http_failures = 0;
    uint64_t http_too_large = 0;  // Of those, answers over the limit.
    uint64_t dns_lookups = 0;
    uint64_t dns_lookup_failures = 0;
    std::map<std::string, Mechanism> mechanisms;
    std::map<std::string, int64_t> file_times;  // Milliseconds since the Unix epoch, by path.
  };

  Discovery(base::Env env, base::Logger& log, Options options);
  // Gives up what is under way.
  ~Discovery();

  // Looks for these from now on; all count as changed. Places whose settings stay keep what they
  // have found, and their rhythm. One thread at a time.
  void Reload(const std::vector<Pool>& pools);
  // The places of the pools whose groups are others than at the last call.
  std::set<size_t> TakeChanged();
  // Of the pool at that place, in the order of its configuration; empty until they are found.
  std::vector<TargetGroup> groups(size_t pool) const;
  // Whether every place of that pool has been seen at least once.
  bool has_looked(size_t pool) const;
  Statistics statistics() const;

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace narthex::discovery
