#include <fmt/args.h>
#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "base/random.h"
#include "json/reader.h"
#include "ottl/internal/function.h"

namespace narthex::ottl {
namespace {

using base::Code;
using base::Fail;
using otlp::Any;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
char Upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
bool IsAlnum(char c) {
  return (c >= '0' && c <= '9') || (Lower(c) >= 'a' && Lower(c) <= 'z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

std::string Mapped(std::string text, char (*map)(char)) {
  std::ranges::transform(text, text.begin(), map);
  return text;
}

base::Result<Any> Concat(const Args& args) {
  ASSIGN_OR_RETURN(const Any::Array values, args.List(0));
  ASSIGN_OR_RETURN(const std::string delimiter, args.Text(1));
  std::string out;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += delimiter;
    out += values[i].is_nil() ? "<nil>" : otlp::Text(values[i]);
  }
  return Any(std::move(out));
}

std::vector<std::string_view> Pieces(std::string_view text, std::string_view delimiter) {
  std::vector<std::string_view> pieces;
  if (delimiter.empty()) return {text};
  for (size_t at = 0;;) {
    const size_t end = text.find(delimiter, at);
    pieces.push_back(text.substr(at, end == text.npos ? end : end - at));
    if (end == text.npos) return pieces;
    at = end + delimiter.size();
  }
}

base::Result<Any> Split(const Args& args) {
  ASSIGN_OR_RETURN(const std::string text, args.Text(0));
  ASSIGN_OR_RETURN(const std::string delimiter, args.Text(1));
  Any::Array list;
  for (const std::string_view piece : Pieces(text, delimiter)) list.emplace_back(piece);
  return Any(std::move(list));
}

base::Result<Any> Substring(const Args& args) {
  ASSIGN_OR_RETURN(const std::string text, args.Text(0));
  ASSIGN_OR_RETURN(const int64_t start, args.Int(1));
  ASSIGN_OR_RETURN(const int64_t length, args.Int(2));
  const auto size = static_cast<int64_t>(text.size());
  if (start < 0 || length <= 0 || start > size || length > size - start) {
    return Fail(Code::kInvalidArgument, "Substring: {} and {} are not within {} bytes", start,
                length, size);
  }
  return Any(text.substr(static_cast<size_t>(start), static_cast<size_t>(length)));
}

base::Result<Any> ToLowerCase(const Args& args) {
  ASSIGN_OR_RETURN(std::string text, args.Text(0));
  return Any(Mapped(std::move(text), Lower));
}
base::Result<Any> ToUpperCase(const Args& args) {
  ASSIGN_OR_RETURN(std::string text, args.Text(0));
  return Any(Mapped(std::move(text), Upper));
}

// "HTTPRequest_count" into "http", "request", "count".
std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  const auto is_upper = [&](size_t i) {
    return i < text.size() && text[i] >= 'A' && text[i] <= 'Z';
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (!IsAlnum(text[i])) continue;
    const bool is_after_gap = i == 0 || !IsAlnum(text[i - 1]);
    const bool is_hump =
        is_upper(i) && i > 0 &&
        (!is_upper(i - 1) || (i + 1 < text.size() && !is_upper(i + 1) && IsAlnum(text[i + 1])));
    if (words.empty() || is_after_gap || is_hump) words.emplace_back();
    words.back() += Lower(text[i]);
  }
  return words;
}

base::Result<Any> ConvertCase(const Args& args) {
  ASSIGN_OR_RETURN(std::string text, args.Text(0));
  ASSIGN_OR_RETURN(const std::string to, args.Text(1));
  if (to == "lower") return Any(Mapped(std::move(text), Lower));
  if (to == "upper") return Any(Mapped(std::move(text), Upper));
  if (to != "snake" && to != "camel") {
    return Fail(Code::kInvalidArgument, "ConvertCase: \"{}\" is not lower, upper, snake or camel",
                to);
  }
  std::string out;
  for (std::string& word : Words(text)) {
    if (to == "snake" && !out.empty()) out += '_';
    if (to == "camel") word[0] = Upper(word[0]);
    out += word;
  }
  return Any(std::move(out));
}

base::Result<Any> Trim(const Args& args) {
  ASSIGN_OR_RETURN(const std::string text, args.Text(0));
  ASSIGN_OR_RETURN(const std::string cutset, args.TextOr(1, " "));
  const size_t first = text.find_first_not_of(cutset);
  if (first == text.npos) return Any("");
  return Any(text.substr(first, text.find_last_not_of(cutset) - first + 1));
}
base::Result<Any> TrimPrefix(const Args& args) {
  ASSIGN_OR_RETURN(std::string text, args.Text(0));
  ASSIGN_OR_RETURN(const std::string prefix, args.Text(1));
  if (text.starts_with(prefix)) text.erase(0, prefix.size());
  return Any(std::move(text));
}
base::Result<Any> TrimSuffix(const Args& args) {
  ASSIGN_OR_RETURN(std::string text, args.Text(0));
  ASSIGN_OR_RETURN(const std::string suffix, args.Text(1));
  if (text.ends_with(suffix)) text.resize(text.size() - suffix.size());
  return Any(std::move(text));
}
base::Result<Any> HasPrefix(const Args& args) {
  ASSIGN_OR_RETURN(const std::string text, args.Text(0));
  ASSIGN_OR_RETURN(const std::string prefix, args.Text(1));
  return Any(text.starts_with(prefix));
}
base::Result<Any> HasSuffix(const Args& args) {
  ASSIGN_OR_RETURN(const std::string text, args.Text(0));
  ASSIGN_OR_RETURN(const std::string suffix, args.Text(1));
  return Any(text.ends_with(suffix));
}

// One verb of Go's fmt, "%5.2f"; `spec` is what stands between the percent sign and the verb.
base::Result<std::string> Formatted(const std::string& spec, char verb, const Any& value) {
  std::string cleaned = spec;
  if (cleaned.size() > 8 || cleaned.find_first_not_of("0123456789.-+ #") != cleaned.npos) {
    return Fail(Code::kInvalidArgument, "Format: bad verb \"%{}{}\"", spec, verb);
  }
  // Go pads text to the right place as C does; widths are bounded by what the text may hold.
  const auto print = [&](const char* suffix, auto argument) {
    const std::string format = "%" + cleaned + suffix;
    std::string out(1024, '\0');
    const int size = std::snprintf(out.data(), out.size(), format.c_str(), argument);
    out.resize(std::min(out.size() - 1, static_cast<size_t>(std::max(size, 0))));
    return out;
  };
  const auto* whole = value.As<int64_t>();
  const auto* real = value.As<double>();
  switch (verb) {
    case 'd':
      if (whole != nullptr) return print("lld", static_cast<long long>(*whole));
      break;
    case 'x':
      if (whole != nullptr) return print("llx", static_cast<long long>(*whole));
      break;
    case 'f':
      if (real != nullptr) return print("f", *real);
      break;
    case 'e':
      if (real != nullptr) return print("e", *real);
      break;
    case 'g':
      if (real != nullptr) return print("g", *real);
      break;
    case 's':
    case 'v': {
      const std::string text = value.is_nil() ? "<nil>" : otlp::Text(value);
      return cleaned.empty() ? text : print("s", text.c_str());
    }
    default:
      break;
  }
  return Fail(Code::kInvalidArgument, "Format: \"%{}{}\" does not fit its value", spec, verb);
}

base::Result<Any> Format(const Args& args) {
  ASSIGN_OR_RETURN(const std::string format, args.Text(0));
  ASSIGN_OR_RETURN(const Any::Array values, args.List(1));
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    const size_t end = format.find_first_not_of("0123456789.-+ #", i + 1);
    if (end == format.npos) return Fail(Code::kInvalidArgument, "Format: no verb behind %");
    if (format[end] == '%') {
      out += '%';
    } else {
      if (next == values.size()) return Fail(Code::kInvalidArgument, "Format: too few values");
      ASSIGN_OR_RETURN(const std::string text,
                       Formatted(format.substr(i + 1, end - i - 1), format[end], values[next]));
      out += text;
      ++next;
    }
    i = end;
  }
  return Any(std::move(out));
}

base::Result<Any> IsMatch(const Args& args) {
  ASSIGN_OR_RETURN(const Any value, args.Get(0));
  ASSIGN_OR_RETURN(const auto pattern, args.Pattern(1));
  return Any(!value.is_nil() && re2::RE2::PartialMatch(otlp::Text(value), *pattern));
}

base::Result<Any> ExtractPatterns(const Args& args) {
  ASSIGN_OR_RETURN(const std::string text, args.Text(0));
  ASSIGN_OR_RETURN(const auto pattern, args.Pattern(1));
  const auto& names = pattern->CapturingGroupNames();
  if (names.empty()) {
    return Fail(Code::kInvalidArgument, "ExtractPatterns: the pattern has no named groups");
  }
  std::vector<re2::StringPiece> groups(static_cast<size_t>(pattern->NumberOfCapturingGroups()) + 1);
  Any::Map map;
  if (!pattern->Match(text, 0, text.size(), re2::RE2::UNANCHORED, groups.data(),
                      static_cast<int>(groups.size()))) {
    return Any(std::move(map));
  }
  for (const auto& [index, name] : names) {
    const re2::StringPiece& group = groups[static_cast<size_t>(index)];
    otlp::Put(map, name, Any(std::string(group.data(), group.size())));
  }
  return Any(std::move(map));
}

// Reading stops at this depth; so does the codec.
constexpr int kJsonDepthMax = 60;

Any FromJson(const json::Element& element, int depth) {
  if (depth > kJsonDepthMax) return {};
  switch (element.kind()) {
    case json::Kind::kNull:
      return {};
    case json::Kind::kBool:
      return Any(*element.Bool());
    case json::Kind::kNumber:
      return Any(element.Double().value_or(0));  // As Go reads them.
    case json::Kind::kString:
      return Any(element.String().value_or(""));
    case json::Kind::kArray: {
      Any::Array list;
      element.ForEachItem([&](json::Element item) {
        list.push_back(FromJson(item, depth + 1));
        return true;
      });
      return Any(std::move(list));
    }
    case json::Kind::kObject:
      break;
  }
  Any::Map map;
  element.ForEachMember([&](std::string_view name, json::Element item) {
    otlp::Put(map, name, FromJson(item, depth + 1));
    return true;
  });
  return Any(std::move(map));
}

base::Result<Any> ParseJson(const Args& args) {
  ASSIGN_OR_RETURN(const std::string text, args.Text(0));
  ASSIGN_OR_RETURN(const json::Document document, json::Document::Parse(text));
  return FromJson(document.root(), 0);
}

base::Result<Any> ParseKeyValue(const Args& args) {
  ASSIGN_OR_RETURN(const std::string text, args.Text(0));
  ASSIGN_OR_RETURN(const std::string delimiter, args.TextOr(1, "="));
  ASSIGN_OR_RETURN(const std::string pair_delimiter, args.TextOr(2, " "));
  Any::Map map;
  for (const std::string_view pair : Pieces(text, pair_delimiter)) {
    if (pair.empty()) continue;
    const size_t at = pair.find(delimiter);
    if (at == pair.npos || delimiter.empty()) {
      return Fail(Code::kInvalidArgument, "ParseKeyValue: \"{}\" has no \"{}\"", pair, delimiter);
    }
    std::string_view value = pair.substr(at + delimiter.size());
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    otlp::Put(map, pair.substr(0, at), Any(value));
  }
  return Any(std::move(map));
}

base::Result<Any> ParseCsv(const Args& args) {
  ASSIGN_OR_RETURN(const std::string text, args.Text(0));
  ASSIGN_OR_RETURN(const std::string headers, args.Text(1));
  ASSIGN_OR_RETURN(const std::string delimiter, args.TextOr(2, ","));
  if (delimiter.size() != 1) return Fail(Code::kInvalidArgument, "ParseCSV: one byte delimits");
  std::vector<std::string> fields(1);
  bool is_quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      const bool is_escaped = is_quoted && i + 1 < text.size() && text[i + 1] == '"';
      if (is_escaped) {
        fields.back() += text[++i];
      } else {
        is_quoted = !is_quoted;
      }
    } else if (text[i] == delimiter[0] && !is_quoted) {
      fields.emplace_back();
    } else {
      fields.back() += text[i];
    }
  }
  const auto names = Pieces(headers, delimiter);
  if (names.size() != fields.size()) {
    return Fail(Code::kInvalidArgument, "ParseCSV: {} fields for {} headers", fields.size(),
                names.size());
  }
  Any::Map map;
  for (size_t i = 0; i < names.size(); ++i) otlp::Put(map, names[i], Any(std::move(fields[i])));
  return Any(std::move(map));
}

