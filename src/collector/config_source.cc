#include "collector/config_source.h"

#include <algorithm>
#include <utility>

#include "net/http_client.h"

namespace narthex::collector {
namespace {

using base::Code;
using base::Fail;
using config::Node;

// Expansions of one value, nested or one after the other.
constexpr int kExpansionsMax = 1000;

bool IsVariableName(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
         std::string_view::npos;
}

// Splits "scheme:rest"; a bare name has no scheme.
std::pair<std::string_view, std::string_view> SplitScheme(std::string_view uri) {
  const size_t colon = uri.find(':');
  if (colon == std::string_view::npos) return {"", uri};
  return {uri.substr(0, colon), uri.substr(colon + 1)};
}

// What a server has under this address.
base::Result<std::string> FetchText(const std::string& url) {
  constexpr size_t kBytesMax = 16 << 20;
  net::HttpClient client;
  ASSIGN_OR_RETURN(net::HttpClientResponse response,
                   client.FetchAndWait({.url = url,
                                        .headers = {},
                                        .body = {},
                                        .response_bytes_max = kBytesMax,
                                        .tls = nullptr}));
  if (response.status == 200) return std::move(response.body);
  return Fail(Code::kUnavailable, "{}: failed to load resource. status code: {}", url,
              response.status);
}

class Expander {
 public:
  Expander(base::FileSystem& files, const GetEnv& env, base::Logger& logger)
      : files_(files), env_(env), logger_(logger) {}

  base::Status Expand(Node& node) {
    if (node.is_scalar()) return ExpandScalar(node);
    for (Node& item : node.items) RETURN_IF_ERROR(Expand(item));
    for (auto& [key, value] : node.members) RETURN_IF_ERROR(Expand(value));
    return {};
  }

 private:
  base::Status ExpandScalar(Node& node) {
    if (node.scalar.find('$') == std::string::npos) return {};
    expansions_ = 0;
    const bool is_whole =
        node.scalar.starts_with("${") && MatchingBrace(node.scalar, 0) == node.scalar.size() - 1;
    if (!is_whole) {
      auto text = ExpandText(node.scalar);
      if (!text.has_value()) return std::unexpected(At(node, std::move(text).error()));
      node.scalar = *std::move(text);
      return {};
    }
    auto value = Resolve(std::string_view(node.scalar).substr(2, node.scalar.size() - 3));
    if (!value.has_value()) return std::unexpected(At(node, std::move(value).error()));
    if (!value->has_value()) {
      node = Node{.kind = Node::Kind::kNull, .at = node.at};
      return {};
    }
    auto parsed = config::ParseYaml(**value, "expansion of " + node.scalar);
    // Text that is no YAML is text.
    if (!parsed.has_value() || parsed->is_scalar()) {
      node.scalar = **std::move(value);
      node.quoted = false;
      return {};
    }
    Relocate(*parsed, node.at);
    node = *std::move(parsed);
    return {};
  }

  static base::Error At(const Node& node, base::Error error) {
    return std::move(error).In(fmt::format("{}:{}", node.at.line, node.at.column));
  }

  static void Relocate(Node& node, config::Position at) {
    node.at = at;
    for (Node& item : node.items) Relocate(item, at);
    for (auto& [key, value] : node.members) {
      key.at = at;
      Relocate(value, at);
    }
  }

  // The brace that ends the expansion beginning at `at` ("${"); npos without one.
  static size_t MatchingBrace(std::string_view text, size_t at) {
    int depth = 0;
    for (size_t i = at; i < text.size(); ++i) {
      if (text.substr(i, 2) == "${") ++depth;
      if (text[i] == '}' && --depth == 0) return i;
    }
    return std::string_view::npos;
  }

  base::Result<std::string> ExpandText(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size();) {
      if (text.substr(i, 2) == "$$") {
        out += '$';
        i += 2;
      } else if (text.substr(i, 2) == "${" && MatchingBrace(text, i) != std::string_view::npos) {
        const size_t end = MatchingBrace(text, i);
        ASSIGN_OR_RETURN(const std::optional<std::string> value,
                         Resolve(text.substr(i + 2, end - i - 2)));
        out += value.value_or("");
        i = end + 1;
      } else {
        out += text[i++];
      }
    }
    return out;
  }

  // What stands between the braces. The nesting is bounded by the count.
  base::Result<std::optional<std::string>> Resolve(std::string_view inside) {
    if (++expansions_ > kExpansionsMax) {
      return Fail(Code::kInvalidArgument, "more than {} expansions in one value", kExpansionsMax);
    }
    ASSIGN_OR_RETURN(const std::string uri, ExpandText(inside));
    const auto [scheme, rest] = SplitScheme(uri);
    if (scheme == "file") {
      ASSIGN_OR_RETURN(std::string text, base::ReadFile(files_, std::string(rest)));
      return text;
    }
    if (scheme == "http" || scheme == "https") {
      ASSIGN_OR_RETURN(std::string text, FetchText(uri));
      return text;
    }
    if (scheme == "yaml") return std::string(rest);
    if (!scheme.empty() && scheme != "env" && !rest.starts_with('-')) {
      return Fail(Code::kInvalidArgument, "scheme \"{}\" is not supported for uri \"{}\"", scheme,
                  uri);
    }
    return ResolveVariable(scheme == "env" ? rest : std::string_view(uri));
  }

