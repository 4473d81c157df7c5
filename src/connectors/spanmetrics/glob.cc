#include "connectors/spanmetrics/glob.h"

#include <optional>
#include <string>

namespace narthex::connectors {
namespace {

std::string Quoted(char c) { return re2::RE2::QuoteMeta(re2::StringPiece(&c, 1)); }

// A class up to and with its ']', of which `rest` begins behind the '['; nullopt without an end.
std::optional<std::string> TakeClass(std::string_view& rest) {
  std::string out = "[";
  if (rest.starts_with('!')) {
    out += '^';
    rest.remove_prefix(1);
  }
  const size_t end = rest.find(']');
  if (end == std::string_view::npos || end == 0) return std::nullopt;
  for (size_t i = 0; i < end; ++i) {
    const bool is_range = rest[i] == '-' && i > 0 && i + 1 < end;
    out += is_range ? "-" : Quoted(rest[i]);
  }
  rest.remove_prefix(end + 1);
  return out + "]";
}

}  // namespace

base::Result<std::shared_ptr<const re2::RE2>> ParseGlob(std::string_view text) {
  const auto fail = [&] {
    return base::Fail(base::Code::kInvalidArgument, "bad glob \"{}\"", text);
  };
  std::string out = "(?s)";
  size_t depth = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const char c = rest[0];
    rest.remove_prefix(1);
    if (c == '*') {
      out += ".*";
    } else if (c == '?') {
      out += '.';
    } else if (c == '[') {
      const auto taken = TakeClass(rest);
      if (!taken.has_value()) return fail();
      out += *taken;
    } else if (c == '{') {
      ++depth;
      out += "(?:";
    } else if (c == '}' && depth > 0) {
      --depth;
      out += ')';
    } else if (c == ',' && depth > 0) {
      out += '|';
    } else if (c == '\\') {
      if (rest.empty()) return fail();
      out += Quoted(rest[0]);
      rest.remove_prefix(1);
    } else {
      out += Quoted(c);
    }
  }
  auto pattern = std::make_shared<const re2::RE2>(out, re2::RE2::Quiet);
  if (text.empty() || depth > 0 || !pattern->ok()) return fail();
  return pattern;
}

}  // namespace narthex::connectors
