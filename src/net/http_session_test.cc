#include "net/http_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "base/mutex.h"
#include "base/testing/manual_clock.h"
#include "base/testing/memory_file_system.h"
#include "net/http_server.h"

namespace narthex::net {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A server that keeps what it was asked.
class Peer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;
  explicit Peer(Handler handler)
      : server_(*HttpServer::Start({.listen_address = "127.0.0.1:0"},
                                   [this, handler](HttpRequest request, Responder responder) {
                                     {
                                       base::MutexLock lock(mutex_);
                                       requests_.push_back(request);
                                     }
                                     responder.Send(handler(request));
                                   })) {}
  Peer() : Peer([](const HttpRequest&) { return HttpResponse::Text(200, "here"); }) {}
  ~Peer() { server_->Stop(std::chrono::milliseconds(100)); }

  std::string Url(const std::string& path, const std::string& host = "127.0.0.1") const {
    return "http://" + host + ":" + std::to_string(server_->port()) + path;
  }
  std::vector<HttpRequest> requests() {
    base::MutexLock lock(mutex_);
    return requests_;
  }

 private:
  base::Mutex mutex_;
  std::vector<HttpRequest> requests_ GUARDED_BY(mutex_);
  std::unique_ptr<HttpServer> server_;
};

HttpResponse RedirectTo(const std::string& url) {
  HttpResponse response{.status = 302};
  response.headers.Set("Location", url);
  return response;
}

class HttpSessionTest : public testing::Test {
 protected:
  void Open(std::string_view block) {
    const config::Node node = *config::ParseYaml(block, "p.yml");
    config::Diagnostics diagnostics("p.yml");
    config::MapReader reader(node, diagnostics);
    config::HttpClientConfig config;
    config::ReadHttpClient(reader, diagnostics, config);
    ASSERT_TRUE(diagnostics.ok()) << diagnostics.findings()[0];
    session_ = *HttpSession::Create(config, {files_, clock_}, base::NullLogger(), client_);
  }
  base::Result<HttpClientResponse> Get(const std::string& url) {
    std::promise<base::Result<HttpClientResponse>> promise;
    session_->Fetch({.url = url}, [&](base::Result<HttpClientResponse> response) {
      promise.set_value(std::move(response));
    });
    return promise.get_future().get();
  }
  void Write(const std::string& path, const std::string& text) {
    ASSERT_TRUE(base::WriteFileAtomically(files_, path, text));
  }

  base::MemoryFileSystem files_;
  base::ManualClock clock_;
  HttpClient client_;
  std::shared_ptr<HttpSession> session_;
};

TEST_F(HttpSessionTest, FilesAreReadAtEveryRequest) {
  Peer peer;
  Write("/user", "me\n");
  Write("/password", " one \n");
  Write("/header", "from file");
  Open(
      "{basic_auth: {username_file: /user, password_file: /password}, "
      "http_headers: {X-A: {values: [v], secrets: [s], files: [/header]}}}");
  ASSERT_TRUE(Get(peer.Url("/")));
  Write("/password", "two");
  ASSERT_TRUE(Get(peer.Url("/")));
  const auto requests = peer.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].headers.Get("Authorization"), BasicAuthorization("me", "one"));
  EXPECT_EQ(requests[1].headers.Get("Authorization"), BasicAuthorization("me", "two"));
  std::vector<std::string> values;
  for (const auto& [name, value] : requests[0].headers.fields()) {
    if (name == "X-A" || name == "x-a") values.push_back(value);
  }
  EXPECT_THAT(values, ElementsAre("v", "s", "from file"));
}

TEST_F(HttpSessionTest, AMissingOrBrokenFileIsAnErrorAndSendsNothing) {
  Peer peer;
  Open("{authorization: {credentials_file: /absent}}");
  EXPECT_THAT(Get(peer.Url("/")).error().message, HasSubstr("/absent"));
  Write("/absent", "a\r\nX-Injected: b");
  EXPECT_THAT(Get(peer.Url("/")).error().message, HasSubstr("control characters"));
  EXPECT_THAT(peer.requests(), IsEmpty());
}

