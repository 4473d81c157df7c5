#include "net/http_server.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <thread>

#include "compress/compress.h"
#include "net/http_client.h"
#include "net/testing/raw_socket.h"

namespace narthex::net {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

void Echo(HttpRequest request, Responder responder) {
  responder.Send(HttpResponse::Text(
      200, request.method + " " + request.path + "?" + request.query + " [" + request.body + "]"));
}

HttpServer::Config AnyPort() { return {.listen_address = "127.0.0.1:0"}; }

// What the server sends back for these bytes, until it closes.
std::string Exchange(const HttpServer& server, std::string_view bytes) {
  RawSocket socket(server.port());
  socket.Send(bytes);
  return socket.ReadAll();
}

TEST(HttpServer, AnswersARequest) {
  const auto server = HttpServer::Start(AnyPort(), Echo).value();
  const std::string answer =
      Exchange(*server, "GET /a%2Fb?x=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nContent-Length: 17\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nGET /a%2Fb?x=1 []"));
}

TEST(HttpServer, KeepsTheConnectionAndTakesPipelinedRequestsInOrder) {
  const auto server = HttpServer::Start(AnyPort(), Echo).value();
  RawSocket socket(server->port());
  socket.Send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(socket.ReadUntil("GET /1? []"), StartsWith("HTTP/1.1 200"));
  socket.Send("GET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 HTTP/1.0\r\n\r\n");
  const std::string rest = socket.ReadAll();
  EXPECT_LT(rest.find("GET /2?"), rest.find("GET /3?"));
  EXPECT_TRUE(socket.closed());
}

TEST(HttpServer, TakesChunkedBodies) {
  const auto server = HttpServer::Start(AnyPort(), Echo).value();
  EXPECT_THAT(Exchange(*server,
                       "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: "
                       "chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n"),
              HasSubstr("[hello world]"));
}

