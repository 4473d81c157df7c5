#include "net/tls.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

#include <future>

#include "base/testing/manual_clock.h"
#include "base/testing/memory_file_system.h"
#include "net/grpc_client.h"
#include "net/grpc_server.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/testing/certificates.h"
#include "net/testing/raw_socket.h"

namespace narthex::net {
namespace {

using config::TlsServerConfig;
using config::TlsVersion;
using ::testing::HasSubstr;

constexpr char kMethod[] = "/test.Echo/Call";

void Echo(HttpRequest request, Responder responder) {
  responder.Send(HttpResponse::Text(200, request.path + "[" + request.body + "]"));
}

std::unique_ptr<HttpServer> Serve(std::shared_ptr<TlsServer> tls) {
  return HttpServer::Start({.listen_address = "127.0.0.1:0", .tls = std::move(tls)}, Echo).value();
}

HttpClientRequest Ask(const HttpServer& server, std::shared_ptr<TlsClient> tls,
                      std::string body = {}) {
  HttpClientRequest request;
  request.method = "POST";
  request.url = fmt::format("https://127.0.0.1:{}/x", server.port());
  request.body = std::move(body);
  request.tls = std::move(tls);
  request.timeout = std::chrono::milliseconds(10'000);
  return request;
}

class TlsTest : public testing::Test {
 protected:
  // "" for success.
  std::string ErrorOf(const HttpServer& server, std::shared_ptr<TlsClient> tls) {
    const auto response = client_.FetchAndWait(Ask(server, std::move(tls)));
    return response.has_value() ? "" : response.error().message;
  }

  const CertificateAuthority ca_;
  HttpClient client_;
};

TEST_F(TlsTest, RequestsOfAllSizesOverOneConnection) {
  const auto server = Serve(ServerTls(ca_.Issue("server.test")));
  const auto tls = ClientTls(ca_.cert());
  for (const size_t size : {0u, 1u, 5'000u, 3'000'000u, 17u}) {
    const std::string body(size, 'x');
    const auto response = client_.FetchAndWait(Ask(*server, tls, body));
    ASSERT_TRUE(response.has_value()) << response.error().message;
    EXPECT_EQ(response->body, "/x[" + body + "]");
  }
}

TEST_F(TlsTest, CallsOfGrpcNegotiateHttp2) {
  const auto server = GrpcServer::Start({.listen_address = "127.0.0.1:0",
                                         .methods = {kMethod},
                                         .tls = ServerTls(ca_.Issue("server.test"))},
                                        [](GrpcRequest request, GrpcResponder responder) {
                                          responder.Send(request.message + "!");
                                        })
                          .value();
  const auto call = [&](std::string message, std::string ca) {
    std::promise<GrpcAnswer> answer;
    CallGrpc(client_,
             {.target = fmt::format("https://127.0.0.1:{}", server->port()),
              .method = kMethod,
              .message = std::move(message),
              .tls = ClientTls(ca)},
             [&](GrpcAnswer got) { answer.set_value(std::move(got)); });
    return answer.get_future().get();
  };
  const std::string large(3 << 20, 'y');
  EXPECT_EQ(call("hello", ca_.cert()).message.value(), "hello!");
  EXPECT_EQ(call(large, ca_.cert()).message.value(), large + "!");
  EXPECT_EQ(call("again", ca_.cert()).message.value(), "again!");
  const CertificateAuthority other("Somebody else");
  EXPECT_EQ(call("x", other.cert()).message.error().code, base::Code::kUnavailable);
}

TEST_F(TlsTest, StrangersAreNotTrusted) {
  const CertificateAuthority other("Somebody else");
  const auto server = Serve(ServerTls(ca_.Issue("server.test")));
  EXPECT_NE(ErrorOf(*server, ClientTls(other.cert())), "");
  EXPECT_NE(ErrorOf(*server, nullptr), "");
  EXPECT_EQ(ErrorOf(*server, ClientTls(other.cert(), {.insecure_skip_verify = true})), "");
  EXPECT_EQ(ErrorOf(*server, ClientTls(ca_.cert(), {.server_name = "server.test"})), "");
  EXPECT_THAT(ErrorOf(*server, ClientTls(ca_.cert(), {.server_name = "other.test"})),
              HasSubstr("other.test"));
}

TEST_F(TlsTest, ClientsShowTheirCertificates) {
  const CertificateAuthority clients("Clients"), other("Others");
  TlsServerConfig config;
  config.client_ca.text = clients.cert();
  config.client_auth = TlsServerConfig::ClientAuth::kRequireAndVerify;
  const auto server = Serve(ServerTls(ca_.Issue("server.test"), config));
  const auto client = [&](const Identity& identity) {
    config::TlsClientConfig mine;
    mine.cert.text = identity.cert;
    mine.key.text = identity.key;
    return ClientTls(ca_.cert(), mine);
  };
  EXPECT_EQ(ErrorOf(*server, client(clients.Issue("me"))), "");
  EXPECT_NE(ErrorOf(*server, client(other.Issue("me"))), "");
  EXPECT_NE(ErrorOf(*server, ClientTls(ca_.cert())), "");
}

TEST_F(TlsTest, VersionsAndCiphersAreThoseAskedFor) {
  TlsServerConfig old;
  old.max_version = TlsVersion::k12;
  old.cipher_suites = {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"};
  const auto server = Serve(ServerTls(ca_.Issue("server.test"), old));
  EXPECT_EQ(ErrorOf(*server, ClientTls(ca_.cert())), "");
  config::TlsClientConfig newest;
  newest.min_version = TlsVersion::k13;
  EXPECT_NE(ErrorOf(*server, ClientTls(ca_.cert(), newest)), "");
  config::TlsClientConfig other;
  other.cipher_suites = {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"};
  EXPECT_NE(ErrorOf(*server, ClientTls(ca_.cert(), other)), "");
}

TEST_F(TlsTest, MistakesNameTheirFile) {
  base::MemoryFileSystem files;
  base::ManualClock clock{0};
  const auto error = [&](auto change) {
    const Identity identity = ca_.Issue("server.test");
    files.SetContent("cert.pem", identity.cert);
    files.SetContent("key.pem", identity.key);
    TlsServerConfig config;
    config.cert.file = "cert.pem";
    config.key.file = "key.pem";
    change(config);
    const auto made = TlsServer::Create(config, {files, clock}, base::NullLogger());
    return made.has_value() ? "" : made.error().message;
  };
  EXPECT_EQ(error([](auto&) {}), "");
  EXPECT_THAT(error([](auto& config) { config.cert.file = "none.pem"; }), HasSubstr("none.pem"));
  EXPECT_THAT(error([&](auto&) { files.SetContent("cert.pem", "x"); }), HasSubstr("cert.pem: no"));
  EXPECT_THAT(error([&](auto&) { files.SetContent("key.pem", "x"); }), HasSubstr("key.pem: no"));
  EXPECT_THAT(error([&](auto&) { files.SetContent("key.pem", ca_.Issue("other").key); }),
              HasSubstr("does not belong to the certificate"));
  EXPECT_THAT(error([](auto& config) { config.cipher_suites = {"TLS_NONE"}; }),
              HasSubstr("invalid TLS cipher suite: \"TLS_NONE\""));
}

TEST_F(TlsTest, CertificatesAreReadAgainAfterAWhile) {
  const CertificateAuthority next("Next authority");
  base::MemoryFileSystem files;
  base::ManualClock clock{1'000};
  const auto put = [&](const Identity& identity) {
    files.SetContent("cert.pem", identity.cert);
    files.SetContent("key.pem", identity.key);
  };
  put(ca_.Issue("server.test"));
  TlsServerConfig config;
  config.cert.file = "cert.pem";
  config.key.file = "key.pem";
  config.reload_interval = std::chrono::seconds(10);
  const auto server = Serve(TlsServer::Create(config, {files, clock}, base::NullLogger()).value());
  // A client of its own each time: a kept connection would have no handshake.
  const auto trusts = [&](const CertificateAuthority& ca) {
    HttpClient client;
    return client.FetchAndWait(Ask(*server, ClientTls(ca.cert()))).has_value();
  };
  EXPECT_TRUE(trusts(ca_));
  put(next.Issue("server.test"));
  EXPECT_TRUE(trusts(ca_));
  clock.AdvanceMs(11'000);
  EXPECT_TRUE(trusts(next));
  files.SetContent("cert.pem", "half writ");
  clock.AdvanceMs(11'000);
  EXPECT_TRUE(trusts(next));
}

TEST_F(TlsTest, OddPeersDoNoHarm) {
  HttpServer::Config config{.listen_address = "127.0.0.1:0",
                            .connections_max = 4,
                            .tls = ServerTls(ca_.Issue("server.test"))};
  const auto server = HttpServer::Start(config, Echo).value();
  RawSocket plain(server->port());
  plain.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(plain.ReadAll(), HasSubstr("Client sent an HTTP request to an HTTPS server"));
  // Those who never greet make room for those who do.
  std::vector<std::unique_ptr<RawSocket>> silent;
  for (int i = 0; i < 8; ++i) silent.push_back(std::make_unique<RawSocket>(server->port()));
  RawSocket garbage(server->port());
  garbage.Send(std::string(1'000, '\x16'));
  garbage.ReadAll();
  EXPECT_EQ(ErrorOf(*server, ClientTls(ca_.cert())), "");
}

// A connection that is asked to end while its peer still sends answers all the same.
TEST_F(TlsTest, RefusalsReachTheirSenders) {
  HttpServer::Config config{.listen_address = "127.0.0.1:0",
                            .body_bytes_max = 1'000,
                            .tls = ServerTls(ca_.Issue("server.test"))};
  const auto server = HttpServer::Start(config, Echo).value();
  const auto response =
      client_.FetchAndWait(Ask(*server, ClientTls(ca_.cert()), std::string(200'000, 'x')));
  ASSERT_TRUE(response.has_value()) << response.error().message;
  EXPECT_EQ(response->status, 413);
}

TEST_F(TlsTest, HandlersLearnThatTheirPeerHasGone) {
  std::promise<void> gone;
  const auto server =
      HttpServer::Start({.listen_address = "127.0.0.1:0", .tls = ServerTls(ca_.Issue("a.test"))},
                        [&](HttpRequest request, Responder responder) {
                          std::thread([&gone, request = std::move(request),
                                       responder = std::move(responder)]() mutable {
                            while (!request.stop.stop_requested()) {
                              std::this_thread::sleep_for(std::chrono::milliseconds(1));
                            }
                            gone.set_value();
                            responder.Send(HttpResponse::Text(200, "late"));
                          }).detach();
                        })
          .value();
  HttpClientRequest request = Ask(*server, ClientTls(ca_.cert()));
  request.timeout = std::chrono::milliseconds(300);
  EXPECT_FALSE(client_.FetchAndWait(std::move(request)).has_value());
  EXPECT_EQ(gone.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

}  // namespace
}  // namespace narthex::net
