#include <fmt/format.h>

#include <optional>

#include "discovery/internal/finder.h"
#include "net/http_session.h"

namespace narthex::discovery::internal {
namespace {

using base::Code;
using base::Fail;

// An answer that somebody may or may not still be waiting for.
struct Awaited {
  base::Mutex mutex;
  base::CondVar wake;
  std::optional<base::Result<net::HttpClientResponse>> response GUARDED_BY(mutex);
};

// Source: Prometheus, http_sd: JSON, in UTF-8 where a character set is named.
bool IsJson(std::string_view content_type) {
  if (net::MediaType(content_type) != "application/json") return false;
  const std::string charset = net::MediaTypeParameter(content_type, "charset");
  return charset.empty() || charset == "utf-8" || charset == "UTF-8";
}

class HttpFinder final : public Finder {
 public:
  HttpFinder(const HttpConfig& config, const World& world,
             std::shared_ptr<net::HttpSession> session)
      : config_(config), world_(world), session_(std::move(session)) {}

  int64_t interval_ms() const override { return config_.refresh_interval_ms; }

  base::Result<std::vector<TargetGroup>> Look(const std::stop_token& stop) override {
    base::Result<std::vector<TargetGroup>> groups = Ask(stop);
    if (!groups && !stop.stop_requested()) {
      ++world_.counters.http_failures;
      if (groups.error().code == Code::kResourceExhausted) ++world_.counters.http_too_large;
    }
    return groups;
  }

 private:
  base::Result<std::vector<TargetGroup>> Ask(const std::stop_token& stop) {
    ASSIGN_OR_RETURN(const net::HttpClientResponse response, Fetch(stop));
    if (response.status != 200) {
      return Fail(Code::kUnavailable, "{}: server returned HTTP status {} {}", config_.url,
                  response.status, net::StatusText(response.status));
    }
    if (const std::string_view type = response.headers.Get("Content-Type"); !IsJson(type)) {
      return Fail(Code::kInvalidArgument, "{}: unsupported content type \"{}\"", config_.url, type);
    }
    ASSIGN_OR_RETURN(std::vector<TargetGroup> groups, ParseJsonTargets(response.body, config_.url));
    for (TargetGroup& group : groups) {
      std::erase_if(group.labels, [](const auto& label) { return label.name == "__meta_url"; });
      group.labels.push_back({"__meta_url", config_.url});
    }
    return groups;
  }

  base::Result<net::HttpClientResponse> Fetch(const std::stop_token& stop) {
    net::HttpClientRequest request{.url = config_.url};
    request.timeout = std::chrono::milliseconds(config_.refresh_interval_ms);
    request.response_bytes_max = world_.http_bytes_max;
    request.headers.Set("Accept", "application/json");
    request.headers.Set("User-Agent", net::kUserAgent);
    request.headers.Set("X-Prometheus-Refresh-Interval-Seconds",
                        fmt::format("{}", static_cast<double>(config_.refresh_interval_ms) / 1000));
    const auto awaited = std::make_shared<Awaited>();
    session_->Fetch(std::move(request), [awaited](base::Result<net::HttpClientResponse> response) {
      base::MutexLock lock(awaited->mutex);
      awaited->response = std::move(response);
      awaited->wake.NotifyAll();
    });
    const std::stop_callback wake(stop, [&] {
      base::MutexLock lock(awaited->mutex);
      awaited->wake.NotifyAll();
    });
    base::MutexLock lock(awaited->mutex);
    while (!awaited->response && !stop.stop_requested()) awaited->wake.Wait(awaited->mutex);
    if (!awaited->response) return Fail(Code::kCancelled, "{}: stopped", config_.url);
    return *std::move(awaited->response);
  }

  const HttpConfig config_;
  const World& world_;
  const std::shared_ptr<net::HttpSession> session_;
};

}  // namespace

base::Result<std::unique_ptr<Finder>> MakeHttpFinder(const HttpConfig& config, const World& world) {
  ASSIGN_OR_RETURN(std::shared_ptr<net::HttpSession> session,
                   net::HttpSession::Create(config.client, world.env, world.log, world.client));
  return std::make_unique<HttpFinder>(config, world, std::move(session));
}

}  // namespace narthex::discovery::internal
