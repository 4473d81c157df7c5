#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/result.h"
#include "discovery/config.h"
#include "discovery/target_group.h"
#include "net/http_client.h"

namespace narthex::discovery::internal {

// What finders count. Thread-safe.
struct Counters {
  std::atomic<uint64_t> file_read_errors = 0;
  std::atomic<uint64_t> http_failures = 0;
  std::atomic<uint64_t> http_too_large = 0;
  std::atomic<uint64_t> dns_lookups = 0;
  std::atomic<uint64_t> dns_lookup_failures = 0;
};

// One place where targets are found. One thread at a time, but for interval_ms and directories,
// which are thread-safe.
class Finder {
 public:
  virtual ~Finder() = default;
  // All groups that are there now; blocks. What could not be seen this time is as it was, where the
  // finder can tell the parts apart; an error says that nothing was seen.
  virtual base::Result<std::vector<TargetGroup>> Look(const std::stop_token& stop) = 0;
  virtual int64_t interval_ms() const = 0;
  // Where a change means that it is time to look.
  virtual std::set<std::string> directories() const { return {}; }
  // Files in use, with their time of change in milliseconds since the Unix epoch.
  virtual std::map<std::string, int64_t> file_times() const { return {}; }
};

// What a finder works with; outlives it.
struct World {
  const base::Env env;
  base::Logger& log;
  net::HttpClient& client;
  const net::DnsResolver& resolver;
  Counters& counters;
  const size_t http_bytes_max;
};

// Error: a certificate that cannot be used.
base::Result<std::unique_ptr<Finder>> MakeFinder(const Config& config, const World& world);

base::Result<std::unique_ptr<Finder>> MakeFileFinder(const FileConfig& config, const World& world);
base::Result<std::unique_ptr<Finder>> MakeHttpFinder(const HttpConfig& config, const World& world);
base::Result<std::unique_ptr<Finder>> MakeDnsFinder(const DnsConfig& config, const World& world);

}  // namespace narthex::discovery::internal
