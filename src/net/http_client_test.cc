#include "net/http_client.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <future>

#include "compress/compress.h"
#include "net/http_server.h"

namespace narthex::net {
namespace {

// A server whose paths misbehave in one way each.
class HttpClientTest : public ::testing::Test {
 protected:
  HttpClientTest()
      : server_(HttpServer::Start({.listen_address = "127.0.0.1:0"}, [this](HttpRequest request,
                                                                            Responder responder) {
                  Serve(std::move(request), std::move(responder));
                }).value()) {}
  ~HttpClientTest() override { server_->Stop(std::chrono::milliseconds(0)); }

  void Serve(HttpRequest request, Responder responder) {
    if (request.path == "/hang") return held_.push_back(std::move(responder));
    HttpResponse response = HttpResponse::Text(200, request.method + " " + request.body);
    if (request.path == "/bomb") {
      response.body = compress::GzipEncode(std::string(10 << 20, 'x'));
      response.headers.Add("Content-Encoding", "gzip");
    } else if (request.path == "/moved") {
      response.status = 302;
      response.headers.Add("Location", "/target");
    } else if (request.path == "/echo-header") {
      response.body = request.headers.Get("X-Test");
    } else if (request.path == "/missing") {
      response.status = 404;
    }
    responder.Send(std::move(response));
  }

  HttpClientRequest To(std::string path) {
    HttpClientRequest request;
    request.url = fmt::format("http://127.0.0.1:{}{}", server_->port(), path);
    request.timeout = std::chrono::seconds(10);
    return request;
  }

  std::vector<Responder> held_;
  std::unique_ptr<HttpServer> server_;
  HttpClient client_;
};

TEST_F(HttpClientTest, SendsMethodBodyAndHeaders) {
  HttpClientRequest request = To("/x");
  request.method = "POST";
  request.body = "content";
  EXPECT_EQ(client_.FetchAndWait(request)->body, "POST content");
  request.method = "PUT";
  EXPECT_EQ(client_.FetchAndWait(request)->body, "PUT content");
  request = To("/echo-header");
  request.headers.Add("X-Test", "value");
  EXPECT_EQ(client_.FetchAndWait(request)->body, "value");
  request = To("/missing");
  EXPECT_EQ(client_.FetchAndWait(request)->status, 404);
  request.method = "HEAD";
  EXPECT_EQ(client_.FetchAndWait(request)->body, "");
}

TEST_F(HttpClientTest, TimeLimitIsDeadlineExceeded) {
  HttpClientRequest request = To("/hang");
  request.timeout = std::chrono::milliseconds(50);
  const auto response = client_.FetchAndWait(request);
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code, base::Code::kDeadlineExceeded);
}

TEST_F(HttpClientTest, RefusedIsUnavailableAndBadUrlInvalid) {
  HttpClientRequest request = To("/");
  const uint16_t port = HttpServer::Bind({.listen_address = "127.0.0.1:0"}).value()->port();
  request.url = fmt::format("http://127.0.0.1:{}/", port);
  EXPECT_EQ(client_.FetchAndWait(request).error().code, base::Code::kUnavailable);
  request.url = "ftp://127.0.0.1/";
  EXPECT_EQ(client_.FetchAndWait(request).error().code, base::Code::kInvalidArgument);
}

TEST_F(HttpClientTest, CanOnlyConnect) {
  HttpClientRequest request = To("/hang");
  request.connect_only = true;
  EXPECT_EQ(client_.FetchAndWait(request)->status, 0);
  EXPECT_TRUE(held_.empty());
}

TEST_F(HttpClientTest, LimitHoldsAfterDecompression) {
  HttpClientRequest request = To("/bomb");
  request.response_bytes_max = 1 << 20;
  const auto response = client_.FetchAndWait(request);
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code, base::Code::kResourceExhausted);
  request.response_bytes_max = 10 << 20;
  EXPECT_EQ(client_.FetchAndWait(request)->body.size(), 10u << 20);
}

TEST_F(HttpClientTest, BodiesThatHaveBeenReadMakeRoomForOthers) {
  HttpClientRequest request = To("/bomb");
  auto large = client_.FetchAndWait(request);
  ASSERT_TRUE(large.has_value());
  client_.Recycle(*std::move(large));
  const auto small = client_.FetchAndWait(To("/moved"));
  ASSERT_TRUE(small.has_value());
  auto again = client_.FetchAndWait(request);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->body.size(), 10u << 20);
  client_.Recycle(*std::move(again));
  request = To("/x");
  request.method = "POST";
  request.body = "short";
  const auto last = client_.FetchAndWait(request);
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->body, "POST short");
  EXPECT_GE(last->body.capacity(), 10u << 20);
}

TEST_F(HttpClientTest, FollowsRedirectsOnlyWhenAsked) {
  HttpClientRequest request = To("/moved");
  EXPECT_EQ(client_.FetchAndWait(request)->status, 302);
  request.follow_redirects = true;
  EXPECT_EQ(client_.FetchAndWait(request)->status, 200);
}

TEST_F(HttpClientTest, ManyAtOnceAllComeBack) {
  constexpr int kCount = 200;
  std::promise<void> all;
  std::atomic<int> good{0}, left{kCount};
  for (int i = 0; i < kCount; ++i) {
    HttpClientRequest request = To("/x");
    request.method = "POST";
    request.body = std::to_string(i);
    client_.Fetch(request, [&, i](base::Result<HttpClientResponse> response) {
      if (response.has_value() && response->body == "POST " + std::to_string(i)) ++good;
      if (--left == 0) all.set_value();
    });
  }
  all.get_future().wait();
  EXPECT_EQ(good, kCount);
}

TEST_F(HttpClientTest, DestructionCancels) {
  std::promise<base::Result<HttpClientResponse>> outcome;
  {
    HttpClient brief;
    brief.Fetch(To("/hang"), [&](base::Result<HttpClientResponse> response) {
      outcome.set_value(std::move(response));
    });
  }
  EXPECT_EQ(outcome.get_future().get().error().code, base::Code::kCancelled);
}

}  // namespace
}  // namespace narthex::net
