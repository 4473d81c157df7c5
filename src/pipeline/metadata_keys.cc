#include "pipeline/metadata_keys.h"

#include <fmt/format.h>

#include <set>

namespace narthex::pipeline {

otlp::MetadataKeys ReadMetadataKeys(config::MapReader& reader, std::string_view key,
                                    std::string_view meaning) {
  std::vector<std::string> names;
  reader.Read(key, names, meaning);
  std::set<std::string> seen;
  for (std::string name : names) {
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (!seen.insert(name).second) {
      reader.Report(key,
                    fmt::format("duplicate entry in {}: \"{}\" (case-insensitive)", key, name));
    }
  }
  return otlp::MetadataKeys(std::move(names));
}

}  // namespace narthex::pipeline
