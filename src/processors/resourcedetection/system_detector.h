#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"

namespace narthex::processors {

// Attributes of a resource with the bytes of their values, in order.
using Detected = std::vector<std::pair<std::string, std::string>>;

// What the system detector can say, and whether it does unless told otherwise.
struct SystemAttribute {
  std::string_view name;
  bool is_enabled;
};
inline constexpr SystemAttribute kSystemAttributes[] = {
    {"host.name", true},          {"os.type", true},
    {"host.arch", false},         {"host.cpu.family", false},
    {"host.cpu.model.id", false}, {"host.cpu.model.name", false},
    {"host.cpu.stepping", false}, {"host.cpu.vendor.id", false},
    {"host.id", false},           {"host.ip", false},
    {"host.mac", false},          {"os.description", false},
    {"os.name", false},           {"os.version", false},
};

// Asks Linux who this machine is. What it does not say is left out.
// Source: opentelemetry-collector-contrib, processor/resourcedetectionprocessor, system.
class SystemDetector {
 public:
  struct Config {
    // "os", "dns", "cname", "lookup": the first that knows a name.
    std::vector<std::string> hostname_sources{"dns", "os"};
    std::vector<std::string> attributes;  // Of kSystemAttributes, those that are wanted.
  };
  SystemDetector(const Config& config, base::FileSystem& files) : config_(config), files_(files) {}

  // Error: kNotFound when no source knows the machine's name.
  base::Result<Detected> Detect() const;

 private:
  base::Result<std::string> HostName() const;
  std::string NameFrom(std::string_view source) const;
  std::string QualifiedName(const std::string& name) const;
  // The file without the blanks around its text; empty without one.
  std::string Text(const std::string& path) const;
  // The value behind `key` and a separator in a file of lines; empty when absent.
  std::string Field(const std::string& path, std::string_view key, char separator) const;
  std::vector<std::string> Addresses() const;
  std::vector<std::string> HardwareAddresses() const;
  // Bytes of an AnyValue; empty for what is not known.
  std::string ValueOf(std::string_view attribute) const;

  const Config& config_;
  base::FileSystem& files_;
};

}  // namespace narthex::processors
