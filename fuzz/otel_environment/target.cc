// Whatever stands in the variables that SDKs read is taken or warned about. Lines of NAME=value.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/check.h"
#include "sdk/resource.h"
#include "telemetry/environment.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace narthex;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto resource = sdk::ParseResourceAttributes(text)) {
    (void)sdk::Resource(*resource).Merge(sdk::Resource::Create());
  }
  std::map<std::string, std::string> variables;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    variables[std::string(line.substr(0, equals))] = line.substr(equals + 1);
  }
  const auto get = [&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  const telemetry::Settings settings = telemetry::ReadSettings(get, base::NullLogger());
  CHECK(settings.interval.count() > 0 && settings.timeout.count() > 0);
  return 0;
}
