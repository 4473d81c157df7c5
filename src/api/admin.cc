#include "api/handlers.h"
#include "json/writer.h"

namespace narthex::api {
namespace {

base::Result<Admin*> Enabled(const ApiV1::Options& options) {
  if (options.admin != nullptr) return options.admin;
  return base::Fail(base::Code::kUnavailable, "admin APIs disabled");
}

}  // namespace

base::Result<Answer> AdminDeleteSeries(const ApiV1::Options& options, const Request& request) {
  ASSIGN_OR_RETURN(Admin* const admin, Enabled(options));
  ASSIGN_OR_RETURN(const auto selectors, MatchParams(request));
  if (selectors.empty()) {
    return base::Fail(base::Code::kInvalidArgument, "no match[] parameter provided");
  }
  ASSIGN_OR_RETURN(const model::TimeRange range, TimeRangeParams(request));
  for (const auto& matchers : selectors) RETURN_IF_ERROR(admin->DeleteSeries(matchers, range));
  return Answer{};
}

base::Result<Answer> AdminCleanTombstones(const ApiV1::Options& options, const Request&) {
  ASSIGN_OR_RETURN(Admin* const admin, Enabled(options));
  RETURN_IF_ERROR(admin->CleanTombstones());
  return Answer{};
}

base::Result<Answer> AdminSnapshot(const ApiV1::Options& options, const Request& request) {
  ASSIGN_OR_RETURN(Admin* const admin, Enabled(options));
  const std::string_view skip_head = request.params.Get("skip_head");
  if (!skip_head.empty() && skip_head != "true" && skip_head != "false") {
    return std::unexpected(InvalidParam(
        "skip_head",
        {base::Code::kInvalidArgument, "unable to parse boolean: " + std::string(skip_head)}));
  }
  ASSIGN_OR_RETURN(const std::string name, admin->Snapshot(skip_head == "true"));
  json::Writer writer;
  writer.BeginObject().Key("name").String(name).EndObject();
  return Answer{.data = writer.Take()};
}

}  // namespace narthex::api
