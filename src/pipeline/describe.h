#pragma once

#include <string>
#include <vector>

#include "base/env.h"
#include "config/schema.h"
#include "pipeline/factory.h"

namespace narthex::pipeline {

// A type of component with the keys that its configuration may have. A value.
struct ComponentKeys {
  std::string_view kind;  // "receiver", "processor", "exporter", "connector", "extension".
  std::string_view type;
  std::string_view alias;  // Empty for none.
  std::vector<config::Schema::Key> keys;
};
struct Description {
  std::vector<ComponentKeys> components;  // In the order of the factories.
  std::vector<config::Schema::Group> groups;
};

// Has every component read a sample configuration. Starts nothing.
Description DescribeKeys(const Factories& factories, base::Env env);

}  // namespace narthex::pipeline
