#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "api/api.h"
#include "base/result.h"
#include "model/matcher.h"
#include "model/sample.h"
#include "net/http.h"

namespace narthex::api {

// A request as handlers see it. A value.
struct Request {
  std::string client;  // Its address, without the port.
  std::string method;
  std::string url_path;  // As sent.
  std::string path;      // Behind /api/v1/, still percent-encoded.
  net::Params params;    // Of the form first, then of the URL.
  std::stop_token stop;
};

base::Result<Request> ParseRequest(const net::HttpRequest& http, std::stop_token stop);

// What a handler answers: a JSON value for `data`, and remarks.
struct Answer {
  std::string data;  // Empty: an answer without body (204).
  std::vector<std::string> warnings;
  std::vector<std::string> infos;
};

using Handler = base::Result<Answer> (*)(const ApiV1::Options&, const Request&);

// Parameters by name. Errors: kInvalidArgument `invalid parameter "time": …`.
// Seconds since the epoch with decimals, or RFC 3339. `absent` where the parameter is missing.
base::Result<model::Timestamp> TimeParam(const Request& request, std::string_view name,
                                         model::Timestamp absent);
base::Result<model::Timestamp> RequiredTimeParam(const Request& request, std::string_view name);
// Seconds with decimals, or "1h30m". Milliseconds.
base::Result<std::optional<int64_t>> DurationParam(const Request& request, std::string_view name);
// 0 for no limit.
base::Result<size_t> LimitParam(const Request& request, std::string_view name = "limit");
// The selectors of all match[] parameters.
base::Result<std::vector<std::vector<model::Matcher>>> MatchParams(const Request& request);
// start and end, open where they are missing.
base::Result<model::TimeRange> TimeRangeParams(const Request& request);

base::Error InvalidParam(std::string_view name, base::Error error);

// The warning that a limit cut a list.
inline constexpr std::string_view kTruncated = "results truncated due to limit";

}  // namespace narthex::api
