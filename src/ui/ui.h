#pragma once

#include <optional>
#include <string_view>

namespace narthex::ui {

// The web interface, embedded in the binary. Immutable, thread-safe.

struct Asset {
  std::string_view content_type;
  std::string_view bytes;  // Lives as long as the process.
};

// The file that is served at a path ("/query"); nullopt when there is none.
std::optional<Asset> Find(std::string_view path);

// Where a path has moved: "/" and "/graph" to "/query". Empty when it has not. The query string
// goes along.
std::string_view RedirectOf(std::string_view path);

}  // namespace narthex::ui
