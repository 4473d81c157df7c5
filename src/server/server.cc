#include "server/server.h"

#include <atomic>

#include "api/api.h"
#include "base/process.h"
#include "base/thread_pool.h"
#include "exposition/writer.h"
#include "net/http_server.h"
#include "net/router.h"
#include "remote/write_receiver.h"
#include "scrape/manager.h"
#include "server/active_queries.h"
#include "server/api_sources.h"
#include "server/config.h"
#include "server/query_log.h"
#include "server/self_metrics.h"
#include "server/web_config.h"
#include "ui/ui.h"

namespace narthex::server {
namespace {

using base::Code;
using base::Fail;
using net::HttpRequest;
using net::HttpResponse;
using net::Responder;

constexpr int64_t kRetentionDefaultMs = int64_t{15} * 24 * 3600 * 1000;
constexpr std::chrono::milliseconds kDrain{10'000};
// A thread that no query has needed for so long ends.
constexpr std::chrono::milliseconds kQueryThreadIdle{10'000};

// "/x" from "x/", "/x/"; empty for none.
std::string CleanPrefix(std::string prefix) {
  while (prefix.ends_with('/')) prefix.pop_back();
  if (!prefix.empty() && prefix.front() != '/') prefix.insert(0, "/");
  return prefix;
}

std::string PathOfUrl(std::string_view url) {
  const size_t host = url.find("://");
  if (host == std::string_view::npos) return "";
  const size_t path = url.find('/', host + 3);
  return path == std::string_view::npos ? "" : std::string(url.substr(path));
}

exposition::Format NegotiateFormat(const HttpRequest& request) {
  return request.headers.Get("Accept").find("application/openmetrics-text") !=
                 std::string_view::npos
             ? exposition::Format::kOpenMetrics
             : exposition::Format::kText;
}

HttpResponse Redirect(std::string location) {
  HttpResponse response{.status = 302};
  response.headers.Set("Location", location);
  return response;
}

// A queryable that is there before the storage is.
class OpeningStorage final : public storage::Queryable, public storage::ExemplarQueryable {
 public:
  explicit OpeningStorage(const std::atomic<const tsdb::Db*>& db) : db_(db) {}
  base::Result<std::unique_ptr<storage::Querier>> OpenQuerier(model::TimeRange range) override {
    const tsdb::Db* const db = db_;
    if (db == nullptr) return Fail(Code::kUnavailable, "the storage is not open yet");
    return const_cast<tsdb::Db*>(db)->OpenQuerier(range);
  }
  base::Result<std::vector<storage::ExemplarSeries>> SelectExemplars(
      std::span<const std::vector<model::Matcher>> selectors,
      model::TimeRange range) const override {
    const tsdb::Db* const db = db_;
    if (db == nullptr) return Fail(Code::kUnavailable, "the storage is not open yet");
    return db->SelectExemplars(selectors, range);
  }

 private:
  const std::atomic<const tsdb::Db*>& db_;
};

}  // namespace

class Server::State {
 public:
  State(base::Env env, base::Logger& log, Options options)
      : env_(env),
        log_(log),
        options_(std::move(options)),
        prefix_(CleanPrefix(options_.route_prefix.empty() ? PathOfUrl(options_.external_url)
                                                          : options_.route_prefix)),
        active_queries_(env.clock, options_.engine.concurrent_max),
        query_log_(env.files, env.clock),
        engine_(ListenedTo(options_.engine, active_queries_, query_log_), env.clock),
        opening_(open_db_),
        scrape_source_(scrape_),
        admin_(open_db_),
        start_ms_(env.clock.WallMs()),
        api_threads_(options_.connections_max, kQueryThreadIdle) {}

  ~State() {
    stopping_ = true;
    for (const auto& server : servers_) server->Stop(kDrain);
    api_threads_.Stop();
    scrape_.Set(nullptr);
    scraper_.reset();
    scrape_source_.ShowMetadataOf(nullptr);
    receiver_.reset();
    open_db_ = nullptr;
    db_.reset();
  }

  base::Status Start() {
    ASSIGN_OR_RETURN(Config config, LoadConfig(env_.files, options_.config_file));
    flag_retention_ = options_.db.retention;
    options_.db.retention = RetentionUnder(config);
    options_.db.late_window_ms = config.late_window_ms;
    options_.db.exemplars_max = ExemplarsUnder(config);
    MakeStatus();
    RETURN_IF_ERROR(Listen());
    ASSIGN_OR_RETURN(db_, tsdb::Db::Open(env_, log_, options_.db));
    KeepActiveQueries();
    if (options_.enable_remote_write) {
      receiver_ = std::make_unique<remote::WriteReceiver>(
          *db_, env_.clock,
          remote::WriteReceiver::Options{.body_bytes_max = options_.body_bytes_max,
                                         .accepted = options_.remote_write_messages});
      scrape_source_.ShowMetadataOf(receiver_.get());
    }
    open_db_ = db_.get();
    RETURN_IF_ERROR(Apply(std::move(config)));
    ready_ = true;
    return {};
  }

  uint16_t port() const { return servers_.front()->port(); }

  base::Status Reload() {
    base::MutexLock lock(reload_mutex_);
    base::Result<Config> config = LoadConfig(env_.files, options_.config_file);
    base::Status status;
    if (config) {
      status = Apply(*std::move(config));
    } else {
      status = std::unexpected(std::move(config).error());
    }
    if (!status) {
      status_->NoteReload(false, env_.clock.WallMs(), "");
      log_.Error("server", "the configuration was not taken over; the old one stays",
                 {{"file", options_.config_file}, {"err", status.error().message}});
    } else {
      log_.Info("server", "configuration reloaded", {{"file", options_.config_file}});
    }
    return status;
  }

 private:
  void MakeStatus() {
    StatusPages::Facts facts;
    facts.version = options_.version;
    facts.revision = options_.revision;
    facts.flags.assign(options_.flags.begin(), options_.flags.end());
    facts.start_ms = start_ms_;
    status_ = std::make_unique<StatusPages>(std::move(facts), open_db_);
    api_ = std::make_unique<api::ApiV1>(
        api::ApiV1::Options{.engine = engine_,
                            .storage = opening_,
                            .clock = env_.clock,
                            .exemplars = &opening_,
                            .targets = &scrape_source_,
                            .metadata = &scrape_source_,
                            .status = status_.get(),
                            .admin = options_.enable_admin_api ? &admin_ : nullptr,
                            .path_prefix = prefix_,
                            .cors_origin = options_.cors_origin});
  }

  base::Status Listen() {
    ASSIGN_OR_RETURN(web_, WebGate::Open(options_.web_config_file, env_, log_));
    for (const std::string& address : options_.listen_addresses) {
      net::HttpServer::Config config{.listen_address = address};
      config.connections_max = options_.connections_max;
      config.idle_timeout = options_.read_timeout;
      config.body_bytes_max = options_.body_bytes_max;
      config.tls = web_->tls();
      ASSIGN_OR_RETURN(std::unique_ptr<net::HttpServer> server,
                       net::HttpServer::Bind(std::move(config)));
      servers_.push_back(std::move(server));
    }
    for (const auto& server : servers_) {
      routers_.push_back(std::make_unique<net::Router>(RoutesOf(*server)));
      net::HttpHandler handler = [this, router = routers_.back().get()](HttpRequest request,
                                                                        Responder responder) {
        Dispatch(*router, std::move(request), std::move(responder));
      };
      server->Serve(web_->Guard(*server, std::move(handler)));
    }
    return {};
  }

  // All that can fail comes first.
  base::Status Apply(Config config) {
    if (scraper_ == nullptr) {
      ASSIGN_OR_RETURN(scraper_,
                       scrape::Manager::Start(env_, log_, *db_,
                                              {.http_sd_bytes_max = options_.http_sd_bytes_max}));
    }
    const uint64_t offset_seed =
        scrape::OffsetSeed(base::HostName(), config.global.external_labels);
    ASSIGN_OR_RETURN(scrape::Manager::PreparedPtr jobs,
                     scraper_->Prepare(config.jobs, offset_seed));
    RETURN_IF_ERROR(query_log_.Reopen(config.query_log_file));
    scraper_->Apply(std::move(jobs));
    for (const std::string& warning : config.warnings) {
      log_.Warn("server", "configuration: " + warning, {{"file", options_.config_file}});
    }
    scrape_.Set(scraper_);
    db_->SetRetention(RetentionUnder(config));
    db_->SetLateWindow(config.late_window_ms);
    db_->SetExemplarsMax(ExemplarsUnder(config));
    status_->NoteReload(true, env_.clock.WallMs(), config.text);
    return {};
  }

  static promql::Engine::Options ListenedTo(promql::Engine::Options options,
                                            promql::Engine::Listener& listener,
                                            promql::Engine::Log& log) {
    options.listener = &listener;
    options.log = &log;
    return options;
  }

  // Once the data directory is ours.
  void KeepActiveQueries() {
    const auto unfinished =
        active_queries_.Open(env_.files, base::JoinPath(options_.db.directory, "queries.active"));
    if (!unfinished) {
      log_.Warn("server", "running queries are not kept for the next start",
                {{"error", unfinished.error().message}});
    } else if (!unfinished->empty()) {
      log_.Warn("server", "these queries did not finish in the last run",
                {{"queries", *unfinished}});
    }
  }

  size_t ExemplarsUnder(const Config& config) const {
    return options_.exemplar_storage ? config.exemplars_max : 0;
  }

  // 15 days where nothing sets a limit. Source: Prometheus, storage.tsdb.retention.
  tsdb::Retention RetentionUnder(const Config& config) const {
    tsdb::Retention retention{
        .time_ms = config.retention_ms.value_or(flag_retention_.time_ms),
        .bytes = config.retention_bytes.value_or(flag_retention_.bytes),
        .percentage = config.retention_percentage.value_or(flag_retention_.percentage)};
    if (retention.time_ms == 0 && retention.bytes == 0 && retention.percentage == 0) {
      retention.time_ms = kRetentionDefaultMs;
    }
    return retention;
  }

  // Strips the route prefix and counts the answer.
  void Dispatch(const net::Router& router, HttpRequest request, Responder responder) {
    if (!prefix_.empty()) {
      if (request.path == "/" || request.path.empty()) {
        return responder.Send(Redirect(prefix_ + "/"));
      }
      if (request.path != prefix_ && !request.path.starts_with(prefix_ + "/")) {
        return responder.Send(HttpResponse::Text(404, "404 page not found\n"));
      }
      request.path.erase(0, prefix_.size());
      if (request.path.empty()) request.path = "/";
    }
    std::string handler =
        request.path.starts_with("/api/v1/label/") ? "/api/v1/label/:name/values" : request.path;
    auto shared = std::make_shared<Responder>(std::move(responder));
    router.Handle(std::move(request),
                  Responder([this, handler = std::move(handler), shared](HttpResponse response) {
                    // Paths that nobody serves are not worth a series each.
                    http_.Count(response.status == 404 ? "/" : handler, response.status);
                    shared->Send(std::move(response));
                  }));
  }

  std::vector<net::Route> RoutesOf(net::HttpServer& server) {
    const auto now = [](auto answer) {
      return
          [answer](HttpRequest request, Responder responder) { responder.Send(answer(request)); };
    };
    const auto blocking = [&server](auto answer) {
      return [answer, &server](HttpRequest request, Responder responder) {
        server.RunBlocking(
            [answer, request = std::move(request), responder = std::move(responder)]() mutable {
              responder.Send(answer(request));
            });
      };
    };
    std::vector<net::Route> routes = {
        {"GET", "/-/healthy", now([](const HttpRequest&) {
           return HttpResponse::Text(200, "Prometheus Server is Healthy.\n");
         })},
        {"GET", "/-/ready", now([this](const HttpRequest&) {
           return ready_ ? HttpResponse::Text(200, "Prometheus Server is Ready.\n") : NotReady();
         })},
        {"POST,PUT", "/-/reload", blocking([this](const HttpRequest&) { return HandleReload(); })},
        {"POST,PUT", "/-/quit", now([this](const HttpRequest&) { return HandleQuit(); })},
        // The pages below take every GET; these two are there, but not for GET.
        {"GET", "/-/reload", now([](const HttpRequest&) { return OnlyPost(); })},
        {"GET", "/-/quit", now([](const HttpRequest&) { return OnlyPost(); })},
        {"GET", "/metrics",
         blocking([this](const HttpRequest& request) { return HandleMetrics(request); })},
        {"POST", "/api/v1/write",
         blocking([this](const HttpRequest& request) { return HandleWrite(request); })},
        {"*", "/api/v1/*",
         [this, &server](HttpRequest request, Responder responder) {
           std::move_only_function<void()> answer = [this, request = std::move(request),
                                                     responder = std::move(responder)]() mutable {
             responder.Send(ready_ ? api_->Handle(request, request.stop) : NotReady());
           };
           if (!server.RunWatched(answer)) api_threads_.Run(std::move(answer));
         }},
        {"GET", "/", now([this](const HttpRequest&) { return Redirect(prefix_ + "/query"); })},
        {"GET", "/graph", now([this](const HttpRequest& request) {
           return Redirect(prefix_ + "/query" + (request.query.empty() ? "" : "?" + request.query));
         })},
        {"GET", "/*", now([](const HttpRequest& request) { return HandlePage(request); })},
    };
    return routes;
  }

  HttpResponse NotReady() const {
    HttpResponse response = HttpResponse::Text(503, "Service Unavailable");
    response.headers.Set("X-Prometheus-Stopping", stopping_ ? "true" : "false");
    return response;
  }

  static HttpResponse OnlyPost() {
    HttpResponse response = HttpResponse::Text(405, "Only POST or PUT requests allowed\n");
    response.headers.Set("Allow", "POST, PUT");
    return response;
  }

  HttpResponse HandleReload() {
    if (!options_.enable_lifecycle) return HttpResponse::Text(403, "Lifecycle API is not enabled.");
    if (!ready_) return NotReady();
    if (const base::Status status = Reload(); !status) {
      return HttpResponse::Text(500, "failed to reload config: " + status.error().message + "\n");
    }
    return HttpResponse::Text(200, "");
  }

  HttpResponse HandleQuit() {
    if (!options_.enable_lifecycle) return HttpResponse::Text(403, "Lifecycle API is not enabled.");
    if (options_.on_quit) options_.on_quit();
    return HttpResponse::Text(200, "Requesting termination... Goodbye!");
  }

  HttpResponse HandleMetrics(const HttpRequest& request) const {
    const exposition::Format format = NegotiateFormat(request);
    const auto manager = scrape_.Get();
    SelfMetrics metrics;
    metrics.version = options_.version;
    metrics.revision = options_.revision;
    metrics.ready = ready_;
    metrics.config_reload_successful = status_->reload_success();
    metrics.config_reload_time_ms = status_->reload_ms();
    metrics.process_start_ms = start_ms_;
    metrics.db = open_db_;
    metrics.scrape = manager.get();
    metrics.write = ready_ ? receiver_.get() : nullptr;
    metrics.http = &http_;
    metrics.engine = &engine_;
    metrics.query_log = &query_log_;
    HttpResponse response{.body = RenderSelfMetrics(metrics, format)};
    response.headers.Set("Content-Type", exposition::ContentTypeOf(format));
    return response;
  }

  HttpResponse HandleWrite(const HttpRequest& request) {
    if (!options_.enable_remote_write) {
      return HttpResponse::Text(404,
                                "remote write receiver needs to be enabled with "
                                "--web.enable-remote-write-receiver\n");
    }
    return ready_ ? receiver_->Handle(request) : NotReady();
  }

  static HttpResponse HandlePage(const HttpRequest& request) {
    const std::optional<ui::Asset> asset = ui::Find(request.path);
    if (!asset) return HttpResponse::Text(404, "404 page not found\n");
    HttpResponse response{.body = std::string(asset->bytes)};
    response.headers.Set("Content-Type", asset->content_type);
    return response;
  }

  const base::Env env_;
  base::Logger& log_;
  Options options_;
  const std::string prefix_;
  tsdb::Retention flag_retention_;
  ActiveQueries active_queries_;
  QueryLog query_log_;
  promql::Engine engine_;
  HttpCounters http_;

  std::atomic<const tsdb::Db*> open_db_{nullptr};
  OpeningStorage opening_;
  CurrentScrape scrape_;
  std::shared_ptr<scrape::Manager> scraper_;  // Of those who reload.
  ScrapeSource scrape_source_;
  StorageAdmin admin_;
  std::unique_ptr<StatusPages> status_;
  std::unique_ptr<api::ApiV1> api_;
  std::unique_ptr<tsdb::Db> db_;
  std::unique_ptr<remote::WriteReceiver> receiver_;

  const int64_t start_ms_;
  std::atomic<bool> ready_{false};
  std::atomic<bool> stopping_{false};
  base::Mutex reload_mutex_;  // One reload at a time.
  std::shared_ptr<WebGate> web_;
  std::vector<std::unique_ptr<net::Router>> routers_;
  std::vector<std::unique_ptr<net::HttpServer>> servers_;
  // For what waits for its turn and then computes; each request that waits has a thread of its own,
  // so that the engine decides how many queries run and which have waited too long.
  base::ThreadPool api_threads_;
};

base::Result<std::unique_ptr<Server>> Server::Start(base::Env env, base::Logger& log,
                                                    Options options) {
  auto state = std::make_unique<State>(env, log, std::move(options));
  RETURN_IF_ERROR(state->Start());
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() = default;
uint16_t Server::port() const { return state_->port(); }
base::Status Server::Reload() { return state_->Reload(); }

}  // namespace narthex::server