TEST(HttpServer, SendsContinueWhenExpected) {
  const auto server = HttpServer::Start(AnyPort(), Echo).value();
  RawSocket socket(server->port());
  socket.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(socket.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 100 Continue"));
  socket.Send("ok");
  EXPECT_THAT(socket.ReadUntil("[ok]"), StartsWith("HTTP/1.1 200"));
}

TEST(HttpServer, HeadHasLengthButNoBody) {
  const auto server = HttpServer::Start(AnyPort(), Echo).value();
  const std::string answer =
      Exchange(*server, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 10\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST(HttpServer, RefusesWhatIsMalformedOrOverALimit) {
  HttpServer::Config config = AnyPort();
  config.body_bytes_max = 10;
  config.header_bytes_max = 1000;
  const auto server = HttpServer::Start(config, Echo).value();
  const struct {
    std::string request;
    const char* answer;
  } kCases[] = {
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world", "HTTP/1.1 413"},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n",
       "HTTP/1.1 413"},
      {"GET / HTTP/1.1\r\nX: " + std::string(2000, 'x') + "\r\n\r\n", "HTTP/1.1 431"},
      {"complete nonsense\r\n\r\n", "HTTP/1.1 400"},
      {"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       "HTTP/1.1 400"},
      {"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "HTTP/1.1 400"},
      {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400"},
  };
  for (const auto& c : kCases) EXPECT_THAT(Exchange(*server, c.request), StartsWith(c.answer));
}

TEST(HttpServer, ClosesPeersThatDribbleOrStayIdle) {
  HttpServer::Config config = AnyPort();
  config.header_timeout = config.transfer_grace = std::chrono::milliseconds(50);
  config.idle_timeout = std::chrono::milliseconds(50);
  const auto server = HttpServer::Start(config, Echo).value();
  for (const char* bytes : {"", "GET / HT", "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nshort"}) {
    RawSocket socket(server->port());
    socket.Send(bytes);
    socket.ReadAll();
    EXPECT_TRUE(socket.closed()) << bytes;
  }
}

TEST(HttpServer, ClosesTheOldestIdleConnectionWhenFull) {
  HttpServer::Config config = AnyPort();
  config.connections_max = 2;
  const auto server = HttpServer::Start(config, Echo).value();
  RawSocket oldest(server->port()), busy(server->port());
  oldest.Send("GET / HT");
  busy.Send("GET / HTTP/1.1\r\n\r\n");
  busy.ReadUntil("[]");
  RawSocket newcomer(server->port());
  newcomer.Send("GET /new HTTP/1.1\r\n\r\n");
  EXPECT_THAT(newcomer.ReadUntil("[]"), HasSubstr("/new"));
  EXPECT_EQ(oldest.ReadAll(), "");
  EXPECT_TRUE(oldest.closed());
  busy.Send("GET /again HTTP/1.1\r\n\r\n");
  EXPECT_THAT(busy.ReadUntil("[]"), HasSubstr("/again"));
}

TEST(HttpServer, CompressesForThoseWhoAccept) {
  const std::string text(5000, 'a');
  const auto server = HttpServer::Start(AnyPort(), [&](HttpRequest, Responder responder) {
                        responder.Send(HttpResponse::Text(200, text));
                      }).value();
  const std::string plain =
      Exchange(*server, "GET / HTTP/1.1\r\nConnection: close\r\nAccept-Encoding: gzip;q=0\r\n\r\n");
  EXPECT_THAT(plain, EndsWith(text));
  EXPECT_THAT(plain, HasSubstr("Vary: Accept-Encoding"));
  const std::string zipped =
      Exchange(*server, "GET / HTTP/1.1\r\nConnection: close\r\nAccept-Encoding: br, gzip\r\n\r\n");
  EXPECT_THAT(zipped, HasSubstr("Content-Encoding: gzip\r\n"));
  const size_t body = zipped.find("\r\n\r\n") + 4;
  EXPECT_EQ(compress::GzipDecode(zipped.substr(body), 10'000).value(), text);
}

TEST(HttpServer, HeaderValuesCannotSplitTheResponse) {
  const auto server = HttpServer::Start(AnyPort(), [](HttpRequest, Responder responder) {
                        HttpResponse response = HttpResponse::Text(200, "");
                        response.headers.Add("X", "a\r\nInjected: yes");
                        responder.Send(std::move(response));
                      }).value();
  EXPECT_THAT(Exchange(*server, "GET / HTTP/1.0\r\n\r\n"), Not(HasSubstr("Injected")));
}

TEST(HttpServer, AnswersComeFromTimersAndWorkersToo) {
  auto server = HttpServer::Bind(AnyPort()).value();
  server->Serve([&](HttpRequest request, Responder responder) {
    auto answer = [responder = std::move(responder)]() mutable {
      responder.Send(HttpResponse::Text(200, "later"));
    };
    if (request.path == "/worker") return server->RunBlocking(std::move(answer));
    server->RunAfter(std::chrono::milliseconds(1), std::move(answer));
  });
  EXPECT_THAT(Exchange(*server, "GET /worker HTTP/1.0\r\n\r\n"), EndsWith("later"));
  EXPECT_THAT(Exchange(*server, "GET /timer HTTP/1.0\r\n\r\n"), EndsWith("later"));
}

TEST(HttpServer, TellsTheHandlerThatThePeerHasGone) {
  std::promise<std::pair<HttpRequest, Responder>> arrived;
  const auto server = HttpServer::Start(AnyPort(), [&](HttpRequest request, Responder responder) {
                        arrived.set_value({std::move(request), std::move(responder)});
                      }).value();
  auto socket = std::make_unique<RawSocket>(server->port());
  socket->Send("GET / HTTP/1.1\r\n\r\n");
  auto [request, responder] = arrived.get_future().get();
  EXPECT_FALSE(request.stop.stop_requested());
  std::promise<void> gone;
  const std::stop_callback on_gone(request.stop, [&] { gone.set_value(); });
  socket.reset();
  EXPECT_EQ(gone.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
  responder.Send(HttpResponse::Text(200, "to nobody"));
}

TEST(HttpServer, APeerThatSendsMoreHasNotGone) {
  std::promise<std::pair<HttpRequest, Responder>> arrived;
  int requests = 0;
  const auto server = HttpServer::Start(AnyPort(), [&](HttpRequest request, Responder responder) {
                        if (++requests > 1) return responder.Send(HttpResponse::Text(200, "two"));
                        arrived.set_value({std::move(request), std::move(responder)});
                      }).value();
  RawSocket socket(server->port());
  socket.Send("GET / HTTP/1.1\r\n\r\n");
  auto [request, responder] = arrived.get_future().get();
  socket.Send("GET / HTTP/1.0\r\n\r\n");
  responder.Send(HttpResponse::Text(200, "one"));
  EXPECT_THAT(socket.ReadAll(), AllOf(HasSubstr("one"), EndsWith("two")));
  EXPECT_FALSE(request.stop.stop_requested());
}

// The one server thread works on a request, sets a promise and waits: others are served all the
// same.
class SlowHandler {
 public:
  explicit SlowHandler(HttpServer& server) : server_(server) {}

  void operator()(HttpRequest request, Responder responder) {
    std::move_only_function<void()> answer = [this, request = std::move(request),
                                              responder = std::move(responder)]() mutable {
      if (request.path == "/slow") {
        begun.set_value(request.stop);
        go_on.get_future().wait();
      }
      responder.Send(HttpResponse::Text(200, request.path));
    };
    if (server_.RunWatched(answer)) {
      ++watched;
    } else {
      server_.RunBlocking(std::move(answer));
    }
  }

  std::promise<std::stop_token> begun;
  std::promise<void> go_on;
  std::atomic<int> watched{0};

 private:
  HttpServer& server_;
};

// Asks until the server thread itself has answered: the watcher needs a moment to get ready.
void GetUntilWatched(const HttpServer& server, SlowHandler& handler) {
  for (const int before = handler.watched; handler.watched == before;) {
    EXPECT_THAT(Exchange(server, "GET /quick HTTP/1.0\r\n\r\n"), EndsWith("/quick"));
  }
}

TEST(HttpServer, AWatchedRequestThatTakesLongHoldsNobodyUp) {
  auto server = HttpServer::Bind(AnyPort()).value();
  SlowHandler handler(*server);
  server->Serve(std::ref(handler));
  for (int round = 0; round < 3; ++round) {
    GetUntilWatched(*server, handler);
    handler.begun = {};
    handler.go_on = {};
    RawSocket slow(server->port());
    slow.Send("GET /slow HTTP/1.1\r\n\r\nGET /next HTTP/1.0\r\n\r\n");
    handler.begun.get_future().wait();
    for (int i = 0; i < 10; ++i) {
      EXPECT_THAT(Exchange(*server, "GET /other HTTP/1.0\r\n\r\n"), EndsWith("/other"));
    }
    handler.go_on.set_value();
    EXPECT_THAT(slow.ReadAll(), AllOf(HasSubstr("/slow"), EndsWith("/next")));
  }
}

TEST(HttpServer, AWatchedRequestIsToldThatItsPeerHasGone) {
  auto server = HttpServer::Bind(AnyPort()).value();
  SlowHandler handler(*server);
  server->Serve(std::ref(handler));
  GetUntilWatched(*server, handler);
  auto slow = std::make_unique<RawSocket>(server->port());
  slow->Send("GET /slow HTTP/1.1\r\n\r\n");
  const std::stop_token stop = handler.begun.get_future().get();
  std::promise<void> gone;
  const std::stop_callback on_gone(stop, [&] { gone.set_value(); });
  slow.reset();
  EXPECT_EQ(gone.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
  handler.go_on.set_value();
}

TEST(HttpServer, StopWaitsForAWatchedRequest) {
  auto server = HttpServer::Bind(AnyPort()).value();
  SlowHandler handler(*server);
  server->Serve(std::ref(handler));
  GetUntilWatched(*server, handler);
  RawSocket slow(server->port());
  slow.Send("GET /slow HTTP/1.1\r\n\r\n");
  handler.begun.get_future().wait();
  std::thread stopping([&] { server->Stop(std::chrono::seconds(10)); });
  handler.go_on.set_value();
  EXPECT_THAT(slow.ReadAll(), EndsWith("/slow"));
  stopping.join();
  std::move_only_function<void()> late = [] { FAIL(); };
  EXPECT_FALSE(server->RunWatched(late));
}

TEST(HttpServer, StopLetsRequestsInFlightFinish) {
  std::promise<Responder> arrived;
  const auto server = HttpServer::Start(AnyPort(), [&](HttpRequest, Responder responder) {
                        arrived.set_value(std::move(responder));
                      }).value();
  RawSocket socket(server->port());
  socket.Send("GET / HTTP/1.1\r\n\r\n");
  Responder responder = arrived.get_future().get();
  std::thread stopping([&] { server->Stop(std::chrono::seconds(10)); });
  responder.Send(HttpResponse::Text(200, "finished"));
  EXPECT_THAT(socket.ReadAll(), EndsWith("finished"));
  stopping.join();
  server->Stop(std::chrono::seconds(10));
}

TEST(HttpServer, AnswerAfterStopIsHarmless) {
  std::promise<Responder> arrived;
  const auto server = HttpServer::Start(AnyPort(), [&](HttpRequest, Responder responder) {
                        arrived.set_value(std::move(responder));
                      }).value();
  RawSocket socket(server->port());
  socket.Send("GET / HTTP/1.1\r\n\r\n");
  Responder responder = arrived.get_future().get();
  server->Stop(std::chrono::milliseconds(0));
  responder.Send(HttpResponse::Text(200, "late"));
  EXPECT_EQ(socket.ReadAll(), "");
}

TEST(HttpServer, SeveralThreadsServeManyClients) {
  HttpServer::Config config = AnyPort();
  config.threads = 3;
  const auto server = HttpServer::Start(config, Echo).value();
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(Exchange(*server, fmt::format("GET /{} HTTP/1.0\r\n\r\n", i)),
                HasSubstr(fmt::format("/{}?", i)));
  }
}

TEST(HttpServer, SaysWhatIsWrongWithItsAddress) {
  const auto first = HttpServer::Bind(AnyPort()).value();
  const std::string address = fmt::format("127.0.0.1:{}", first->port());
  const auto second = HttpServer::Bind({.listen_address = address});
  EXPECT_THAT(second.error().message, StartsWith("listen " + address + ": Address already in use"));
  EXPECT_EQ(HttpServer::Bind({.listen_address = "nonsense"}).error().code,
            base::Code::kInvalidArgument);
  EXPECT_TRUE(HttpServer::Bind({.listen_address = ":0"}).has_value());
  EXPECT_TRUE(HttpServer::Bind({.listen_address = "localhost:0"}).has_value());
}

TEST(AcceptsGzip, ReadsQualities) {
  EXPECT_TRUE(AcceptsGzip("gzip"));
  EXPECT_TRUE(AcceptsGzip("deflate, gzip;q=0.5"));
  EXPECT_TRUE(AcceptsGzip("*"));
  EXPECT_FALSE(AcceptsGzip("gzip;q=0.0"));
  EXPECT_FALSE(AcceptsGzip("br"));
  EXPECT_FALSE(AcceptsGzip(""));
}

}  // namespace
}  // namespace narthex::net
