#include "api/api.h"

#include <fmt/core.h>

#include <algorithm>

#include "api/handlers.h"
#include "base/check.h"
#include "json/writer.h"

namespace narthex::api {
namespace {

struct Endpoint {
  std::string_view path;  // Behind /api/v1/.
  std::string_view methods;
  Handler handler;
};

constexpr std::string_view kGet = "GET";
constexpr std::string_view kGetPost = "GET POST";
constexpr std::string_view kPostPut = "POST PUT";

constexpr Endpoint kEndpoints[] = {
    {"admin/tsdb/clean_tombstones", kPostPut, &AdminCleanTombstones},
    {"admin/tsdb/delete_series", kPostPut, &AdminDeleteSeries},
    {"admin/tsdb/snapshot", kPostPut, &AdminSnapshot},
    {"alertmanagers", kGet, &Alertmanagers},
    {"alerts", kGet, &Alerts},
    {"format_query", kGetPost, &FormatQuery},
    {"labels", kGetPost, &LabelNames},
    {"metadata", kGet, &Metadata},
    {"parse_query", kGetPost, &ParseQuery},
    {"query", kGetPost, &Query},
    {"query_exemplars", kGetPost, &QueryExemplars},
    {"query_range", kGetPost, &QueryRange},
    {"rules", kGet, &Rules},
    {"scrape_pools", kGet, &ScrapePools},
    {"series", kGetPost, &Series},
    {"status/buildinfo", kGet, &StatusBuildInfo},
    {"status/config", kGet, &StatusConfig},
    {"status/flags", kGet, &StatusFlags},
    {"status/runtimeinfo", kGet, &StatusRuntimeInfo},
    {"status/tsdb", kGet, &StatusTsdb},
    {"targets", kGet, &Targets},
};
static_assert(std::ranges::is_sorted(kEndpoints, {}, &Endpoint::path));  // Lookup bisects.
constexpr Endpoint kLabelValues = {"label/*/values", kGet, &LabelValues};

const Endpoint* FindEndpoint(std::string_view path) {
  if (path.starts_with("label/") && path.ends_with("/values") &&
      path.size() > std::string_view("label//values").size()) {
    return &kLabelValues;
  }
  const auto found = std::ranges::lower_bound(kEndpoints, path, {}, &Endpoint::path);
  return found != std::end(kEndpoints) && found->path == path ? found : nullptr;
}

struct ErrorKind {
  std::string_view type;
  int status;
};

// Source: Prometheus documentation, HTTP API, format overview.
ErrorKind KindOf(base::Code code) {
  switch (code) {
    case base::Code::kInvalidArgument:
    case base::Code::kOutOfRange:
      return {"bad_data", 400};
    case base::Code::kFailedPrecondition:
    case base::Code::kUnimplemented:
    case base::Code::kResourceExhausted:
      return {"execution", 422};
    case base::Code::kCancelled:
      return {"canceled", 499};
    case base::Code::kDeadlineExceeded:
      return {"timeout", 503};
    case base::Code::kNotFound:
      return {"not_found", 404};
    case base::Code::kUnavailable:
      return {"unavailable", 500};
    default:
      return {"internal", 500};
  }
}

net::HttpResponse ErrorResponse(const base::Error& error) {
  const ErrorKind kind = KindOf(error.code);
  json::Writer writer;
  writer.BeginObject();
  writer.Key("status").String("error");
  writer.Key("errorType").String(kind.type);
  writer.Key("error").String(error.message);
  writer.EndObject();
  return net::HttpResponse::Json(kind.status, writer.Take());
}

// At most ten, and a line that says how many more there are.
void AppendRemarks(std::string& out, std::string_view name, std::string_view noun,
                   const std::vector<std::string>& remarks) {
  constexpr size_t kShown = 10;
  if (remarks.empty()) return;
  out += fmt::format(",\"{}\":[", name);
  const size_t shown = std::min(remarks.size(), kShown);
  for (size_t i = 0; i < shown; ++i) {
    if (i > 0) out += ',';
    json::AppendString(out, remarks[i]);
  }
  if (remarks.size() > shown) {
    out += fmt::format(",\"{} more {} annotations omitted\"", remarks.size() - shown, noun);
  }
  out += ']';
}

net::HttpResponse SuccessResponse(Answer answer) {
  if (answer.data.empty()) return net::HttpResponse{.status = 204};
  constexpr std::string_view kHead = "{\"status\":\"success\",\"data\":";
  std::string body = std::move(answer.data);
  body.insert(0, kHead);
  AppendRemarks(body, "warnings", "warning", answer.warnings);
  AppendRemarks(body, "infos", "info", answer.infos);
  body += '}';
  return net::HttpResponse::Json(200, std::move(body));
}

bool Allows(const Endpoint& endpoint, std::string_view method) {
  if (method == "HEAD") method = "GET";
  for (std::string_view rest = endpoint.methods; !rest.empty();) {
    const size_t end = std::min(rest.find(' '), rest.size());
    if (rest.substr(0, end) == method) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

net::HttpResponse Dispatch(const ApiV1::Options& options, const net::HttpRequest& http,
                           std::stop_token stop) {
  if (http.method == "OPTIONS") return net::HttpResponse{.status = 204};
  auto request = ParseRequest(http, std::move(stop));
  if (!request) return ErrorResponse(request.error());
  request->url_path.insert(0, options.path_prefix);
  const Endpoint* const endpoint = FindEndpoint(request->path);
  if (endpoint == nullptr) return net::HttpResponse::Text(404, "404 page not found\n");
  if (!Allows(*endpoint, http.method)) {
    net::HttpResponse response = net::HttpResponse::Text(405, "Method Not Allowed\n");
    std::string allow(endpoint->methods);
    if (const size_t blank = allow.find(' '); blank != std::string::npos) {
      allow.insert(blank, ",");
    }
    response.headers.Set("Allow", allow + ", OPTIONS");
    return response;
  }
  auto answer = endpoint->handler(options, *request);
  if (!answer) return ErrorResponse(answer.error());
  return SuccessResponse(*std::move(answer));
}

}  // namespace

ApiV1::ApiV1(Options options) : options_(std::move(options)) {
  if (options_.cors_origin == ".*") return;
  auto regex = model::AnchoredRegex::Compile(options_.cors_origin);
  CHECK(regex.has_value());
  cors_origin_ = *std::move(regex);
}

bool ApiV1::Serves(std::string_view path) {
  constexpr std::string_view kPrefix = "/api/v1/";
  return path.starts_with(kPrefix) && FindEndpoint(path.substr(kPrefix.size())) != nullptr;
}

net::HttpResponse ApiV1::Handle(const net::HttpRequest& request, std::stop_token stop) const {
  net::HttpResponse response = Dispatch(options_, request, std::move(stop));
  const std::string_view origin = request.headers.Get("Origin");
  if (origin.empty()) return response;
  response.headers.Set("Access-Control-Allow-Headers",
                       "Accept, Authorization, Content-Type, Origin");
  response.headers.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
  response.headers.Set("Access-Control-Expose-Headers", "Date");
  response.headers.Set("Vary", "Origin");
  if (!cors_origin_) {
    response.headers.Set("Access-Control-Allow-Origin", "*");
  } else if (cors_origin_->Matches(origin)) {
    response.headers.Set("Access-Control-Allow-Origin", origin);
  }
  return response;
}

}  // namespace narthex::api
