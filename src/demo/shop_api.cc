#include "demo/shop_api.h"

#include "json/writer.h"

namespace narthex::demo {

ShopApi::ShopApi(std::unique_ptr<net::HttpServer> server, uint64_t seed, sdk::Meter& meter,
                 base::Clock& clock)
    : clock_(clock), metrics_(meter), random_(seed), server_(std::move(server)) {}

base::Result<std::unique_ptr<ShopApi>> ShopApi::Start(Config config, sdk::Meter& meter,
                                                      base::Clock& clock) {
  ASSIGN_OR_RETURN(auto server, net::HttpServer::Bind({.listen_address = config.listen_address,
                                                       .connections_max = config.connections_max,
                                                       .body_bytes_max = 1 << 20}));
  std::unique_ptr<ShopApi> api(new ShopApi(std::move(server), config.seed, meter, clock));
  api->server_->Serve([api = api.get()](net::HttpRequest request, net::Responder responder) {
    api->Handle(request, std::move(responder));
  });
  return api;
}

void ShopApi::Handle(const net::HttpRequest& request, net::Responder responder) {
  if (request.path == "/-/counts") {
    return responder.Send(net::HttpResponse::Json(200, FormatCounts()));
  }
  const int64_t start_ns = clock_.MonotonicNs();
  ShopOutcome outcome;
  {
    base::MutexLock lock(mutex_);
    outcome = DecideOutcome(request, random_);
    ++in_flight_;
  }
  metrics_.RequestBegan(outcome.method);
  const std::chrono::milliseconds delay = outcome.delay;
  auto answer = [this, start_ns, outcome = std::move(outcome),
                 responder = std::move(responder)]() mutable {
    Finish(outcome, start_ns);
    responder.Send(std::move(outcome.response));
  };
  if (delay.count() == 0) return answer();
  server_->RunAfter(delay, std::move(answer));
}

void ShopApi::Finish(const ShopOutcome& outcome, int64_t start_ns) {
  metrics_.RequestEnded(outcome, std::chrono::nanoseconds(clock_.MonotonicNs() - start_ns));
  base::MutexLock lock(mutex_);
  --in_flight_;
  ++counts_[Key(outcome.method, outcome.endpoint, outcome.response.status)];
}

std::string ShopApi::FormatCounts() {
  json::Writer writer;
  base::MutexLock lock(mutex_);
  writer.BeginObject().Key("in_flight").Int(in_flight_).Key("requests").BeginArray();
  for (const auto& [key, count] : counts_) {
    const auto& [method, endpoint, status] = key;
    writer.BeginObject();
    writer.Key("method").String(method);
    writer.Key("endpoint").String(endpoint);
    writer.Key("status").String(std::to_string(status));
    writer.Key("count").Uint(count);
    writer.EndObject();
  }
  writer.EndArray().EndObject();
  return writer.Take();
}

}  // namespace narthex::demo
