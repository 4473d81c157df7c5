#include <fmt/core.h>
#include <gmock/gmock.h>

#include <future>
#include <thread>

#include "base/bytes.h"
#include "compress/compress.h"
#include "net/grpc_client.h"
#include "net/grpc_server.h"
#include "net/testing/raw_socket.h"

namespace narthex::net {
namespace {

using ::testing::HasSubstr;

constexpr char kMethod[] = "/test.Echo/Call";

GrpcServer::Config EchoConfig() { return {.listen_address = "127.0.0.1:0", .methods = {kMethod}}; }

void Echo(GrpcRequest request, GrpcResponder responder) {
  if (request.message == "fail") {
    return responder.Fail({base::Code::kUnavailable, "try later: 50% \n ünlikely"}, "details\0x");
  }
  if (request.message == "drop") return;
  responder.Send(request.message + std::string(request.metadata.Get("x-suffix")));
}

GrpcAnswer Call(HttpClient& client, const GrpcServer& server, std::string message,
                const std::function<void(GrpcCall&)>& change = {}) {
  GrpcCall call;
  call.target = fmt::format("http://127.0.0.1:{}", server.port());
  call.method = kMethod;
  call.message = std::move(message);
  if (change) change(call);
  std::promise<GrpcAnswer> answer;
  CallGrpc(client, std::move(call), [&](GrpcAnswer got) { answer.set_value(std::move(got)); });
  return answer.get_future().get();
}

TEST(Grpc, CallsCarryMessagesBothWays) {
  const auto server = GrpcServer::Start(EchoConfig(), Echo).value();
  HttpClient client;
  EXPECT_EQ(Call(client, *server, "hello").message.value(), "hello");
  EXPECT_EQ(Call(client, *server, "").message.value(), "");
  const std::string large(3 << 20, 'x');
  EXPECT_EQ(Call(client, *server, large).message.value(), large);
  EXPECT_EQ(Call(client, *server, large, [](GrpcCall& call) { call.compression = "gzip"; })
                .message.value(),
            large);
  EXPECT_EQ(Call(client, *server, "a", [](GrpcCall& call) { call.metadata.Add("x-suffix", "-b"); })
                .message.value(),
            "a-b");
}

// Larger than the server's window, so that the client has to wait for it to open again.
TEST(Grpc, LargeCallsDoNotStandStill) {
  const auto server = GrpcServer::Start(EchoConfig(), Echo).value();
  HttpClient client;
  const std::string large(3 << 20, 'x');
  for (int i = 0; i < 20; ++i) {
    const GrpcAnswer answer = Call(client, *server, large);
    ASSERT_TRUE(answer.message.has_value()) << i << ": " << answer.message.error().message;
  }
}

TEST(Grpc, ErrorsKeepCodeMessageAndDetails) {
  const auto server = GrpcServer::Start(EchoConfig(), Echo).value();
  HttpClient client;
  const GrpcAnswer failed = Call(client, *server, "fail");
  ASSERT_FALSE(failed.message.has_value());
  EXPECT_EQ(failed.message.error().code, base::Code::kUnavailable);
  EXPECT_EQ(failed.message.error().message, "try later: 50% \n ünlikely");
  EXPECT_EQ(failed.status_details, "details");
  EXPECT_EQ(Call(client, *server, "drop").message.error().code, base::Code::kInternal);
  const GrpcAnswer unknown =
      Call(client, *server, "x", [](GrpcCall& call) { call.method = "/test.Echo/Other"; });
  EXPECT_EQ(unknown.message.error().code, base::Code::kUnimplemented);
}

TEST(Grpc, MessagesOverTheLimitAreResourceExhausted) {
  GrpcServer::Config config = EchoConfig();
  config.message_bytes_max = 1000;
  const auto server = GrpcServer::Start(config, Echo).value();
  HttpClient client;
  for (const bool gzip : {false, true}) {
    const GrpcAnswer answer = Call(client, *server, std::string(100'000, 'x'),
                                   [&](GrpcCall& call) { call.compression = gzip ? "gzip" : ""; });
    ASSERT_FALSE(answer.message.has_value());
    EXPECT_EQ(answer.message.error().code, base::Code::kResourceExhausted) << gzip;
  }
  EXPECT_EQ(Call(client, *server, "still serving").message.value(), "still serving");
}

TEST(Grpc, ManyCallsAtOnceAllComeBack) {
  const auto server = GrpcServer::Start(EchoConfig(), Echo).value();
  HttpClient client;
  constexpr int kCount = 300;
  std::atomic<int> good{0}, left{kCount};
  std::promise<void> all;
  for (int i = 0; i < kCount; ++i) {
    GrpcCall call;
    call.target = fmt::format("http://127.0.0.1:{}", server->port());
    call.method = kMethod;
    call.message = std::to_string(i);
    CallGrpc(client, std::move(call), [&, i](GrpcAnswer answer) {
      if (answer.message.value_or("") == std::to_string(i)) ++good;
      if (--left == 0) all.set_value();
    });
  }
  all.get_future().wait();
  EXPECT_EQ(good, kCount);
}

// Frames by hand, for peers that no client library would be.
std::string Frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string frame;
  base::PutBigEndian(frame, static_cast<uint32_t>(payload.size() << 8 | type));
  frame += static_cast<char>(flags);
  base::PutBigEndian(frame, stream);
  return frame += payload;
}

std::string Literal(std::string_view name, std::string_view value) {
  std::string field(1, '\0');  // Literal without indexing, no Huffman code.
  field += static_cast<char>(name.size());
  field += name;
  field += static_cast<char>(value.size());
  return field += value;
}

std::string RequestFields() {
  return Literal(":method", "POST") + Literal(":scheme", "http") + Literal(":path", kMethod) +
         Literal(":authority", "x") + Literal("content-type", "application/grpc") +
         Literal("te", "trailers");
}

constexpr uint8_t kData = 0, kHeaders = 1, kPriority = 2, kReset = 3, kSettings = 4, kPing = 6,
                  kGoAway = 7, kWindowUpdate = 8, kContinuation = 9;
constexpr uint8_t kAck = 1;
constexpr uint8_t kEndStream = 1, kEndHeaders = 4;

// "grpc-status" in HPACK's Huffman code, as nghttp2 writes it the first time.
constexpr std::string_view kGrpcStatus = "\x9A\xCA\xC8\xB2\x12\x34\xDA\x8F";

std::string Greeting() { return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(kSettings, 0, 0, ""); }

// What a peer that only ever sends `attack` gets before the connection ends.
std::string SendUntilClosed(RawSocket& socket, const std::function<std::string(uint32_t)>& attack) {
  socket.Send(Greeting());
  for (uint32_t i = 0; i < 100'000 && socket.Send(attack(i)); ++i) {
  }
  return socket.ReadAll();
}

class GrpcAttack : public ::testing::Test {
 protected:
  GrpcAttack() : server_(GrpcServer::Start(EchoConfig(), Echo).value()) {}
  std::unique_ptr<GrpcServer> server_;
  RawSocket socket_{server_->port()};
};

TEST_F(GrpcAttack, RapidResetsEndTheConnection) {
  SendUntilClosed(socket_, [](uint32_t i) {
    const uint32_t stream = 2 * i + 1;
    return Frame(kHeaders, kEndHeaders, stream, RequestFields()) +
           Frame(kReset, 0, stream, std::string_view("\0\0\0\x8", 4));
  });
  EXPECT_TRUE(socket_.closed());
}

TEST_F(GrpcAttack, PingFloodEndsTheConnection) {
  SendUntilClosed(socket_, [](uint32_t) { return Frame(kPing, 0, 0, "12345678"); });
  EXPECT_TRUE(socket_.closed());
}

TEST_F(GrpcAttack, SettingsFloodEndsTheConnection) {
  SendUntilClosed(socket_, [](uint32_t) { return Frame(kSettings, 0, 0, ""); });
  EXPECT_TRUE(socket_.closed());
}

TEST_F(GrpcAttack, EmptyDataFloodEndsTheConnection) {
  SendUntilClosed(socket_, [](uint32_t i) {
    return i == 0 ? Frame(kHeaders, kEndHeaders, 1, RequestFields()) : Frame(kData, 0, 1, "");
  });
  EXPECT_TRUE(socket_.closed());
}

TEST_F(GrpcAttack, ContinuationFloodEndsTheConnection) {
  SendUntilClosed(socket_, [](uint32_t i) {
    return i == 0 ? Frame(kHeaders, 0, 1, RequestFields())
                  : Frame(kContinuation, 0, 1, Literal("x-a", "b"));
  });
  EXPECT_TRUE(socket_.closed());
}

TEST_F(GrpcAttack, PriorityAndWindowFloodsEndTheConnection) {
  for (const uint8_t type : {kPriority, kWindowUpdate}) {
    RawSocket socket(server_->port());
    SendUntilClosed(socket, [&](uint32_t i) {
      if (i == 0) return Frame(kHeaders, kEndHeaders, 1, RequestFields());
      return type == kPriority ? Frame(kPriority, 0, 1, std::string_view("\0\0\0\3\5", 5))
                               : Frame(kWindowUpdate, 0, 1, std::string_view("\0\0\0\1", 4));
    });
    EXPECT_TRUE(socket.closed()) << int{type};
  }
}

// A few bytes that stand for megabytes: one long field in the peer's table, named over and over.
TEST_F(GrpcAttack, HeaderBombsEndTheConnection) {
  std::string field("\x40\x03x-a", 5);  // With indexing.
  field += "\x7f\xbd\x1d";              // 127 + 61 + 29 * 128 = 3900 bytes.
  field.append(3'900, 'a');
  const std::string bomb = RequestFields() + field + std::string(12'000, '\xbe');
  SendUntilClosed(socket_, [&](uint32_t i) {
    return Frame(kHeaders, kEndHeaders | kEndStream, 2 * i + 1, bomb);
  });
  EXPECT_TRUE(socket_.closed());
}

TEST_F(GrpcAttack, EndlessHeaderStringsEndTheConnection) {
  SendUntilClosed(socket_, [](uint32_t i) {
    return i == 0
               ? Frame(kHeaders, 0, 1, RequestFields() + std::string("\0\3x-a\x7f\xff\xff\x7f", 9))
               : Frame(kContinuation, 0, 1, std::string(16'000, 'a'));
  });
  EXPECT_TRUE(socket_.closed());
}

TEST_F(GrpcAttack, ManyStreamsThatNeverEndAreBounded) {
  SendUntilClosed(socket_, [](uint32_t i) {
    return Frame(kHeaders, kEndHeaders, 2 * i + 1, RequestFields()) +
           Frame(kData, 0, 2 * i + 1, std::string_view("\0\0\x10\0\0x", 6));
  });
  EXPECT_TRUE(socket_.closed());
}

// Peers that ask and do not take the answer: by a window of nothing, and by not reading.
TEST(GrpcServer, PeersThatDoNotTakeTheirAnswersAreClosed) {
  GrpcServer::Config config = EchoConfig();
  config.stall_timeout = std::chrono::milliseconds(100);
  const auto server = GrpcServer::Start(config, Echo).value();
  RawSocket closed_window(server->port());
  closed_window.Send(Greeting() + Frame(kSettings, 0, 0, std::string_view("\0\4\0\0\0\0", 6)) +
                     Frame(kHeaders, kEndHeaders, 1, RequestFields()) +
                     Frame(kData, kEndStream, 1, GrpcFrame("hello")));
  closed_window.ReadAll();
  EXPECT_TRUE(closed_window.closed());

  RawSocket slow(server->port());
  // A window of 2 GiB, so that only the reader is slow.
  slow.Send(Greeting() + Frame(kSettings, 0, 0, std::string_view("\0\4\x7f\xff\xff\xff", 6)) +
            Frame(kWindowUpdate, 0, 0, std::string_view("\x7f\0\0\0", 4)));
  bool is_open = true;
  for (uint32_t i = 0; i < 1'000 && is_open; ++i) {
    const std::string message = GrpcFrame(std::string(250'000, 'x'));
    is_open = slow.Send(Frame(kHeaders, kEndHeaders, 2 * i + 1, RequestFields()));
    for (size_t at = 0; at < message.size() && is_open; at += 16'000) {
      const std::string part = message.substr(at, 16'000);
      const bool is_last = at + part.size() == message.size();
      is_open = slow.Send(Frame(kData, is_last ? kEndStream : 0, 2 * i + 1, part));
    }
  }
  EXPECT_FALSE(is_open);
}

TEST(GrpcServer, AsksSilentPeersWhetherTheyAreThere) {
  GrpcServer::Config config = EchoConfig();
  config.ping_interval = config.ping_timeout = std::chrono::milliseconds(100);
  const auto server = GrpcServer::Start(config, Echo).value();
  RawSocket socket(server->port());
  socket.Send(Greeting());
  const std::string question = Frame(kPing, 0, 0, std::string(8, '\0'));
  EXPECT_THAT(socket.ReadUntil(question), HasSubstr(question));
  socket.Send(Frame(kPing, kAck, 0, std::string(8, '\0')));
  EXPECT_THAT(socket.ReadUntil(question), HasSubstr(question));
  socket.ReadAll();  // It says nothing this time.
  EXPECT_TRUE(socket.closed());
}

TEST(GrpcServer, OldConnectionsEndWithWord) {
  GrpcServer::Config config = EchoConfig();
  config.age_max = std::chrono::milliseconds(100);
  const auto server = GrpcServer::Start(config, Echo).value();
  RawSocket socket(server->port());
  socket.Send(Greeting());
  // Its last stream is none, and there is no error.
  const std::string goodbye = Frame(kGoAway, 0, 0, std::string(8, '\0'));
  EXPECT_THAT(socket.ReadAll(), HasSubstr(goodbye));
  EXPECT_TRUE(socket.closed());
}

TEST(GrpcServer, PeersThatAskTooOftenAreSentAwayWhereThatIsTheRule) {
  GrpcServer::Config config = EchoConfig();
  config.ping_interval_min = std::chrono::minutes(5);
  const auto server = GrpcServer::Start(config, Echo).value();
  RawSocket socket(server->port());
  socket.Send(Greeting());
  for (int i = 0; i < 5; ++i) socket.Send(Frame(kPing, 0, 0, "12345678"));
  EXPECT_THAT(socket.ReadAll(), HasSubstr("too_many_pings"));
  EXPECT_TRUE(socket.closed());
}

TEST_F(GrpcAttack, NonsenseEndsTheConnection) {
  socket_.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  socket_.ReadAll();
  EXPECT_TRUE(socket_.closed());
}

TEST_F(GrpcAttack, BrokenMessagesFailTheCall) {
  const std::string internal_status = std::string(kGrpcStatus) +
                                      "\x02"
                                      "13";
  for (const std::string_view body :
       {std::string_view("\0\0\0\0\5abc", 8), std::string_view("\0\0\0\0\1abc", 8),
        std::string_view("\1\0\0\0\1a", 6), std::string_view()}) {
    RawSocket socket(server_->port());
    socket.Send(Greeting() + Frame(kHeaders, kEndHeaders, 1, RequestFields()) +
                Frame(kData, kEndStream, 1, body));
    EXPECT_THAT(socket.ReadUntil(internal_status), HasSubstr(internal_status));
  }
}

TEST(GrpcServer, StopLetsCallsInFlightFinish) {
  std::promise<GrpcResponder> arrived;
  const auto server = GrpcServer::Start(EchoConfig(), [&](GrpcRequest, GrpcResponder responder) {
                        arrived.set_value(std::move(responder));
                      }).value();
  RawSocket socket(server->port());
  socket.Send(Greeting() + Frame(kHeaders, kEndHeaders, 1, RequestFields()) +
              Frame(kData, kEndStream, 1, GrpcFrame("x")));
  GrpcResponder responder = arrived.get_future().get();
  std::thread stopping([&] { server->Stop(std::chrono::seconds(10)); });
  responder.Send("finished");
  const std::string answer = socket.ReadAll();
  stopping.join();
  const size_t message = answer.find(GrpcFrame("finished"));
  ASSERT_NE(message, std::string::npos);
  EXPECT_NE(answer.find(kGrpcStatus, message), std::string::npos);
  EXPECT_TRUE(socket.closed());
}

TEST_F(GrpcAttack, EndlessMessageIsRefusedBeforeItsEnd) {
  socket_.Send(Greeting() + Frame(kHeaders, kEndHeaders, 1, RequestFields()) +
               Frame(kData, 0, 1, std::string_view("\0\x7f\xff\xff\xff", 5)));
  for (int i = 0; i < 100; ++i) socket_.Send(Frame(kData, 0, 1, std::string(16'000, 'x')));
  const std::string reset = Frame(kReset, 0, 1, std::string_view("\0\0\0\0", 4));
  const std::string answer = socket_.ReadUntil(reset);
  EXPECT_THAT(answer, HasSubstr(std::string(kGrpcStatus)));
  EXPECT_THAT(answer, HasSubstr(reset));
}

TEST(GrpcServer, ClosesPeersThatStall) {
  GrpcServer::Config config = EchoConfig();
  config.stall_timeout = config.idle_timeout = std::chrono::milliseconds(50);
  const auto server = GrpcServer::Start(config, Echo).value();
  for (const std::string& bytes :
       {std::string(), Greeting(), Greeting() + Frame(kHeaders, kEndHeaders, 1, RequestFields())}) {
    RawSocket socket(server->port());
    socket.Send(bytes);
    socket.ReadAll();
    EXPECT_TRUE(socket.closed());
  }
}

TEST(GrpcText, SurvivesARoundTrip) {
  std::string all;
  for (int i = 0; i < 256; ++i) {
    all += static_cast<char>(i);
    EXPECT_EQ(DecodeGrpcMessage(EncodeGrpcMessage(all)), all);
    EXPECT_EQ(DecodeBase64(EncodeBase64(all)), all);
  }
  EXPECT_EQ(EncodeBase64("ab"), "YWI=");
  EXPECT_EQ(DecodeBase64("YWI"), "ab");
  EXPECT_EQ(DecodeGrpcMessage("50% %zz %4"), "50% %zz %4");
}

}  // namespace
}  // namespace narthex::net
