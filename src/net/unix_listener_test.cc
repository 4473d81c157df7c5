#include <fmt/core.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "net/grpc_client.h"
#include "net/grpc_server.h"
#include "net/http_client.h"
#include "net/http_server.h"

namespace narthex::net {
namespace {

using ::testing::HasSubstr;

class UnixListenerTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }
  base::Result<std::unique_ptr<HttpServer>> Start(const std::string& path) {
    return HttpServer::Start({.listen_address = "unix:" + path},
                             [](const HttpRequest& request, Responder responder) {
                               responder.Send(HttpResponse::Text(200, request.peer));
                             });
  }
  base::Result<HttpClientResponse> Get() {
    return client_.FetchAndWait({.url = "http://localhost/", .unix_socket = path_});
  }

  const std::string path_ = fmt::format("{}u{}.sock", testing::TempDir(), getpid());
  HttpClient client_;
};

TEST_F(UnixListenerTest, ServesHttpAndGoesWithItsFile) {
  auto server = Start(path_);
  ASSERT_TRUE(server.has_value()) << server.error().message;
  EXPECT_EQ((*server)->port(), 0);
  const auto response = Get();
  ASSERT_TRUE(response.has_value()) << response.error().message;
  EXPECT_EQ(response->body, "unix");
  (*server)->Stop(std::chrono::milliseconds(0));
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_FALSE(Get().has_value());
  ASSERT_TRUE(Start(path_).has_value());
}

TEST_F(UnixListenerTest, ServesGrpc) {
  const auto server = GrpcServer::Start({.listen_address = "unix:" + path_, .methods = {"/a/b"}},
                                        [](GrpcRequest request, GrpcResponder responder) {
                                          responder.Send(request.peer + request.message);
                                        })
                          .value();
  std::promise<GrpcAnswer> promise;
  CallGrpc(client_,
           {.target = "http://localhost",
            .method = "/a/b",
            .message = " says hello",
            .unix_socket = path_},
           [&](GrpcAnswer answer) { promise.set_value(std::move(answer)); });
  EXPECT_EQ(promise.get_future().get().message.value(), "unix says hello");
}

TEST_F(UnixListenerTest, AnAbstractOneHasNoFile) {
  const std::string name = fmt::format("@narthex-test-{}", getpid());
  const auto get = [&] {
    return HttpClient().FetchAndWait({.url = "http://localhost/", .unix_socket = name});
  };
  auto server = Start(name);
  ASSERT_TRUE(server.has_value()) << server.error().message;
  EXPECT_EQ(get().value().body, "unix");
  EXPECT_FALSE(std::filesystem::exists(name));
  EXPECT_THAT(Start(name).error().message, HasSubstr("Address already in use"));
  (*server)->Stop(std::chrono::milliseconds(0));
  EXPECT_FALSE(get().has_value());
  EXPECT_TRUE(Start(name).has_value());
}

TEST_F(UnixListenerTest, OneThatAnotherListensOnIsTaken) {
  const auto first = Start(path_).value();
  const auto second = Start(path_);
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error().message, HasSubstr("Address already in use"));
  EXPECT_TRUE(Get().has_value());
}

TEST_F(UnixListenerTest, OneThatIsLeftBehindIsReplaced) {
  const std::string other = path_ + ".kept";
  {
    const auto server = Start(path_).value();
    std::filesystem::create_hard_link(path_, other);
  }
  std::filesystem::rename(other, path_);
  ASSERT_TRUE(std::filesystem::is_socket(path_)) << "as after the death of a process";
  const auto server = Start(path_);
  ASSERT_TRUE(server.has_value()) << server.error().message;
  EXPECT_TRUE(Get().has_value());
}

TEST_F(UnixListenerTest, OtherFilesStay) {
  std::ofstream(path_) << "precious";
  EXPECT_THAT(Start(path_).error().message, HasSubstr("the file is no socket"));
  EXPECT_EQ(std::filesystem::file_size(path_), 8u);
  std::filesystem::remove(path_);
  auto server = Start(path_).value();
  std::filesystem::remove(path_);
  std::ofstream(path_) << "precious";
  server.reset();
  EXPECT_EQ(std::filesystem::file_size(path_), 8u) << "it took the socket's place";
}

TEST_F(UnixListenerTest, PathsThatCannotBe) {
  EXPECT_EQ(Start("").error().code, base::Code::kInvalidArgument);
  EXPECT_EQ(Start("/" + std::string(200, 'x')).error().code, base::Code::kInvalidArgument);
  EXPECT_THAT(Start(path_ + "/no/such").error().message, HasSubstr("listen unix:"));
}

}  // namespace
}  // namespace narthex::net
