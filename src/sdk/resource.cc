#include "sdk/resource.h"

#include <list>
#include <optional>
#include <vector>

#include "base/ascii.h"

namespace narthex::sdk {
namespace {

using base::Code;
using base::Fail;

std::optional<unsigned> HexDigit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  const char lower = static_cast<char>(c | 0x20);
  if (lower >= 'a' && lower <= 'f') return static_cast<unsigned>(lower - 'a' + 10);
  return std::nullopt;
}

base::Result<std::string> PercentDecode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return Fail(Code::kInvalidArgument, "\"{}\": short escape", text);
    const auto high = HexDigit(text[i + 1]), low = HexDigit(text[i + 2]);
    if (!high || !low) return Fail(Code::kInvalidArgument, "\"{}\": bad escape", text);
    out += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return out;
}

}  // namespace

Resource Resource::Create(Attributes attributes) {
  std::vector<Attribute> all = {{"service.name", "unknown_service"},
                                {"telemetry.sdk.language", "cpp"},
                                {"telemetry.sdk.name", "narthex"},
                                {"telemetry.sdk.version", "0.1.0"}};
  all.insert(all.end(), attributes.begin(), attributes.end());
  return Resource(AttributeSet(all));
}

Resource Resource::Merge(const Resource& other) const {
  std::vector<Attribute> all(attributes_.items().begin(), attributes_.items().end());
  const Attributes others = other.attributes_.items();
  all.insert(all.end(), others.begin(), others.end());
  return Resource(AttributeSet(all));
}

base::Result<AttributeSet> ParseResourceAttributes(std::string_view text) {
  std::list<std::string> decoded;  // Keeps the bytes in place.
  std::vector<Attribute> attributes;
  while (!base::Trim(text, " \t").empty()) {
    const size_t comma = text.find(',');
    const std::string_view pair = base::Trim(text.substr(0, comma), " \t");
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    const std::string_view key = base::Trim(pair.substr(0, equals), " \t");
    if (equals == std::string_view::npos || key.empty()) {
      return Fail(Code::kInvalidArgument, "\"{}\" is not key=value", pair);
    }
    ASSIGN_OR_RETURN(std::string name, PercentDecode(key));
    ASSIGN_OR_RETURN(std::string value, PercentDecode(base::Trim(pair.substr(equals + 1), " \t")));
    const std::string& kept_name = decoded.emplace_back(std::move(name));
    const std::string& kept_value = decoded.emplace_back(std::move(value));
    attributes.push_back({kept_name, kept_value});
  }
  return AttributeSet(attributes);
}

}  // namespace narthex::sdk
