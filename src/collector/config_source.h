#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "config/yaml.h"

namespace narthex::collector {

// nullopt where a variable is not set.
using GetEnv = std::function<std::optional<std::string>(const std::string& name)>;

struct ConfigSources {
  // "file:path" or a bare path, "env:NAME", "yaml:a::b: c", "http://…", "https://…". Later ones
  // win: maps are merged, lists and scalars replaced, and a null in place of a map wipes it.
  std::vector<std::string> uris;
  // "a.b.c=value", applied last.
  std::vector<std::string> sets;
};

// A configuration as the collector sees it: read, merged and with `${…}` expanded.
struct LoadedConfig {
  config::Node root;
  std::string name;  // For messages: the file, or all of them.
};

// Errors: what keeps a source from being read, YAML syntax with its place, unknown providers.
base::Result<LoadedConfig> LoadConfig(const ConfigSources& sources, base::FileSystem& files,
                                      const GetEnv& env, base::Logger& logger);

// Replaces `${env:NAME}`, `${NAME}`, `${env:NAME:-default}`, `${file:path}`, `${http://…}` and
// `${yaml:text}` in every value, innermost first, and `$$` by `$`. A value that is nothing but one
// expansion is read as YAML again; a variable that is not set and has no default becomes null, with
// a warning.
base::Status ExpandVariables(config::Node& root, base::FileSystem& files, const GetEnv& env,
                             base::Logger& logger);

// Whether what stands at this path ("exporters.otlp.headers.authorization") should not be shown.
bool IsSecret(std::string_view path);

// Deep merge of `over` into `base`.
void MergeNodes(config::Node& base, config::Node over);

}  // namespace narthex::collector
