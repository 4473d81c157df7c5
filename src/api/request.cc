#include "api/request.h"

#include <charconv>
#include <chrono>
#include <cmath>

#include "model/duration.h"
#include "model/number.h"
#include "promql/parser/parser.h"

namespace narthex::api {
namespace {

using base::Code;
using base::Fail;

std::optional<int> TakeInt(std::string_view& text, size_t digits) {
  int value = 0;
  if (text.size() < digits) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (error != std::errc() || end != text.data() + digits) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

bool TakeChar(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text[0]) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// "2026-03-01T12:00:00.5+01:00" in milliseconds.
std::optional<model::Timestamp> ParseRfc3339(std::string_view text) {
  const auto year = TakeInt(text, 4);
  if (!year || !TakeChar(text, "-")) return std::nullopt;
  const auto month = TakeInt(text, 2);
  if (!month || !TakeChar(text, "-")) return std::nullopt;
  const auto day = TakeInt(text, 2);
  if (!day || !TakeChar(text, "Tt ")) return std::nullopt;
  const auto hour = TakeInt(text, 2);
  if (!hour || !TakeChar(text, ":")) return std::nullopt;
  const auto minute = TakeInt(text, 2);
  if (!minute || !TakeChar(text, ":")) return std::nullopt;
  const auto second = TakeInt(text, 2);
  if (!second) return std::nullopt;
  double fraction = 0;
  if (TakeChar(text, ".")) {
    double scale = 0.1;
    bool any = false;
    while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
      fraction += scale * (text[0] - '0');
      scale /= 10;
      any = true;
      text.remove_prefix(1);
    }
    if (!any) return std::nullopt;
  }
  int offset_minutes = 0;
  if (!TakeChar(text, "Zz")) {
    const bool minus = !text.empty() && text[0] == '-';
    if (!TakeChar(text, "+-")) return std::nullopt;
    const auto hours = TakeInt(text, 2);
    if (!hours || !TakeChar(text, ":")) return std::nullopt;
    const auto minutes = TakeInt(text, 2);
    if (!minutes) return std::nullopt;
    offset_minutes = (*hours * 60 + *minutes) * (minus ? -1 : 1);
  }
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!text.empty() || !date.ok() || *hour > 23 || *minute > 59 || *second > 60) {
    return std::nullopt;
  }
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const int64_t seconds = days * 86400 + *hour * 3600 + (*minute - offset_minutes) * 60 + *second;
  return seconds * 1000 + std::lround(fraction * 1000);
}

base::Result<model::Timestamp> ParseTime(std::string_view text) {
  if (const auto seconds = model::ParseFloat(text); seconds && std::fabs(*seconds) < 9.2e15) {
    return static_cast<model::Timestamp>(std::round(*seconds * 1000));
  }
  if (const auto time = ParseRfc3339(text)) return *time;
  return Fail(Code::kInvalidArgument, "cannot parse \"{}\" to a valid timestamp", text);
}

base::Result<int64_t> ParseDurationText(std::string_view text) {
  if (const auto seconds = model::ParseFloat(text)) {
    if (!(std::fabs(*seconds) < 9.2e9)) {
      return Fail(Code::kInvalidArgument,
                  "cannot parse \"{}\" to a valid duration. It overflows int64", text);
    }
    return static_cast<int64_t>(std::round(*seconds * 1000));
  }
  if (const auto ms = model::ParseDuration(text)) return *ms;
  return Fail(Code::kInvalidArgument, "cannot parse \"{}\" to a valid duration", text);
}

}  // namespace

base::Result<Request> ParseRequest(const net::HttpRequest& http, std::stop_token stop) {
  constexpr std::string_view kPrefix = "/api/v1/";
  Request request;
  request.client = http.peer.substr(0, http.peer.rfind(':'));
  request.method = http.method;
  request.url_path = http.path;
  request.path = http.path.substr(std::min(kPrefix.size(), http.path.size()));
  request.stop = std::move(stop);
  const bool form =
      http.method != "GET" && http.method != "HEAD" &&
      net::MediaType(http.headers.Get("Content-Type")) == "application/x-www-form-urlencoded";
  for (const std::string* text : {form ? &http.body : nullptr, &http.query}) {
    if (text == nullptr) continue;
    auto params = net::Params::Parse(*text);
    if (!params) {
      return Fail(Code::kInvalidArgument, "error parsing form values: {}", params.error().message);
    }
    for (const auto& [name, value] : params->items()) request.params.Add(name, value);
  }
  return request;
}

base::Error InvalidParam(std::string_view name, base::Error error) {
  return {Code::kInvalidArgument,
          "invalid parameter \"" + std::string(name) + "\": " + std::move(error.message)};
}

base::Result<model::Timestamp> TimeParam(const Request& request, std::string_view name,
                                         model::Timestamp absent) {
  const std::string_view text = request.params.Get(name);
  if (text.empty()) return absent;
  auto time = ParseTime(text);
  if (time) return *time;
  base::Error error = std::move(time).error();
  error.message = "invalid time value for '" + std::string(name) + "': " + error.message;
  return std::unexpected(InvalidParam(name, std::move(error)));
}

base::Result<std::optional<int64_t>> DurationParam(const Request& request, std::string_view name) {
  const std::string_view text = request.params.Get(name);
  if (text.empty()) return std::nullopt;
  auto duration = ParseDurationText(text);
  if (!duration) return std::unexpected(InvalidParam(name, std::move(duration).error()));
  return *duration;
}

base::Result<size_t> LimitParam(const Request& request, std::string_view name) {
  const std::string_view text = request.params.Get(name);
  if (text.empty()) return 0;
  int64_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::unexpected(InvalidParam(
        name, {Code::kInvalidArgument, "parsing \"" + std::string(text) + "\": invalid syntax"}));
  }
  if (limit < 0) {
    return std::unexpected(
        InvalidParam(name, {Code::kInvalidArgument, "limit must be non-negative"}));
  }
  return static_cast<size_t>(limit);
}

base::Result<std::vector<std::vector<model::Matcher>>> MatchParams(const Request& request) {
  std::vector<std::vector<model::Matcher>> selectors;
  for (const std::string& text : request.params.GetAll("match[]")) {
    auto matchers = promql::ParseSelector(text);
    if (!matchers) return std::unexpected(InvalidParam("match[]", std::move(matchers).error()));
    selectors.push_back(*std::move(matchers));
  }
  return selectors;
}

base::Result<model::TimeRange> TimeRangeParams(const Request& request) {
  model::TimeRange range;
  ASSIGN_OR_RETURN(range.min, TimeParam(request, "start", model::kTimestampMin));
  ASSIGN_OR_RETURN(range.max, TimeParam(request, "end", model::kTimestampMax));
  return range;
}

base::Result<model::Timestamp> RequiredTimeParam(const Request& request, std::string_view name) {
  auto time = ParseTime(request.params.Get(name));
  if (!time) return std::unexpected(InvalidParam(name, std::move(time).error()));
  return *time;
}

}  // namespace narthex::api
