#include "net/testing/dns_server.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

namespace narthex::net {
namespace {

void Put16(std::string& out, size_t value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value);
}

void PutName(std::string& out, std::string_view name) {
  while (!name.empty()) {
    const size_t dot = std::min(name.find('.'), name.size());
    out += static_cast<char>(dot);
    out += name.substr(0, dot);
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  out += '\0';
}

std::pair<int, std::string> WireOf(DnsType type, const DnsRecord& record) {
  std::string data;
  switch (type) {
    case DnsType::kA:
      data.resize(4);
      CHECK(inet_pton(AF_INET, record.target.c_str(), data.data()) == 1);
      return {ns_t_a, data};
    case DnsType::kAaaa:
      data.resize(16);
      CHECK(inet_pton(AF_INET6, record.target.c_str(), data.data()) == 1);
      return {ns_t_aaaa, data};
    case DnsType::kSrv:
      Put16(data, 0);
      Put16(data, 0);
      Put16(data, record.port);
      PutName(data, record.target);
      return {ns_t_srv, data};
    case DnsType::kMx:
      Put16(data, 10);
      PutName(data, record.target);
      return {ns_t_mx, data};
    case DnsType::kNs:
      PutName(data, record.target);
      return {ns_t_ns, data};
  }
  return {0, data};
}

}  // namespace

DnsServer::DnsServer() {
  socket_ = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  socklen_t size = sizeof address;
  CHECK(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

DnsServer::~DnsServer() {
  stopping_ = true;
  thread_.join();
  ::close(socket_);
}

std::string DnsServer::address() const { return "127.0.0.1:" + std::to_string(port_); }

void DnsServer::Set(const std::string& name, DnsType type, std::vector<DnsRecord> records) {
  base::MutexLock lock(mutex_);
  records_[{name, type}] = std::move(records);
}

void DnsServer::Run() {
  while (!stopping_) {
    pollfd file{.fd = socket_, .events = POLLIN, .revents = 0};
    if (::poll(&file, 1, 20) <= 0) continue;
    char bytes[4096];
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    const ssize_t got =
        ::recvfrom(socket_, bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&peer), &size);
    if (got < 12) continue;
    ++questions_;
    const std::string answer = Answer({bytes, static_cast<size_t>(got)});
    ::sendto(socket_, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&peer), size);
  }
}

std::string DnsServer::Answer(std::string_view question) {
  std::string name;
  size_t at = 12;
  while (at < question.size() && question[at] != '\0') {
    const auto length = static_cast<size_t>(question[at]);
    name += (name.empty() ? "" : ".") + std::string(question.substr(at + 1, length));
    at += length + 1;
  }
  const auto type = static_cast<uint8_t>(question[at + 2]);
  const size_t end = at + 5;
  size_t rcode = failure_;
  if (rcode == 0) rcode = ns_r_nxdomain;
  size_t count = 0;
  std::string answers;
  if (failure_ == 0) {
    base::MutexLock lock(mutex_);
    for (const auto& [key, records] : records_) {
      if (key.first != name) continue;
      rcode = ns_r_noerror;  // The name is there, whatever it has.
      for (const DnsRecord& record : records) {
        const auto [wire_type, data] = WireOf(key.second, record);
        if (wire_type != type) continue;
        ++count;
        Put16(answers, 0xc00c);  // The name of the question.
        Put16(answers, static_cast<size_t>(wire_type));
        Put16(answers, ns_c_in);
        Put16(answers, 0);
        Put16(answers, 60);  // Seconds to live.
        Put16(answers, data.size());
        answers += data;
      }
    }
  }
  std::string out(question.substr(0, 2));
  Put16(out, 0x8180 | rcode);
  Put16(out, 1);
  Put16(out, count);
  Put16(out, 0);
  Put16(out, 0);
  return out + std::string(question.substr(12, end - 12)) + answers;
}

}  // namespace narthex::net
