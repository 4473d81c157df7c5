#pragma once

#include <string>
#include <utility>
#include <vector>

#include "pipeline/client_config.h"
#include "pipeline/sending_config.h"
#include "translate/config.h"

namespace narthex::exporters {

// The official exporter's configuration. A value.
struct RemoteWriteConfig {
  pipeline::ClientConfig client;
  pipeline::SendingConfig sending;
  std::string name_prefix;  // `namespace`
  std::vector<std::pair<std::string, std::string>> external_labels;
  translate::ResourceLabels resource_labels;
  otlp::TranslationStrategy strategy = otlp::TranslationStrategy::kUnderscoreEscapingWithSuffixes;
  bool with_scope_info = true;
  bool with_target_info = true;
  bool with_metadata = false;  // In version 1; version 2 always has it.
  bool is_version_2 = false;
  size_t batch_bytes_max = 3'000'000;  // Of a message before compression.
};

// What is wrong goes into the context's diagnostics.
RemoteWriteConfig ReadRemoteWriteConfig(const pipeline::CreateContext& context);

}  // namespace narthex::exporters
