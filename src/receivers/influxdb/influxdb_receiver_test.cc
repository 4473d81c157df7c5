#include "receivers/influxdb/influxdb_receiver.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compress/compress.h"
#include "net/http_client.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::receivers {
namespace {

using base::Code;
using testing::HasSubstr;

class InfluxDbReceiverTest : public testing::Test {
 protected:
  InfluxDbReceiverTest() {
    receiver_ = host_.Make(&InfluxDbReceiver::Create,
                           "{endpoint: '127.0.0.1:0', max_request_body_size: 1000}", next_);
    EXPECT_EQ(host_.errors(), "");
    EXPECT_TRUE(receiver_->Start().has_value());
  }
  net::HttpClientResponse Send(std::string method, std::string_view path, std::string body,
                               std::string_view encoding = "") {
    net::HttpClientRequest request{
        .method = std::move(method),
        .url = fmt::format("http://127.0.0.1:{}{}",
                           static_cast<const InfluxDbReceiver&>(*receiver_).port(), path),
        .body = std::move(body)};
    if (!encoding.empty()) request.headers.Set("Content-Encoding", encoding);
    return client_.FetchAndWait(std::move(request)).value();
  }

  pipeline::TestHost host_;
  pipeline::FakeConsumer next_;
  net::HttpClient client_;
  std::unique_ptr<pipeline::Receiver> receiver_;
};

TEST_F(InfluxDbReceiverTest, TakesWhatBothVersionsSend) {
  EXPECT_EQ(Send("POST", "/write?db=x&rp=y&precision=s", "cpu a=1,b=2 17").status, 204);
  otlp::Batch batch = next_.Take();
  EXPECT_EQ(batch.numbers.at(1).time_ns, 17'000'000'000u);
  EXPECT_EQ(batch.client->address, "127.0.0.1");
  EXPECT_EQ(Send("POST", "/api/v2/write?org=x&bucket=y", "cpu a=1 17").status, 204);
  EXPECT_EQ(next_.Take().numbers.at(0).time_ns, 17u);
  EXPECT_EQ(Send("POST", "/write?precision=%C2%B5s", "cpu a=1 17").status, 204);
  EXPECT_EQ(next_.Take().numbers.at(0).time_ns, 17'000u);
  EXPECT_EQ(Send("POST", "/write", compress::GzipEncode("cpu a=1"), "gzip").status, 204);
  EXPECT_EQ(next_.Take().numbers.at(0).time_ns, 1'700'000'000'000'000'000u);
  EXPECT_EQ(Send("POST", "/write", "").status, 204);
  EXPECT_EQ(host_.Count("otelcol_receiver_accepted_metric_points", "http"), 5);
  EXPECT_EQ(host_.Count("narthex_influxdb_lines"), 4);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(InfluxDbReceiverTest, AnswersPings) {
  EXPECT_EQ(Send("GET", "/ping", "").status, 204);
  EXPECT_EQ(Send("HEAD", "/ping", "").status, 204);
  EXPECT_EQ(Send("GET", "/write", "").status, 405);
  EXPECT_EQ(Send("POST", "/query", "").status, 404);
}

TEST_F(InfluxDbReceiverTest, MistakesAreNamed) {
  const auto broken = Send("POST", "/write", "a b=1\na b=x");
  EXPECT_EQ(broken.status, 400);
  EXPECT_EQ(broken.body, "line 2: \"x\" is no value of a field");
  EXPECT_EQ(Send("POST", "/write", "a gauge=1\na counter=1").body,
            "line 2: value type conflict for metric 'a'");
  EXPECT_EQ(Send("POST", "/write?precision=h", "a b=1").body, "unrecognized precision 'h'");
  EXPECT_EQ(Send("POST", "/write", "no gzip", "gzip").status, 400);
  EXPECT_EQ(Send("POST", "/write", compress::GzipEncode(std::string(2'000, '\n')), "gzip").status,
            413);
  EXPECT_EQ(next_.point_count(), 0u);
  EXPECT_EQ(host_.Count("narthex_influxdb_bad_requests"), 5);
}

TEST_F(InfluxDbReceiverTest, SendersLearnWhetherToComeAgain) {
  next_.FailWith(base::Error{Code::kUnavailable, "full"});
  EXPECT_EQ(Send("POST", "/write", "a b=1").status, 500);
  next_.FailWith(base::Error{Code::kInvalidArgument, "never"});
  const auto refused = Send("POST", "/write", "a b=1");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.body, "never");
  EXPECT_EQ(host_.Count("otelcol_receiver_refused_metric_points"), 1);
  EXPECT_EQ(host_.Count("otelcol_receiver_failed_metric_points"), 1);
  EXPECT_EQ(host_.Imbalance(), 0);
}

// Lets in who says the word.
class FakeAuth final : public pipeline::AuthExtension {
 public:
  base::Status Start() override { return {}; }
  void Stop() override {}
  base::Result<Identity> Authenticate(const HeaderOf& header_of) const override {
    if (header_of("Authorization") == "Token please") return Identity{{"manners", "good"}};
    return base::Fail(Code::kUnauthenticated, "the word is missing");
  }
  base::Status SetHeaders(pipeline::HeaderList&, const otlp::ClientInfo*) const override {
    return {};
  }
};

TEST(InfluxDbReceiver, LetsInWhoAuthenticates) {
  pipeline::TestHost host;
  pipeline::FakeConsumer next;
  const FakeAuth auth;
  InfluxDbReceiver receiver(
      {.server = {.endpoint = "127.0.0.1:0", .include_metadata = true}, .auth = &auth}, "influxdb",
      host.host(), next);
  ASSERT_TRUE(receiver.Start().has_value());
  net::HttpClient client;
  for (const bool says_it : {false, true}) {
    net::HttpClientRequest request{.method = "POST",
                                   .url = fmt::format("http://127.0.0.1:{}/write", receiver.port()),
                                   .body = "a b=1"};
    if (says_it) request.headers.Set("Authorization", "Token please");
    EXPECT_EQ(client.FetchAndWait(std::move(request))->status, says_it ? 204 : 401);
  }
  const otlp::Batch batch = next.Take();
  EXPECT_EQ(*batch.client->Auth("manners"), "good");
  EXPECT_THAT(batch.client->Metadata("authorization"), testing::ElementsAre("Token please"));
}

TEST(InfluxDbReceiver, ReadsItsConfiguration) {
  pipeline::TestHost host;
  pipeline::FakeConsumer next;
  const auto errors = [&](std::string_view yaml) {
    (void)host.Make(&InfluxDbReceiver::Create, yaml, next);
    return host.errors();
  };
  EXPECT_EQ(errors("{endpoint: '0.0.0.0:8086', cors: {allowed_origins: ['*']}}"), "");
  EXPECT_THAT(errors("{endpont: a}"), HasSubstr("test.yaml:1:2: unknown key \"endpont\""));
}

TEST(InfluxDbReceiver, KeepsTheContract) {
  pipeline::FakeConsumer next;
  pipeline::ExpectStartStopContract(&InfluxDbReceiver::Create, "endpoint: '127.0.0.1:0'", next);
}

}  // namespace
}  // namespace narthex::receivers
