#include "ui/ui.h"

namespace narthex::ui {

// Generated at build time from web/query.html.
extern const char kQueryPage[];
extern const unsigned long kQueryPageBytes;

std::optional<Asset> Find(std::string_view path) {
  if (path != "/query") return std::nullopt;
  return Asset{"text/html; charset=utf-8", {kQueryPage, kQueryPageBytes}};
}

std::string_view RedirectOf(std::string_view path) {
  return path == "/" || path == "/graph" ? "/query" : std::string_view();
}

}  // namespace narthex::ui