  base::Result<std::optional<std::string>> ResolveVariable(std::string_view text) {
    const size_t separator = text.find(":-");
    const std::string name(text.substr(0, separator));
    if (!IsVariableName(name)) {
      return Fail(Code::kInvalidArgument,
                  "environment variable \"{}\" has invalid name: must match regex "
                  "^[a-zA-Z_][a-zA-Z0-9_]*$",
                  name);
    }
    if (std::optional<std::string> value = env_(name)) return value;
    if (separator != std::string_view::npos) return std::string(text.substr(separator + 2));
    logger_.Warn("config", "Configuration references unset environment variable", {{"name", name}});
    return std::optional<std::string>();
  }

  base::FileSystem& files_;
  const GetEnv& env_;
  base::Logger& logger_;
  int expansions_ = 0;
};

// "a::b: c" to "{a: {b: c}}", by indentation.
std::string UnfoldYaml(std::string_view text) {
  std::string out;
  std::string indent;
  for (size_t separator; (separator = text.find("::")) != std::string_view::npos;) {
    out += indent;
    out += text.substr(0, separator);
    out += ":\n";
    indent += "  ";
    text.remove_prefix(separator + 2);
  }
  return out + indent + std::string(text) + '\n';
}

base::Result<Node> ReadSource(const std::string& uri, base::FileSystem& files, const GetEnv& env) {
  const auto [scheme, rest] = SplitScheme(uri);
  if (scheme == "env") {
    const std::string name(rest);
    return config::ParseYaml(env(name).value_or(""), uri);
  }
  if (scheme == "yaml") return config::ParseYaml(UnfoldYaml(rest), "--config");
  if (scheme == "http" || scheme == "https") {
    ASSIGN_OR_RETURN(const std::string text, FetchText(uri));
    return config::ParseYaml(text, uri);
  }
  const std::string path(scheme == "file" ? rest : std::string_view(uri));
  ASSIGN_OR_RETURN(const std::string text, base::ReadFile(files, path));
  return config::ParseYaml(text, path);
}

base::Status ApplySet(Node& root, const std::string& set) {
  const size_t equals = set.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Fail(Code::kInvalidArgument, "--set {}: must be key=value", set);
  }
  ASSIGN_OR_RETURN(Node value, config::ParseYaml(set.substr(equals + 1), "--set"));
  std::string_view path = std::string_view(set).substr(0, equals);
  while (!path.empty()) {
    // Innermost first.
    const size_t dot = path.rfind('.');
    const std::string_view key = dot == std::string_view::npos ? path : path.substr(dot + 1);
    path = dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
    Node outer{.kind = Node::Kind::kMap};
    outer.members.emplace_back(Node{.kind = Node::Kind::kScalar, .scalar = std::string(key)},
                               std::move(value));
    value = std::move(outer);
  }
  MergeNodes(root, std::move(value));
  return {};
}

}  // namespace

bool IsSecret(std::string_view path) {
  static constexpr std::string_view kBlocks[] = {".headers.", ".htpasswd.", ".tokens."};
  static constexpr std::string_view kKeys[] = {"password", "token",  "credentials",  "key_pem",
                                               "key",      "inline", "client_secret"};
  const std::string inside = std::string(path) + '.';
  if (std::ranges::any_of(kBlocks,
                          [&](std::string_view block) { return inside.contains(block); })) {
    return true;
  }
  // The keys of attributes are no secrets.
  const std::string_view key = path.substr(path.rfind('.') + 1);
  if (key == "key") return path.contains("tls");
  return std::ranges::find(kKeys, key) != std::end(kKeys);
}

void MergeNodes(Node& base, Node over) {
  if (!base.is_map() || !over.is_map()) {
    base = std::move(over);
    return;
  }
  for (auto& [key, value] : over.members) {
    if (Node* known = base.Find(key.scalar)) {
      MergeNodes(*known, std::move(value));
    } else {
      base.members.emplace_back(std::move(key), std::move(value));
    }
  }
}

base::Status ExpandVariables(Node& root, base::FileSystem& files, const GetEnv& env,
                             base::Logger& logger) {
  return Expander(files, env, logger).Expand(root);
}

base::Result<LoadedConfig> LoadConfig(const ConfigSources& sources, base::FileSystem& files,
                                      const GetEnv& env, base::Logger& logger) {
  if (sources.uris.empty()) {
    return Fail(Code::kInvalidArgument, "at least one config flag must be provided");
  }
  LoadedConfig loaded;
  for (const std::string& uri : sources.uris) {
    ASSIGN_OR_RETURN(Node node, ReadSource(uri, files, env));
    const auto [scheme, rest] = SplitScheme(uri);
    if (!loaded.name.empty()) loaded.name += '+';
    loaded.name += scheme == "file" ? rest : std::string_view(uri);
    if (node.is_null()) continue;
    MergeNodes(loaded.root, std::move(node));
  }
  for (const std::string& set : sources.sets) RETURN_IF_ERROR(ApplySet(loaded.root, set));
  if (base::Status status = ExpandVariables(loaded.root, files, env, logger); !status.has_value()) {
    return std::unexpected(std::move(status).error().In(loaded.name));
  }
  return loaded;
}

}  // namespace narthex::collector
