#pragma once

#include "config/reader.h"
#include "otlp/client_info.h"

namespace narthex::pipeline {

// Reads a list of keys of metadata. A repeated one is reported.
otlp::MetadataKeys ReadMetadataKeys(config::MapReader& reader, std::string_view key,
                                    std::string_view meaning);

}  // namespace narthex::pipeline
