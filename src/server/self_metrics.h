#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/mutex.h"
#include "exposition/parser.h"
#include "promql/engine.h"
#include "remote/write_receiver.h"
#include "scrape/manager.h"
#include "server/query_log.h"
#include "tsdb/db.h"

namespace narthex::server {

// Requests served, by handler and status code. Thread-safe.
class HttpCounters {
 public:
  void Count(std::string_view handler, int status) EXCLUDES_LOCK(mutex_);
  std::map<std::pair<std::string, int>, uint64_t> counts() const EXCLUDES_LOCK(mutex_);

 private:
  mutable base::Mutex mutex_;
  std::map<std::pair<std::string, int>, uint64_t> counts_ GUARDED_BY(mutex_);
};

// What the server tells about itself; parts that are not there yet are null.
struct SelfMetrics {
  std::string version;
  std::string revision;
  bool ready = false;
  bool config_reload_successful = true;
  int64_t config_reload_time_ms = 0;
  int64_t process_start_ms = 0;
  const tsdb::Db* db = nullptr;
  const scrape::Manager* scrape = nullptr;
  const remote::WriteReceiver* write = nullptr;
  const HttpCounters* http = nullptr;
  const promql::Engine* engine = nullptr;
  const QueryLog* query_log = nullptr;
};

// The page at /metrics, with the names that upstream's dashboards and alerts use.
// Source: Prometheus, own metrics; Prometheus client, process metrics.
std::string RenderSelfMetrics(const SelfMetrics& metrics, exposition::Format format);

}  // namespace narthex::server
