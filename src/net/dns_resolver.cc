#include "net/dns_resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <poll.h>

#include <memory>
#include <optional>

#include "base/check.h"

namespace narthex::net {
namespace {

using base::Code;
using base::Fail;

constexpr int kRecordsMax = 4096;  // Of an answer, which 64 KiB bound anyway.
constexpr int kUdpBytes = 1232;    // Fits every path without fragments.
// How soon a stop is noticed.
constexpr int kPollMs = 100;

void InitializeOnce() {
  static const int initialized = ares_library_init(ARES_LIB_INIT_ALL);
  CHECK(initialized == ARES_SUCCESS);
}

int WireType(DnsType type) {
  switch (type) {
    case DnsType::kA:
      return ns_t_a;
    case DnsType::kAaaa:
      return ns_t_aaaa;
    case DnsType::kSrv:
      return ns_t_srv;
    case DnsType::kMx:
      return ns_t_mx;
    case DnsType::kNs:
      return ns_t_ns;
  }
  return ns_t_a;
}

std::string AddressText(int family, const void* address) {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(family, address, text, sizeof text);
  return text;
}

struct Answer {
  DnsType type;
  int status = ARES_SUCCESS;
  std::vector<DnsRecord> records;
  bool done = false;
};

int ReadAddresses(const unsigned char* bytes, int size, Answer& answer) {
  int count = kRecordsMax;
  if (answer.type == DnsType::kA) {
    const auto found = std::make_unique<ares_addrttl[]>(kRecordsMax);
    const int status = ares_parse_a_reply(bytes, size, nullptr, found.get(), &count);
    for (int i = 0; status == ARES_SUCCESS && i < count; ++i) {
      answer.records.push_back({.target = AddressText(AF_INET, &found[static_cast<size_t>(i)])});
    }
    return status;
  }
  const auto found = std::make_unique<ares_addr6ttl[]>(kRecordsMax);
  const int status = ares_parse_aaaa_reply(bytes, size, nullptr, found.get(), &count);
  for (int i = 0; status == ARES_SUCCESS && i < count; ++i) {
    answer.records.push_back({.target = AddressText(AF_INET6, &found[static_cast<size_t>(i)])});
  }
  return status;
}

int ReadServices(const unsigned char* bytes, int size, Answer& answer) {
  ares_srv_reply* first = nullptr;
  const int status = ares_parse_srv_reply(bytes, size, &first);
  if (status != ARES_SUCCESS) return status;
  for (const ares_srv_reply* at = first; at != nullptr; at = at->next) {
    answer.records.push_back({.target = at->host, .port = at->port});
  }
  ares_free_data(first);
  return status;
}

int ReadMailServers(const unsigned char* bytes, int size, Answer& answer) {
  ares_mx_reply* first = nullptr;
  const int status = ares_parse_mx_reply(bytes, size, &first);
  if (status != ARES_SUCCESS) return status;
  for (const ares_mx_reply* at = first; at != nullptr; at = at->next) {
    answer.records.push_back({.target = at->host});
  }
  ares_free_data(first);
  return status;
}

int ReadNameServers(const unsigned char* bytes, int size, Answer& answer) {
  hostent* host = nullptr;
  const int status = ares_parse_ns_reply(bytes, size, &host);
  if (status != ARES_SUCCESS) return status;
  for (char** name = host->h_aliases; *name != nullptr; ++name) {
    answer.records.push_back({.target = *name});
  }
  ares_free_hostent(host);
  return status;
}

void OnAnswer(void* user, int status, int, unsigned char* bytes, int size) {
  auto& answer = *static_cast<Answer*>(user);
  answer.done = true;
  if (status == ARES_SUCCESS) {
    switch (answer.type) {
      case DnsType::kA:
      case DnsType::kAaaa:
        status = ReadAddresses(bytes, size, answer);
        break;
      case DnsType::kSrv:
        status = ReadServices(bytes, size, answer);
        break;
      case DnsType::kMx:
        status = ReadMailServers(bytes, size, answer);
        break;
      case DnsType::kNs:
        status = ReadNameServers(bytes, size, answer);
        break;
    }
  }
  answer.status = status;
}

// Lets the channel work until it has nothing more to do for us.
void Wait(ares_channel channel, const Answer& answer, const std::stop_token& stop) {
  while (!answer.done) {
    if (stop.stop_requested()) return ares_cancel(channel);
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    const auto bits = static_cast<unsigned>(ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM));
    pollfd files[ARES_GETSOCK_MAXNUM];
    nfds_t count = 0;
    for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
      const bool read = ARES_GETSOCK_READABLE(bits, i), write = ARES_GETSOCK_WRITABLE(bits, i);
      if (!read && !write) continue;
      files[count].fd = sockets[i];
      files[count].events = static_cast<int16_t>((read ? POLLIN : 0) | (write ? POLLOUT : 0));
      files[count++].revents = 0;
    }
    timeval longest{.tv_sec = 0, .tv_usec = kPollMs * 1000}, left{};
    const timeval* const wait = ares_timeout(channel, &longest, &left);
    ::poll(files, count, static_cast<int>(wait->tv_sec * 1000 + wait->tv_usec / 1000 + 1));
    bool any = false;
    for (nfds_t i = 0; i < count; ++i) {
      const int16_t events = files[i].revents;
      if (events == 0) continue;
      any = true;
      const bool read = (events & (POLLIN | POLLERR | POLLHUP)) != 0;
      const bool write = (events & (POLLOUT | POLLERR)) != 0;
      ares_process_fd(channel, read ? files[i].fd : ARES_SOCKET_BAD,
                      write ? files[i].fd : ARES_SOCKET_BAD);
    }
    if (!any) ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  }
}

struct ChannelDeleter {
  void operator()(ares_channeldata* channel) const { ares_destroy(channel); }
};

}  // namespace

base::Result<std::vector<DnsRecord>> DnsResolver::Lookup(const std::string& name, DnsType type,
                                                         const std::stop_token& stop) const {
  InitializeOnce();
  Answer answer{.type = type};
  ares_options wanted{};
  wanted.flags = ARES_FLAG_EDNS;
  wanted.ednspsz = kUdpBytes;
  wanted.timeout = static_cast<int>(options_.timeout.count());
  wanted.tries = options_.tries;
  ares_channel raw = nullptr;
  int status = ares_init_options(
      &raw, &wanted, ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
  if (status != ARES_SUCCESS) {
    return Fail(Code::kUnavailable, "cannot resolve names: {}", ares_strerror(status));
  }
  const std::unique_ptr<ares_channeldata, ChannelDeleter> channel(raw);
  if (!options_.servers.empty()) {
    status = ares_set_servers_ports_csv(raw, options_.servers.c_str());
    if (status != ARES_SUCCESS) {
      return Fail(Code::kInvalidArgument, "name servers \"{}\": {}", options_.servers,
                  ares_strerror(status));
    }
  }
  ares_search(raw, name.c_str(), ns_c_in, WireType(type), &OnAnswer, &answer);
  Wait(raw, answer, stop);
  switch (answer.status) {
    case ARES_SUCCESS:
      return std::move(answer.records);
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
      return std::vector<DnsRecord>();
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
      return Fail(Code::kCancelled, "could not resolve \"{}\": stopped", name);
    case ARES_EBADNAME:
      return Fail(Code::kInvalidArgument, "could not resolve \"{}\": {}", name,
                  ares_strerror(answer.status));
    default:
      return Fail(Code::kUnavailable, "could not resolve \"{}\": {}", name,
                  ares_strerror(answer.status));
  }
}

}  // namespace narthex::net
