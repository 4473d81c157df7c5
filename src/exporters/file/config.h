#pragma once

#include <chrono>
#include <string>

#include "pipeline/factory.h"

namespace narthex::exporters {

// The official exporter's configuration. A value.
struct FileConfig {
  std::string path;
  bool append = false;
  bool create_directory = false;
  bool is_json = true;   // Else protobuf.
  bool is_zstd = false;  // Each message for itself.
  bool has_rotation = false;
  uint64_t bytes_max = 100 << 20;  // With rotation: of one file.
  std::chrono::hours age_max{0};   // With rotation: older files go; 0: none does.
  size_t backups_max = 100;        // With rotation: of finished files; 0: no limit.
};

// What is wrong goes into the context's diagnostics.
FileConfig ReadFileConfig(const pipeline::CreateContext& context);

}  // namespace narthex::exporters
