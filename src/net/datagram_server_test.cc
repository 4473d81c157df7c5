#include "net/datagram_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "base/mutex.h"
#include "net/testing/raw_socket.h"

namespace narthex::net {
namespace {

using ::testing::ElementsAre;

// What a handler was given. Thread-safe.
class Received {
 public:
  void Add(std::string_view bytes) {
    base::MutexLock lock(mutex_);
    all_.emplace_back(bytes);
    changed_.NotifyAll();
  }
  std::vector<std::string> Wait(size_t count) {
    base::MutexLock lock(mutex_);
    while (all_.size() < count && changed_.WaitFor(mutex_, std::chrono::seconds(10))) {
    }
    return all_;
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<std::string> all_ GUARDED_BY(mutex_);
};

TEST(DatagramServer, HandsOutWhatComes) {
  Received received;
  const auto server = DatagramServer::Bind("127.0.0.1:0").value();
  server->Serve([&](std::string_view bytes) { received.Add(bytes); });
  const int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server->port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (const std::string& text : {std::string("a:1|c"), std::string(), std::string(9'000, 'x')}) {
    ASSERT_EQ(sendto(descriptor, text.data(), text.size(), 0,
                     reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              static_cast<ssize_t>(text.size()));
  }
  close(descriptor);
  EXPECT_THAT(received.Wait(3), ElementsAre("a:1|c", "", std::string(9'000, 'x')));
  server->Stop();
  server->Stop();
}

TEST(DatagramServer, APortInUseIsSaid) {
  const auto first = DatagramServer::Bind("127.0.0.1:0").value();
  const auto second = DatagramServer::Bind("127.0.0.1:" + std::to_string(first->port()));
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error().message, ::testing::HasSubstr("Address already in use"));
  EXPECT_FALSE(DatagramServer::Bind("nonsense").has_value());
}

TEST(LineServer, HandsOutLines) {
  Received received;
  const auto server = LineServer::Bind({.listen_address = "127.0.0.1:0"}).value();
  server->Serve([&](std::string_view line) { received.Add(line); });
  {
    RawSocket socket(server->port());
    socket.Send("one\ntw");
    EXPECT_THAT(received.Wait(1), ElementsAre("one"));
    socket.Send("o\n\nlast");
  }
  EXPECT_THAT(received.Wait(4), ElementsAre("one", "two", "", "last"));
}

TEST(LineServer, EndsConnectionsWithoutAnEndOfLine) {
  const auto server =
      LineServer::Bind({.listen_address = "127.0.0.1:0", .line_bytes_max = 1'000}).value();
  server->Serve([](std::string_view) {});
  RawSocket socket(server->port());
  socket.Send(std::string(200'000, 'x'));
  socket.ReadAll();
  EXPECT_TRUE(socket.closed());
}

}  // namespace
}  // namespace narthex::net
