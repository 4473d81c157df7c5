#pragma once

#include "config/yaml.h"

namespace narthex::config {

// Puts "<secret>" in place of what a Prometheus configuration keeps secret, and "xxxxx" in place of
// passwords within addresses, so that it can be shown. Goes by the names of keys, so that sections
// are covered whose meaning is not known here. Source: Prometheus, configuration, <secret>.
void MaskSecrets(Node& root);

}  // namespace narthex::config