TEST_F(HttpSessionTest, CredentialsStayWithTheHost) {
  Peer other;
  Peer first([&](const HttpRequest& request) {
    if (request.path == "/near") return RedirectTo("/there");
    if (request.path == "/far") return RedirectTo(other.Url("/x"));
    return HttpResponse::Text(200, "here");
  });
  Open("{bearer_token: t, http_headers: {X-Key: {secrets: [k]}}}");
  EXPECT_EQ(Get(first.Url("/near"))->body, "here");
  EXPECT_EQ(first.requests().back().headers.Get("Authorization"), "Bearer t");
  EXPECT_EQ(first.requests().back().headers.Get("X-Key"), "k");
  EXPECT_EQ(Get(first.Url("/far"))->status, 200);
  ASSERT_EQ(other.requests().size(), 1u);
  EXPECT_FALSE(other.requests()[0].headers.Has("Authorization"));
  EXPECT_FALSE(other.requests()[0].headers.Has("X-Key"));
}

TEST_F(HttpSessionTest, RedirectsEndSomewhereOrAreNotFollowed) {
  Peer peer([](const HttpRequest&) { return RedirectTo("/again"); });
  Open("{}");
  EXPECT_THAT(Get(peer.Url("/")).error().message, HasSubstr("more than 10 redirects"));
  EXPECT_EQ(peer.requests().size(), 11u);
  Open("{follow_redirects: false}");
  EXPECT_EQ(Get(peer.Url("/"))->status, 302);
}

TEST(SameParty, IsTheHostAndItsPort) {
  EXPECT_TRUE(IsSameParty("http://h:1/a", "http://H:1/b"));
  EXPECT_TRUE(IsSameParty("http://h/a", "https://h/a"));
  EXPECT_TRUE(IsSameParty("https://[::1]/a", "https://[::1]:443/"));
  EXPECT_FALSE(IsSameParty("https://h/a", "http://h/a"));
  EXPECT_FALSE(IsSameParty("http://h:1/", "http://h:2/"));
  EXPECT_FALSE(IsSameParty("http://h/", "http://h@evil/"));
  EXPECT_FALSE(IsSameParty("http://h/", "http://h.evil/"));
}

// A server of tokens: each is good for a minute, and has the number of its request.
class OAuthTest : public HttpSessionTest {
 protected:
  void OpenWith(const std::string& more = "client_secret: s") {
    Open("{oauth2: {client_id: \"i d\", token_url: \"" + tokens_.Url("/token") +
         "\", scopes: [a, b], endpoint_params: {x: y}, " + more + "}}");
  }
  HttpResponse Answer(const HttpRequest& request) {
    if (refuses_header_ && request.headers.Has("Authorization")) {
      return HttpResponse::Text(401, "not like this");
    }
    if (refuses_all_) return HttpResponse::Text(400, "no");
    return HttpResponse::Json(200, "{\"access_token\":\"t" + std::to_string(++count_) +
                                       "\",\"token_type\":\"bearer\",\"expires_in\":60}");
  }

  std::atomic<bool> refuses_header_ = false, refuses_all_ = false;
  std::atomic<int> count_ = 0;
  Peer tokens_{[this](const HttpRequest& request) { return Answer(request); }};
  Peer peer_;
};

