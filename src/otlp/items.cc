#include "otlp/items.h"

#include <functional>

#include "json/reader.h"
#include "otlp/internal/wire.h"

namespace narthex::otlp {
namespace {

using internal::Cursor;
using internal::Tag;
using internal::WireType;

// Calls `visit` with every message in that field; false for damage.
template <class Visit>
bool Each(std::string_view message, uint32_t field, Visit visit) {
  Cursor cursor(message);
  while (const uint32_t tag = cursor.NextTag()) {
    if (tag != Tag(field, WireType::kBytes)) {
      cursor.Skip(tag);
    } else if (const std::string_view inner = cursor.ReadBytes(); cursor.ok() && !visit(inner)) {
      return false;
    }
  }
  return cursor.ok();
}

}  // namespace

base::Result<size_t> CountItems(std::string_view request) {
  size_t items = 0;
  const bool is_good = Each(request, 1, [&](std::string_view resource) {
    return Each(resource, 2, [&](std::string_view scope) {
      return Each(scope, 2, [&](std::string_view) {
        ++items;
        return true;
      });
    });
  });
  if (!is_good) return base::Fail(base::Code::kInvalidArgument, "protobuf: damaged or truncated");
  return items;
}

base::Result<size_t> CountItemsJson(std::string_view request) {
  ASSIGN_OR_RETURN(const json::Document document, json::Document::Parse(request));
  if (document.root().kind() != json::Kind::kObject) {
    return base::Fail(base::Code::kInvalidArgument, "json: expected an object");
  }
  // Names as protobuf's JSON mapping has them, and as its fields are called.
  const auto each = [](json::Element element, std::initializer_list<std::string_view> names,
                       const std::function<bool(json::Element)>& visit) {
    for (const std::string_view name : names) element.Get(name).ForEachItem(visit);
    return true;
  };
  size_t items = 0;
  each(document.root(), {"resourceSpans", "resource_spans", "resourceLogs", "resource_logs"},
       [&](json::Element resource) {
         return each(resource, {"scopeSpans", "scope_spans", "scopeLogs", "scope_logs"},
                     [&](json::Element scope) {
                       for (const std::string_view name : {"spans", "logRecords", "log_records"}) {
                         items += scope.Get(name).size();
                       }
                       return true;
                     });
       });
  return items;
}

}  // namespace narthex::otlp
