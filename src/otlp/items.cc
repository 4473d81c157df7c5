#include "otlp/items.h"

#include <functional>
#include <span>

#include "json/reader.h"
#include "otlp/internal/each.h"

namespace narthex::otlp {
using internal::Each;

base::Result<size_t> CountItems(std::string_view request) {
  size_t items = 0;
  const bool is_good = Each(request, internal::kResourceFields, [&](std::string_view resource) {
    return Each(resource, internal::kScopeFields, [&](std::string_view scope) {
      return Each(scope, internal::kItemFields, [&](std::string_view) {
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
  const auto each = [](json::Element element, std::span<const std::string_view> names,
                       const std::function<bool(json::Element)>& visit) {
    for (const std::string_view name : names) element.Get(name).ForEachItem(visit);
    return true;
  };
  size_t items = 0;
  each(document.root(), internal::kResourceNames, [&](json::Element resource) {
    return each(resource, internal::kScopeNames, [&](json::Element scope) {
      for (const std::string_view name : internal::kItemNames) items += scope.Get(name).size();
      return true;
    });
  });
  return items;
}

}  // namespace narthex::otlp