TEST_F(OAuthTest, ATokenServesUntilShortlyBeforeItExpires) {
  OpenWith();
  ASSERT_TRUE(Get(peer_.Url("/")));
  clock_.AdvanceMs(49'000);
  ASSERT_TRUE(Get(peer_.Url("/")));
  clock_.AdvanceMs(2'000);
  ASSERT_TRUE(Get(peer_.Url("/")));
  std::vector<std::string> sent;
  for (const HttpRequest& request : peer_.requests()) {
    sent.emplace_back(request.headers.Get("Authorization"));
  }
  EXPECT_THAT(sent, ElementsAre("Bearer t1", "Bearer t1", "Bearer t2"));
  const HttpRequest asked = tokens_.requests().at(0);
  EXPECT_EQ(asked.method, "POST");
  EXPECT_EQ(asked.headers.Get("Authorization"), BasicAuthorization("i%20d", "s"));
  EXPECT_EQ(asked.body, "grant_type=client_credentials&scope=a%20b&x=y");
}

TEST_F(OAuthTest, AChangedSecretGetsANewToken) {
  Write("/secret", "one");
  OpenWith("client_secret_file: /secret");
  ASSERT_TRUE(Get(peer_.Url("/")));
  Write("/secret", "two");
  ASSERT_TRUE(Get(peer_.Url("/")));
  EXPECT_EQ(peer_.requests().at(1).headers.Get("Authorization"), "Bearer t2");
  EXPECT_EQ(tokens_.requests().at(1).headers.Get("Authorization"),
            BasicAuthorization("i%20d", "two"));
}

TEST_F(OAuthTest, AServerThatWantsTheSecretInTheBodyGetsItThere) {
  refuses_header_ = true;
  OpenWith();
  ASSERT_TRUE(Get(peer_.Url("/")));
  EXPECT_EQ(peer_.requests().at(0).headers.Get("Authorization"), "Bearer t1");
  EXPECT_THAT(tokens_.requests().at(1).body, HasSubstr("client_id=i%20d&client_secret=s"));
  clock_.AdvanceMs(60'000);
  ASSERT_TRUE(Get(peer_.Url("/")));
  EXPECT_EQ(tokens_.requests().size(), 3u) << "what works is remembered";
}

TEST_F(OAuthTest, WithoutATokenNothingIsSent) {
  refuses_all_ = true;
  OpenWith();
  EXPECT_EQ(Get(peer_.Url("/")).error().code, base::Code::kUnauthenticated);
  EXPECT_THAT(peer_.requests(), IsEmpty());
  refuses_all_ = false;
  EXPECT_TRUE(Get(peer_.Url("/")));
}

TEST(Proxy, IsChosenByHostAndEnvironment) {
  const auto environment = [](const char* name) -> std::string {
    if (name == std::string_view("HTTP_PROXY")) return "http://up:1";
    if (name == std::string_view("https_proxy")) return "http://low:2";
    if (name == std::string_view("NO_PROXY")) return ".internal, 10.0.0.0/8,b.example:81";
    return "";
  };
  const config::ProxyConfig fixed{.url = "http://p:3"};
  EXPECT_EQ(ProxyFor(fixed, "http://localhost:9/", environment), "http://p:3");
  const config::ProxyConfig with_exceptions{.url = "http://p:3", .no_proxy = "a.example"};
  EXPECT_EQ(ProxyFor(with_exceptions, "http://x.a.example/", environment), "");
  EXPECT_EQ(ProxyFor(with_exceptions, "http://xa.example/", environment), "http://p:3");
  EXPECT_EQ(ProxyFor(with_exceptions, "http://127.0.0.1/", environment), "");
  const config::ProxyConfig inherited{.from_environment = true};
  EXPECT_EQ(ProxyFor(inherited, "http://a/", environment), "http://up:1");
  EXPECT_EQ(ProxyFor(inherited, "https://a/", environment), "http://low:2");
  EXPECT_EQ(ProxyFor(inherited, "http://h.internal/", environment), "");
  EXPECT_EQ(ProxyFor(inherited, "http://10.1.2.3/", environment), "");
  EXPECT_EQ(ProxyFor(inherited, "http://11.1.2.3/", environment), "http://up:1");
  EXPECT_EQ(ProxyFor(inherited, "http://b.example:81/", environment), "");
  EXPECT_EQ(ProxyFor(inherited, "http://b.example/", environment), "http://up:1");
  EXPECT_EQ(ProxyFor(inherited, "http://[::1]:9/", environment), "");
}

TEST_F(HttpSessionTest, AProxyGetsTheRequestAndConnectGetsItsHeaders) {
  Peer proxy;
  Open("{proxy_url: \"" + proxy.Url("") +
       "\", proxy_connect_header: {X-Proxy: [p]}, bearer_token: t}");
  ASSERT_TRUE(Get("http://target.test/metrics"));
  ASSERT_EQ(proxy.requests().size(), 1u);
  EXPECT_EQ(proxy.requests()[0].headers.Get("Host"), "target.test");
  EXPECT_FALSE(proxy.requests()[0].headers.Has("X-Proxy"));
  // What is encrypted goes through a tunnel, which this proxy does not make.
  EXPECT_FALSE(Get("https://target.test/metrics"));
  ASSERT_EQ(proxy.requests().size(), 2u);
  EXPECT_EQ(proxy.requests()[1].method, "CONNECT");
  EXPECT_EQ(proxy.requests()[1].headers.Get("X-Proxy"), "p");
  EXPECT_FALSE(proxy.requests()[1].headers.Has("Authorization")) << "the target's secret";
}

}  // namespace
}  // namespace narthex::net