std::string HexOf(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

base::Result<Any> Digest(const Args& args, const EVP_MD* kind) {
  ASSIGN_OR_RETURN(const std::string text, args.Text(0));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(EVP_Digest(text.data(), text.size(), digest, &size, kind, nullptr) == 1);
  return Any(HexOf({reinterpret_cast<const char*>(digest), size}));
}
base::Result<Any> Sha256(const Args& args) { return Digest(args, EVP_sha256()); }
base::Result<Any> Sha1(const Args& args) { return Digest(args, EVP_sha1()); }
base::Result<Any> Md5(const Args& args) { return Digest(args, EVP_md5()); }

// FNV-1 of 64 bits, as Go's fnv.New64.
base::Result<Any> Fnv(const Args& args) {
  ASSIGN_OR_RETURN(const std::string text, args.Text(0));
  uint64_t hash = 14695981039346656037u;
  for (const char c : text) hash = hash * 1099511628211u ^ static_cast<unsigned char>(c);
  return Any(static_cast<int64_t>(hash));
}

base::Result<Any> Hex(const Args& args) {
  ASSIGN_OR_RETURN(const Any value, args.Get(0));
  if (const auto* text = value.As<std::string>()) return Any(HexOf(*text));
  if (const auto* bytes = value.As<Any::Bytes>()) return Any(HexOf(bytes->data));
  uint64_t word = 0;
  if (const auto* whole = value.As<int64_t>()) {
    word = static_cast<uint64_t>(*whole);
  } else if (const auto* real = value.As<double>()) {
    word = std::bit_cast<uint64_t>(*real);
  } else if (const auto* boolean = value.As<bool>()) {
    return Any(*boolean ? "01" : "00");
  } else {
    return Fail(Code::kInvalidArgument, "Hex: neither text, bytes nor a number");
  }
  return Any(fmt::format("{:016x}", word));
}

// Four numbers with dots between them, as four bytes; empty for anything else.
std::string Ipv4Bytes(std::string_view text) {
  std::string bytes;
  for (const std::string_view part : Pieces(text, ".")) {
    unsigned number = 0;
    const char* last = part.data() + part.size();
    const auto result = std::from_chars(part.data(), last, number);
    const bool is_sound = !part.empty() && result.ec == std::errc() && result.ptr == last &&
                          number <= 255 && (part.size() == 1 || part[0] != '0');
    if (!is_sound || bytes.size() == 4) return {};
    bytes += static_cast<char>(number);
  }
  return bytes.size() == 4 ? bytes : std::string();
}

// Groups of hexadecimal digits with colons between them, appended as bytes; the last may be an
// IPv4 address. False for anything else.
bool AppendIpv6Groups(std::string_view text, std::string& bytes) {
  if (text.empty()) return true;
  for (const std::string_view group : Pieces(text, ":")) {
    const bool is_last = group.data() + group.size() == text.data() + text.size();
    if (is_last && group.find('.') != group.npos) {
      const std::string tail = Ipv4Bytes(group);
      bytes += tail;
      return !tail.empty();
    }
    unsigned number = 0;
    const char* last = group.data() + group.size();
    const auto result = std::from_chars(group.data(), last, number, 16);
    if (group.empty() || group.size() > 4 || result.ptr != last) return false;
    bytes += static_cast<char>(number >> 8);
    bytes += static_cast<char>(number & 0xff);
  }
  return true;
}

// The bytes of an address, 4 or 16; empty for no address.
std::string AddressOf(std::string_view text) {
  if (std::string bytes = Ipv4Bytes(text); !bytes.empty()) return bytes;
  std::string head, tail;
  const size_t gap = text.find("::");
  if (!AppendIpv6Groups(text.substr(0, gap), head)) return {};
  if (gap == text.npos) return head.size() == 16 ? head : std::string();
  if (!AppendIpv6Groups(text.substr(gap + 2), tail)) return {};
  if (head.size() + tail.size() > 14) return {};
  return head + std::string(16 - head.size() - tail.size(), '\0') + tail;
}

bool IsInside(std::string_view address, std::string_view network, size_t bits) {
  if (address.size() != network.size()) return false;
  for (size_t i = 0; i < bits; ++i) {
    if (((address[i / 8] ^ network[i / 8]) >> (7 - i % 8) & 1) != 0) return false;
  }
  return true;
}

base::Result<Any> IsInCidr(const Args& args) {
  ASSIGN_OR_RETURN(const std::string text, args.Text(0));
  ASSIGN_OR_RETURN(const std::vector<std::string> networks, args.Texts(1));
  const std::string address = AddressOf(text);
  if (address.empty()) return Any(false);
  for (const std::string& network : networks) {
    const size_t slash = network.find('/');
    const std::string prefix = AddressOf(std::string_view(network).substr(0, slash));
    size_t bits = 0;
    const char* last = network.data() + network.size();
    const bool is_sound = slash != network.npos && !prefix.empty() &&
                          std::from_chars(network.data() + slash + 1, last, bits).ptr == last &&
                          bits <= prefix.size() * 8;
    if (!is_sound) {
      return Fail(Code::kInvalidArgument, "IsInCIDR: \"{}\" is not a network", network);
    }
    if (IsInside(address, prefix, bits)) return Any(true);
  }
  return Any(false);
}

base::Result<Any> Uuid(const Args&) {
  base::Random random(base::RandomSeed());
  const uint64_t high = (random.Next() & ~uint64_t{0xf000}) | 0x4000;
  const uint64_t low = (random.Next() & ~(uint64_t{3} << 62)) | uint64_t{1} << 63;
  return Any(fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xffff,
                         high & 0xffff, low >> 48, low & 0xffffffffffff));
}

