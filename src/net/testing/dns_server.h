#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "net/dns_resolver.h"

namespace narthex::net {

// A name server on loopback and UDP for tests: answers what it was told. Thread-safe.
class DnsServer {
 public:
  DnsServer();
  ~DnsServer();

  // "127.0.0.1:port", as DnsResolver::Options wants it.
  std::string address() const;
  // Replaces the records of a name. Names without the final dot.
  void Set(const std::string& name, DnsType type, std::vector<DnsRecord> records);
  // Every question is answered with this code from now on, unless it is 0. Source: RFC 1035, RCODE.
  void FailWith(uint8_t code) { failure_ = code; }
  uint64_t questions() const { return questions_; }

 private:
  void Run();
  std::string Answer(std::string_view question);

  int socket_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<uint8_t> failure_ = 0;
  std::atomic<uint64_t> questions_ = 0;
  base::Mutex mutex_;
  std::map<std::pair<std::string, DnsType>, std::vector<DnsRecord>> records_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace narthex::net
