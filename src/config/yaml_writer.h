#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "config/yaml.h"

namespace narthex::config {

// The value as YAML in block style, two blanks a level; reading it again gives an equal value, but
// for places. `is_secret`: asked for the path of every scalar ("exporters.otlp.headers.key"); one
// that is secret is written as [REDACTED].
std::string FormatYaml(const Node& node,
                       const std::function<bool(std::string_view path)>& is_secret = {});

}  // namespace narthex::config
