#include "processors/resourcedetection/system_detector.h"

#include <algorithm>
#include <cctype>

#include "base/ascii.h"
#include "net/host_name.h"
#include "otlp/edit.h"
#include "otlp/tree.h"

namespace narthex::processors {
namespace {

using base::Lines;
using base::Trim;
using base::Words;

std::string_view Unquote(std::string_view text) {
  const bool is_quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return is_quoted ? text.substr(1, text.size() - 2) : text;
}

std::string EncodeList(const std::vector<std::string>& texts) {
  if (texts.empty()) return "";
  otlp::Any::Array list;
  for (const std::string& text : texts) list.emplace_back(text);
  return otlp::Any(std::move(list)).Encode();
}

constexpr std::string_view Architecture() {
#if defined(__x86_64__)
  return "amd64";
#elif defined(__aarch64__)
  return "arm64";
#else
  return "";
#endif
}

// Where the fields of a processor are called otherwise.
constexpr std::pair<std::string_view, std::string_view> kCpuFields[] = {
    {"host.cpu.family", "cpu family"},     {"host.cpu.model.id", "model"},
    {"host.cpu.model.name", "model name"}, {"host.cpu.stepping", "stepping"},
    {"host.cpu.vendor.id", "vendor_id"},
};

}  // namespace

std::string SystemDetector::Text(const std::string& path) const {
  const base::Result<std::string> text = base::ReadFile(files_, path);
  return text.has_value() ? std::string(Trim(*text)) : "";
}

std::string SystemDetector::Field(const std::string& path, std::string_view key,
                                  char separator) const {
  const std::string text = Text(path);
  for (const std::string_view line : Lines(text)) {
    const size_t at = line.find(separator);
    if (at == std::string_view::npos || Trim(line.substr(0, at)) != key) continue;
    return std::string(Unquote(Trim(line.substr(at + 1))));
  }
  return "";
}

// The name that /etc/hosts, or else the name service, gives first to the machine's own.
std::string SystemDetector::QualifiedName(const std::string& name) const {
  std::string qualified;
  const std::string hosts = Text("/etc/hosts");
  for (const std::string_view line : Lines(hosts)) {
    const std::vector<std::string_view> words = Words(line.substr(0, line.find('#')));
    if (words.size() < 2 || std::find(words.begin() + 1, words.end(), name) == words.end()) {
      continue;
    }
    qualified = words[1];
    break;
  }
  if (qualified.find('.') != std::string::npos) return qualified;
  const std::string canonical = net::CanonicalHostName(name);
  return canonical.empty() ? qualified : canonical;
}

std::string SystemDetector::NameFrom(std::string_view source) const {
  const std::string name = Text("/proc/sys/kernel/hostname");
  if (source == "os" || name.empty()) return name;
  std::string found = source == "dns"     ? QualifiedName(name)
                      : source == "cname" ? net::CanonicalHostName(name)
                                          : net::ReverseHostName(name);
  while (found.ends_with('.')) found.pop_back();
  return found;
}

base::Result<std::string> SystemDetector::HostName() const {
  for (const std::string& source : config_.hostname_sources) {
    std::string name = NameFrom(source);
    if (!name.empty()) return name;
  }
  return base::Fail(base::Code::kNotFound, "all hostname sources failed to get hostname");
}

// Source: proc(5), fib_trie and if_inet6.
std::vector<std::string> SystemDetector::Addresses() const {
  std::vector<std::string> addresses;
  const auto add = [&](const std::string& address) {
    if (std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(address);
  };
  std::string_view last;
  const std::string v4 = Text("/proc/net/fib_trie");
  for (const std::string_view line : Lines(v4)) {
    const std::vector<std::string_view> words = Words(line);
    if (words.size() == 2 && words[0] == "|--") last = words[1];
    const bool is_own = words.size() == 3 && words[0] == "/32" && words[2] == "LOCAL";
    if (is_own && !last.starts_with("127.")) add(std::string(last));
  }
  const std::string v6 = Text("/proc/net/if_inet6");
  for (const std::string_view line : Lines(v6)) {
    const std::vector<std::string_view> words = Words(line);
    constexpr size_t kDigits = 32;
    if (words.size() < 6 || words[0].size() != kDigits || words[5] == "lo") continue;
    std::string colons;
    for (size_t i = 0; i < kDigits; i += 4) {
      if (i > 0) colons += ':';
      colons += words[0].substr(i, 4);
    }
    add(net::ShortAddress(colons));
  }
  return addresses;
}

std::vector<std::string> SystemDetector::HardwareAddresses() const {
  constexpr const char* kInterfaces = "/sys/class/net";
  std::vector<std::string> addresses;
  const auto entries = files_.List(kInterfaces);
  if (!entries.has_value()) return addresses;
  for (const base::DirectoryEntry& entry : *entries) {
    std::string address = Text(base::JoinPath(base::JoinPath(kInterfaces, entry.name), "address"));
    if (entry.name == "lo" || address.empty()) continue;
    // As IEEE writes them.
    for (char& c : address) {
      c = c == ':' ? '-' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    addresses.push_back(std::move(address));
  }
  std::ranges::sort(addresses);
  return addresses;
}

std::string SystemDetector::ValueOf(std::string_view attribute) const {
  const auto text = [](std::string_view value) {
    return value.empty() ? std::string() : otlp::EncodeValue(value);
  };
  for (const auto& [name, field] : kCpuFields) {
    if (attribute == name) return text(Field("/proc/cpuinfo", field, ':'));
  }
  if (attribute == "os.type") return text("linux");
  if (attribute == "host.arch") return text(Architecture());
  if (attribute == "host.id") return text(Text("/etc/machine-id"));
  if (attribute == "host.ip") return EncodeList(Addresses());
  if (attribute == "host.mac") return EncodeList(HardwareAddresses());
  if (attribute == "os.description") return text(Text("/proc/version"));
  if (attribute == "os.name") return text(Field("/etc/os-release", "NAME", '='));
  if (attribute == "os.version") return text(Field("/etc/os-release", "VERSION_ID", '='));
  return "";
}

base::Result<Detected> SystemDetector::Detect() const {
  ASSIGN_OR_RETURN(const std::string host_name, HostName());
  Detected detected;
  for (const std::string& attribute : config_.attributes) {
    std::string value =
        attribute == "host.name" ? otlp::EncodeValue(host_name) : ValueOf(attribute);
    if (!value.empty()) detected.emplace_back(attribute, std::move(value));
  }
  return detected;
}

}  // namespace narthex::processors