// Scheme, user, host, port, path, query and fragment, under their names in the semantic
// conventions.
base::Result<Any> Url(const Args& args) {
  ASSIGN_OR_RETURN(const std::string text, args.Text(0));
  static const re2::RE2 kUrl(
      R"(([A-Za-z][A-Za-z0-9+.\-]*)://(?:([^@/?#]*)@)?(\[[^\]]*\]|[^:/?#]*)(?::(\d+))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?)");
  std::string scheme, user, host, port, path, query, fragment;
  if (!re2::RE2::FullMatch(text, kUrl, &scheme, &user, &host, &port, &path, &query, &fragment)) {
    return Fail(Code::kInvalidArgument, "URL: \"{}\" is not one", text);
  }
  Any::Map map{{"url.original", Any(text)},
               {"url.scheme", Any(scheme)},
               {"url.domain", Any(host)},
               {"url.path", Any(path)}};
  if (!user.empty()) {
    const size_t colon = user.find(':');
    map.emplace_back("url.username", Any(user.substr(0, colon)));
    if (colon != user.npos) map.emplace_back("url.password", Any(user.substr(colon + 1)));
  }
  int64_t number = 0;
  const auto result = std::from_chars(port.data(), port.data() + port.size(), number);
  if (!port.empty() && result.ec == std::errc()) map.emplace_back("url.port", Any(number));
  if (!query.empty()) map.emplace_back("url.query", Any(query));
  if (!fragment.empty()) map.emplace_back("url.fragment", Any(fragment));
  const size_t dot = path.rfind('.');
  if (dot != path.npos && path.find('/', dot) == path.npos && dot + 1 < path.size()) {
    map.emplace_back("url.extension", Any(path.substr(dot + 1)));
  }
  return Any(std::move(map));
}

