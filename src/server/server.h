#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "base/result.h"
#include "promql/engine.h"
#include "remote/write_request.h"
#include "tsdb/db.h"

namespace narthex::server {

// The whole of `narthex server`: storage, scraping, queries and the HTTP surface, put together.
// Thread-safe.
class Server {
 public:
  struct Options {
    std::string config_file = "prometheus.yml";
    std::string web_config_file;  // TLS and passwords; empty: none.
    std::vector<std::string> listen_addresses = {"0.0.0.0:9090"};
    std::string external_url;
    std::string route_prefix;
    size_t connections_max = 512;
    std::chrono::milliseconds read_timeout{5 * 60'000};
    size_t body_bytes_max = 32 << 20;
    std::string cors_origin = ".*";  // Origins of browsers; an anchored expression that compiles.
    bool enable_lifecycle = false;
    bool enable_admin_api = false;
    bool enable_remote_write = false;
    std::vector<remote::WriteMessage> remote_write_messages = {remote::WriteMessage::kVersion1,
                                                               remote::WriteMessage::kVersion2};
    size_t http_sd_bytes_max = 64 << 20;  // Of an answer with targets.
    bool exemplar_storage = false;        // Else none are kept, whatever the configuration says.
    tsdb::Db::Options db;                 // Its retention holds where the configuration sets none.
    promql::Engine::Options engine;
    std::string version;
    std::string revision;
    std::map<std::string, std::string> flags;  // For the status page.
    std::function<void()> on_quit;             // POST /-/quit
  };

  // Reads the configuration, takes the addresses, then opens the data directory; requests get 503
  // until it is replayed. Errors: kInvalidArgument for the configuration, else what kept it from
  // starting.
  static base::Result<std::unique_ptr<Server>> Start(base::Env env, base::Logger& log,
                                                     Options options);
  // Stops scraping, lets requests finish, then closes the storage.
  ~Server();

  // Of the first address.
  uint16_t port() const;
  // Takes over a changed configuration file: all of it, or nothing and an error.
  base::Status Reload();

 private:
  class State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace narthex::server
