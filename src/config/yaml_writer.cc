#include "config/yaml_writer.h"

#include <fmt/format.h>

#include <algorithm>

namespace narthex::config {
namespace {

constexpr std::string_view kRedacted = "\"[REDACTED]\"";

// Text that means itself without quotes, whatever stands around it.
bool IsPlain(std::string_view text) {
  const auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '/' || c == '.';
  };
  const auto is_inner = [&](char c) { return is_word(c) || c == '-' || c == '+' || c == '%'; };
  if (text.empty() || !(is_word(text[0]) || text[0] == '-') || text == "-") return false;
  // A colon within a word starts no map.
  return std::ranges::all_of(text.substr(1), [&](char c) { return is_inner(c) || c == ':'; }) &&
         !text.ends_with(':') && !text.starts_with("---") && !text.starts_with("...");
}

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

class Formatter {
 public:
  explicit Formatter(const std::function<bool(std::string_view)>& is_secret)
      : is_secret_(is_secret) {}

  std::string Run(const Node& node) {
    Value(node, "", 0);
    return std::move(out_);
  }

 private:
  static std::string TextOf(const Node& node) {
    return !node.quoted && IsPlain(node.scalar) ? node.scalar : Quoted(node.scalar);
  }

  // Behind a key or a dash, or at the very beginning.
  void Value(const Node& node, const std::string& path, size_t depth) {
    const bool is_first = out_.empty();
    if (node.is_null()) {
      out_ += is_first ? "null\n" : " null\n";
    } else if (node.is_scalar()) {
      if (!is_first) out_ += ' ';
      out_ += is_secret_ && is_secret_(path) ? std::string(kRedacted) : TextOf(node);
      out_ += '\n';
    } else if (node.is_map() ? node.members.empty() : node.items.empty()) {
      if (!is_first) out_ += ' ';
      out_ += node.is_map() ? "{}\n" : "[]\n";
    } else {
      if (!is_first) out_ += '\n';
      Block(node, path, depth);
    }
  }

  void Block(const Node& node, const std::string& path, size_t depth) {
    for (const auto& [key, value] : node.members) {
      out_.append(2 * depth, ' ');
      out_ += TextOf(key) + ':';
      Value(value, path.empty() ? key.scalar : path + '.' + key.scalar, depth + 1);
    }
    for (const Node& item : node.items) {
      out_.append(2 * depth, ' ');
      out_ += '-';
      Value(item, path, depth + 1);
    }
  }

  const std::function<bool(std::string_view)>& is_secret_;
  std::string out_;
};

}  // namespace

std::string FormatYaml(const Node& node,
                       const std::function<bool(std::string_view path)>& is_secret) {
  return Formatter(is_secret).Run(node);
}

}  // namespace narthex::config