constexpr Level kAny = Level::kResource;
constexpr Function kFunctions[] = {
    {"Concat", "values delimiter", kAny, &Concat, "The values in a row."},
    {"ConvertCase", "target toCase", kAny, &ConvertCase, "lower, upper, snake or camel."},
    {"ExtractPatterns", "target pattern~", kAny, &ExtractPatterns, "A map of the named groups."},
    {"FNV", "value", kAny, &Fnv, "The FNV-1 hash, an integer."},
    {"Format", "formatString formatArguments", kAny, &Format, "%s, %v, %d, %x, %f, %e, %g, %%."},
    {"HasPrefix", "value prefix", kAny, &HasPrefix, "Whether it begins so."},
    {"HasSuffix", "value suffix", kAny, &HasSuffix, "Whether it ends so."},
    {"Hex", "value", kAny, &Hex, "The bytes in hexadecimal."},
    {"IsInCIDR", "target networks", kAny, &IsInCidr, "Whether the address is in a network."},
    {"IsMatch", "target pattern~", kAny, &IsMatch, "Whether the pattern matches somewhere."},
    {"MD5", "value", kAny, &Md5, "The digest in hexadecimal."},
    {"ParseCSV", "target headers delimiter?", kAny, &ParseCsv, "A map of one line's fields."},
    {"ParseJSON", "target", kAny, &ParseJson, "A value; numbers are doubles."},
    {"ParseKeyValue", "target delimiter? pair_delimiter?", kAny, &ParseKeyValue, "A map."},
    {"SHA1", "value", kAny, &Sha1, "The digest in hexadecimal."},
    {"SHA256", "value", kAny, &Sha256, "The digest in hexadecimal."},
    {"Split", "target delimiter", kAny, &Split, "A list of the pieces."},
    {"Substring", "target start length", kAny, &Substring, "Counted in bytes."},
    {"ToLowerCase", "target", kAny, &ToLowerCase, "ASCII letters become small."},
    {"ToUpperCase", "target", kAny, &ToUpperCase, "ASCII letters become capital."},
    {"Trim", "target replacement?", kAny, &Trim, "Without blanks, or those bytes, at both ends."},
    {"TrimPrefix", "target prefix", kAny, &TrimPrefix, "Without that beginning."},
    {"TrimSuffix", "target suffix", kAny, &TrimSuffix, "Without that end."},
    {"URL", "target", kAny, &Url, "A map of its parts."},
    {"UUID", "", kAny, &Uuid, "A random one, version 4."},
};

}  // namespace

std::span<const Function> TextFunctions() { return kFunctions; }

}  // namespace narthex::ottl
