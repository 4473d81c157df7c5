#include "collector/key_reference.h"

#include <fmt/format.h>

namespace narthex::collector {
namespace {

using Key = config::Schema::Key;

// The link that Markdown makes of a heading.
std::string AnchorOf(std::string_view heading) {
  std::string anchor;
  for (const char c : heading) {
    if (c == ' ') {
      anchor += '-';
    } else {
      anchor += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
  }
  return anchor;
}

std::string RowOf(const Key& key) {
  if (key.use == Key::Use::kGroup) {
    return fmt::format("| `{}{}…` | | | [{}](#{}) |\n", key.path, key.path.empty() ? "" : ".",
                       key.meaning, AnchorOf(key.meaning));
  }
  return fmt::format("| `{}` | {} | {} | {} |\n", key.path, key.type,
                     key.fallback.empty() ? "" : "`" + key.fallback + "`", key.meaning);
}

std::string MarkdownOf(const std::vector<Key>& keys) {
  std::string rows, without_effect, refused;
  const auto name = [](std::string& list, const std::string& path) {
    list += (list.empty() ? "`" : ", `") + path + "`";
  };
  for (const Key& key : keys) {
    // A block that only holds others has nothing to say.
    if (key.type == "block" && key.meaning.empty()) continue;
    if (key.use == Key::Use::kWithoutEffect) {
      name(without_effect, key.path);
    } else if (key.use == Key::Use::kRefused) {
      name(refused, key.path);
    } else {
      rows += RowOf(key);
    }
  }
  std::string out;
  if (!rows.empty()) out += "| Key | Type | Default | Meaning |\n|---|---|---|---|\n" + rows;
  const auto add = [&](std::string_view words, const std::string& list) {
    if (list.empty()) return;
    out += fmt::format("{}{}: {}.\n", out.empty() ? "" : "\n", words, list);
  };
  add("Known, and without effect", without_effect);
  add("Refused", refused);
  return out.empty() ? "No keys.\n" : out;
}

}  // namespace

std::vector<KeyTable> KeyTables(const pipeline::Description& description) {
  std::vector<KeyTable> tables;
  for (const pipeline::ComponentKeys& component : description.components) {
    tables.push_back(
        {fmt::format("{} {}", component.kind, component.type), MarkdownOf(component.keys)});
  }
  for (const config::Schema::Group& group : description.groups) {
    tables.push_back({group.name, MarkdownOf(group.keys)});
  }
  return tables;
}

}  // namespace narthex::collector
