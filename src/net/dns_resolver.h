#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"

namespace narthex::net {

enum class DnsType : uint8_t { kA, kAaaa, kSrv, kMx, kNs };

// One record of an answer. A value.
struct DnsRecord {
  std::string target;  // An address for kA and kAaaa, else a name without the final dot.
  uint16_t port = 0;   // Of kSrv.
  bool operator==(const DnsRecord&) const = default;
};

// Asks the name servers of the machine, with its search domains, as its resolv.conf names them at
// the time of the question. Thread-safe. Source: RFC 1035, RFC 2782, RFC 6891.
class DnsResolver {
 public:
  struct Options {
    // "127.0.0.1:5353,[::1]:53" instead of the machine's.
    std::string servers;
    std::chrono::milliseconds timeout{2'000};  // Of one question to one server.
    int tries = 2;                             // Of each server.
  };

  DnsResolver() : DnsResolver(Options{}) {}
  explicit DnsResolver(Options options) : options_(std::move(options)) {}

  // The records of a name, in the order of the answer; none where the servers say that there are
  // none. Blocks. Errors: kUnavailable where no server gives a usable answer, kInvalidArgument for
  // a name that cannot be asked for, kCancelled when `stop` is requested.
  base::Result<std::vector<DnsRecord>> Lookup(const std::string& name, DnsType type,
                                              const std::stop_token& stop) const;

 private:
  const Options options_;
};

}  // namespace narthex::net
