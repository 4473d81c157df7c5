#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "config/yaml.h"

namespace {

// Places count from 1, keys are scalars, and Find leads to each of them.
void Check(const narthex::config::Node& node) {
  CHECK(node.at.line >= 1 && node.at.column >= 1);
  for (const auto& item : node.items) Check(item);
  for (const auto& [key, value] : node.members) {
    CHECK(key.is_scalar());
    CHECK(node.Find(key.scalar) == &value);
    Check(value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto root = narthex::config::ParseYaml(text, "fuzz.yaml");
  // An empty document has no place of its own.
  if (root.has_value() && !root->is_null()) Check(*root);
  return 0;
}
