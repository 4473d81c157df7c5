#include "loadgen/report.h"

#include <fmt/format.h>

#include "json/writer.h"

namespace narthex::loadgen {
namespace {

constexpr int64_t kLagUsMax = 5000;
constexpr double kUsPerMs = 1000;

double Ms(int64_t us) { return static_cast<double>(us) / kUsPerMs; }

double RatePerSecond(uint64_t now, uint64_t before, double seconds) {
  return seconds <= 0 ? 0 : static_cast<double>(now - before) / seconds;
}

std::string StatusMix(const RouteStats& total) {
  std::string out;
  for (const auto& [status, count] : total.by_status) out += fmt::format("  {}×{}", status, count);
  for (const auto& [reason, count] : total.by_failure) out += fmt::format("  {}×{}", reason, count);
  return out;
}

std::string Row(const RouteStats& route, double rate) {
  return fmt::format("{:<18}{:>8.1f}{:>9}{:>8}{:>9.1f}{:>9.1f}{:>9.1f}{:>9.1f}\n",
                     route.method + " " + route.endpoint, rate, route.completed,
                     route.failed + route.dropped, Ms(route.response.Quantile(0.50)),
                     Ms(route.response.Quantile(0.95)), Ms(route.response.Quantile(0.99)),
                     Ms(route.response.max()));
}

std::string Table(const LoadStats& now, const LoadStats* before) {
  const double seconds = now.elapsed_s - (before == nullptr ? 0 : before->elapsed_s);
  std::string out = fmt::format("{:<18}{:>8}{:>9}{:>8}{:>9}{:>9}{:>9}{:>9}\n", "route", "per s",
                                "done", "failed", "p50 ms", "p95 ms", "p99 ms", "max ms");
  for (size_t i = 0; i < now.routes.size(); ++i) {
    const uint64_t earlier = before == nullptr ? 0 : before->routes[i].completed;
    out += Row(now.routes[i], RatePerSecond(now.routes[i].completed, earlier, seconds));
  }
  RouteStats total = now.Total();
  total.method = "all";
  const uint64_t earlier = before == nullptr ? 0 : before->Total().completed;
  out += Row(total, RatePerSecond(total.completed, earlier, seconds));
  return out + fmt::format("status{}\n", StatusMix(total));
}

void WriteLatency(json::Writer& writer, const Histogram& histogram) {
  writer.BeginObject();
  for (const auto& [name, q] :
       {std::pair("p50", 0.5), std::pair("p90", 0.9), std::pair("p95", 0.95),
        std::pair("p99", 0.99), std::pair("p999", 0.999)}) {
    writer.Key(name).Double(Ms(histogram.Quantile(q)));
  }
  writer.Key("max").Double(Ms(histogram.max()));
  writer.Key("mean").Double(histogram.mean() / kUsPerMs);
  writer.EndObject();
}

void WriteCounts(json::Writer& writer, const RouteStats& route) {
  writer.Key("planned").Uint(route.planned);
  writer.Key("sent").Uint(route.sent);
  writer.Key("completed").Uint(route.completed);
  writer.Key("failed").Uint(route.failed);
  writer.Key("dropped").Uint(route.dropped);
}

void WriteRoute(json::Writer& writer, const RouteStats& route) {
  writer.BeginObject();
  writer.Key("method").String(route.method);
  writer.Key("endpoint").String(route.endpoint);
  WriteCounts(writer, route);
  writer.Key("response_ms");
  WriteLatency(writer, route.response);
  writer.Key("service_ms");
  WriteLatency(writer, route.service);
  writer.EndObject();
}

template <class Counts>
void WriteOutcomes(json::Writer& writer, const RouteStats& route, const char* key,
                   const Counts& counts) {
  for (const auto& [outcome, count] : counts) {
    writer.BeginObject();
    writer.Key("method").String(route.method);
    writer.Key("endpoint").String(route.endpoint);
    writer.Key(key).String(fmt::format("{}", outcome));
    writer.Key("count").Uint(count);
    writer.EndObject();
  }
}

}  // namespace

std::string FormatLine(const LoadStats& now, const LoadStats& before) {
  const RouteStats total = now.Total();
  const double seconds = now.elapsed_s - before.elapsed_s;
  return fmt::format(
      "elapsed={:.0f}s planned={} sent={} completed={} failed={} dropped={} in_flight={} "
      "rate={:.1f}/s p50={:.1f}ms p95={:.1f}ms p99={:.1f}ms",
      now.elapsed_s, total.planned, total.sent, total.completed, total.failed, total.dropped,
      now.in_flight, RatePerSecond(total.sent, before.Total().sent, seconds),
      Ms(total.response.Quantile(0.5)), Ms(total.response.Quantile(0.95)),
      Ms(total.response.Quantile(0.99)));
}

std::string FormatTable(const LoadStats& now, const LoadStats& before) {
  const RouteStats total = now.Total();
  return fmt::format("{:.0f} s   planned {}   sent {}   in flight {}   dropped {}\n", now.elapsed_s,
                     total.planned, total.sent, now.in_flight, total.dropped) +
         Table(now, &before);
}

std::string FormatSummary(const LoadStats& stats) {
  const RouteStats total = stats.Total();
  std::string out = fmt::format(
      "{:.1f} s: planned {}, sent {}, completed {}, failed {}, dropped {}\n", stats.elapsed_s,
      total.planned, total.sent, total.completed, total.failed, total.dropped);
  out += Table(stats, nullptr);
  out += fmt::format("sent on time: p50 {:.2f} ms, p99 {:.2f} ms late\n",
                     Ms(stats.lag.Quantile(0.5)), Ms(stats.lag.Quantile(0.99)));
  const std::string limits = GeneratorLimits(stats);
  if (!limits.empty()) out += fmt::format("generator-limited: {}\n", limits);
  return out;
}

std::string FormatJson(const LoadConfig& config, const LoadStats& stats, bool interrupted) {
  const RouteStats total = stats.Total();
  json::Writer writer;
  writer.BeginObject();
  writer.Key("target").String(config.target);
  writer.Key("seed").Uint(config.traffic.seed);
  writer.Key("rate").Double(config.traffic.rate);
  writer.Key("elapsed_s").Double(stats.elapsed_s);
  writer.Key("interrupted").Bool(interrupted);
  WriteCounts(writer, total);
  writer.Key("in_flight").Uint(stats.in_flight);
  writer.Key("response_ms");
  WriteLatency(writer, total.response);
  writer.Key("requests").BeginArray();
  for (const RouteStats& route : stats.routes) {
    WriteOutcomes(writer, route, "status", route.by_status);
  }
  writer.EndArray();
  writer.Key("failures").BeginArray();
  for (const RouteStats& route : stats.routes) {
    WriteOutcomes(writer, route, "reason", route.by_failure);
  }
  writer.EndArray();
  writer.Key("routes").BeginArray();
  for (const RouteStats& route : stats.routes) WriteRoute(writer, route);
  writer.EndArray();
  writer.Key("lag_ms");
  WriteLatency(writer, stats.lag);
  writer.Key("generator_limits").String(GeneratorLimits(stats));
  writer.EndObject();
  return writer.Take();
}

std::string GeneratorLimits(const LoadStats& stats) {
  const RouteStats total = stats.Total();
  if (total.dropped > 0) {
    return fmt::format("{} requests were not sent, because too many were in flight", total.dropped);
  }
  if (stats.lag.Quantile(0.99) > kLagUsMax) {
    return fmt::format("1 % of the requests were sent more than {:.1f} ms late",
                       Ms(stats.lag.Quantile(0.99)));
  }
  return {};
}

}  // namespace narthex::loadgen
