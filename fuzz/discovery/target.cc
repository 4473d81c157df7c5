#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "discovery/target_group.h"

// Lists of targets, as JSON and as YAML: no crash, and every target has an address.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using narthex::discovery::ParseJsonTargets;
  using narthex::discovery::ParseYamlTargets;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& groups : {ParseJsonTargets(text, "f"), ParseYamlTargets(text, "f")}) {
    if (!groups) {
      CHECK(groups.error().message.starts_with("f"));
      continue;
    }
    for (const auto& group : *groups) {
      for (const auto& target : group.targets) CHECK(target.at(0).name == "__address__");
      for (const auto& label : group.labels) CHECK(!label.name.empty());
    }
  }
  return 0;
}
