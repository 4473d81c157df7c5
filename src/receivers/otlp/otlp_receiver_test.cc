#include "receivers/otlp/otlp_receiver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <vector>

#include "compress/compress.h"
#include "net/grpc_client.h"
#include "net/http_client.h"
#include "net/testing/certificates.h"
#include "otlp/writer.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::receivers {
namespace {

using base::Code;
using otlp::Encoding;
using pipeline::GaugeRequest;
using testing::HasSubstr;

constexpr std::string_view kJsonRequest =
    R"({"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"g","gauge":{"dataPoints":[)"
    R"({"asInt":"1","timeUnixNano":"1"},{"asInt":2,"timeUnixNano":"1"}]}}]}]}]})";
constexpr const char* kProtobuf = "application/x-protobuf";
constexpr const char* kJson = "application/json";
constexpr const char* kExport = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

class OtlpReceiverTest : public testing::Test {
 protected:
  OtlpReceiverTest()
      : receiver_({.grpc = OtlpReceiver::GrpcConfig{.server = {.endpoint = "127.0.0.1:0"}},
                   .http = OtlpReceiver::HttpConfig{.server = {.endpoint = "127.0.0.1:0",
                                                               .max_request_body_size = 100'000}}},
                  "otlp", host_.host(), next_) {
    EXPECT_TRUE(receiver_.Start().has_value());
  }
  net::HttpClientResponse Send(std::string method, std::string path, std::string type,
                               std::string body, std::string encoding = "") {
    net::HttpClientRequest request{
        .method = std::move(method),
        .url = "http://127.0.0.1:" + std::to_string(receiver_.http_port()) + path,
        .body = std::move(body)};
    request.headers.Set("Content-Type", type);
    if (!encoding.empty()) request.headers.Set("Content-Encoding", encoding);
    auto response = client_.FetchAndWait(std::move(request));
    EXPECT_TRUE(response.has_value()) << response.error().message;
    return response.has_value() ? *response : net::HttpClientResponse();
  }
  net::HttpClientResponse Post(std::string type, std::string body, std::string encoding = "") {
    return Send("POST", "/v1/metrics", std::move(type), std::move(body), std::move(encoding));
  }
  net::GrpcAnswer Call(std::string message, bool gzip = false) {
    std::promise<net::GrpcAnswer> answer;
    net::CallGrpc(client_,
                  {.target = "http://127.0.0.1:" + std::to_string(receiver_.grpc_port()),
                   .method = kExport,
                   .message = std::move(message),
                   .compression = gzip ? "gzip" : ""},
                  [&](net::GrpcAnswer given) { answer.set_value(std::move(given)); });
    return answer.get_future().get();
  }

  pipeline::TestHost host_;
  pipeline::FakeConsumer next_;
  net::HttpClient client_;
  OtlpReceiver receiver_;
};

TEST_F(OtlpReceiverTest, TakesProtobufAndJsonInEveryCompression) {
  const std::string protobuf = GaugeRequest(2);
  size_t points = 0;
  const std::string json(kJsonRequest);
  for (const char* name :
       {"", "gzip", "zstd", "snappy", "zlib", "deflate", "lz4", "x-snappy-framed"}) {
    for (const bool is_json : {false, true}) {
      SCOPED_TRACE(name);
      const auto response = Post(is_json ? kJson : kProtobuf,
                                 compress::Encode(name, is_json ? json : protobuf), name);
      EXPECT_EQ(response.status, 200);
      EXPECT_EQ(response.headers.Get("Content-Type"), is_json ? kJson : kProtobuf);
      EXPECT_EQ(response.body, is_json ? "{}" : "");
      points += 2;
      EXPECT_EQ(next_.point_count(), points);
    }
  }
  EXPECT_EQ(host_.Count("otelcol_receiver_accepted_metric_points", "http"),
            static_cast<int64_t>(points));
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(OtlpReceiverTest, ToleratesMediaTypeParameters) {
  EXPECT_EQ(Post("application/json; charset=utf-8", std::string(kJsonRequest)).status, 200);
}

TEST_F(OtlpReceiverTest, RefusesOtherMethodsTypesAndPaths) {
  const auto get = Send("GET", "/v1/metrics", kJson, "");
  EXPECT_EQ(get.status, 405);
  EXPECT_EQ(get.body, "405 method not allowed, supported: [POST]");
  EXPECT_THAT(std::string(get.headers.Get("Content-Type")), HasSubstr("text/plain"));
  const auto type = Post("text/html", "");
  EXPECT_EQ(type.status, 415);
  EXPECT_EQ(type.body,
            "415 unsupported media type, supported: [application/json, application/x-protobuf]");
  EXPECT_EQ(Send("POST", "/v1/traces", kJson, "{}").status, 404);
}

TEST_F(OtlpReceiverTest, BadDataIsExplainedInTheRequestsEncoding) {
  const auto json = Post(kJson, "{");
  EXPECT_EQ(json.status, 400);
  EXPECT_EQ(json.headers.Get("Content-Type"), kJson);
  EXPECT_THAT(json.body, HasSubstr(R"({"code":3,"message":"invalid JSON)"));
  const auto protobuf = Post(kProtobuf, "\x0a\x05");
  EXPECT_EQ(protobuf.status, 400);
  EXPECT_EQ(otlp::DecodeStatusMessage(protobuf.body, Encoding::kProtobuf),
            "protobuf: offset 0: damaged or truncated field");
  EXPECT_EQ(Post(kJson, "{}", "br").status, 400);
  EXPECT_EQ(Post(kJson, "not gzip", "gzip").status, 400);
}

TEST_F(OtlpReceiverTest, LimitsTheBodyBeforeAndAfterDecompression) {
  EXPECT_EQ(Post(kJson, std::string(200'000, ' ')).status, 413);
  for (const char* name : {"gzip", "zstd", "snappy", "deflate", "lz4", "x-snappy-framed"}) {
    EXPECT_EQ(Post(kJson, compress::Encode(name, std::string(200'000, ' ')), name).status, 413)
        << name;
  }
}

TEST_F(OtlpReceiverTest, EmptyRequestsSucceedWithoutEnteringThePipeline) {
  next_.FailWith(base::Error{Code::kInternal, "not to be asked"});
  EXPECT_EQ(Post(kJson, "{}").status, 200);
  EXPECT_EQ(Post(kProtobuf, "").status, 200);
  EXPECT_TRUE(Call("").message.has_value());
}

TEST_F(OtlpReceiverTest, RetryableRefusalsSayWhenToComeAgain) {
  next_.FailWith(base::Error{Code::kResourceExhausted, "full"});
  const auto response = Post(kProtobuf, GaugeRequest(2));
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.headers.Get("Retry-After"), "1");
  EXPECT_EQ(otlp::DecodeStatusMessage(response.body, Encoding::kProtobuf), "full");
  const net::GrpcAnswer answer = Call(GaugeRequest(2));
  ASSERT_FALSE(answer.message.has_value());
  EXPECT_EQ(answer.message.error().code, Code::kUnavailable);
  EXPECT_THAT(answer.status_details, HasSubstr("google.rpc.RetryInfo"));
  EXPECT_EQ(host_.Count("otelcol_receiver_refused_metric_points"), 4);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(OtlpReceiverTest, ADelayThatAServerFurtherOnAsksForIsPassedOn) {
  next_.FailWith(base::Error{Code::kUnavailable, "busy"}, std::chrono::milliseconds(6'500));
  const auto response = Post(kProtobuf, GaugeRequest(2));
  EXPECT_EQ(response.headers.Get("Retry-After"), "7");
  EXPECT_EQ(otlp::DecodeRetryDelay(response.body), std::chrono::milliseconds(6'500));
  EXPECT_EQ(otlp::DecodeRetryDelay(Call(GaugeRequest(2)).status_details),
            std::chrono::milliseconds(6'500));
  // What is final is not to be tried again, whatever was asked for.
  next_.FailWith(base::Error{Code::kInternal, "no"}, std::chrono::seconds(9));
  EXPECT_EQ(Post(kProtobuf, GaugeRequest(2)).headers.Get("Retry-After"), "");
  EXPECT_EQ(otlp::DecodeRetryDelay(Call(GaugeRequest(2)).status_details), std::nullopt);
}

// What the sender is told when something behind the receiver says no.
struct Refusal {
  Code code;
  int http_status;
  Code outward;  // In the body over HTTP, and over gRPC.
};
constexpr Refusal kRefusals[] = {
    {Code::kCancelled, 503, Code::kUnavailable},
    {Code::kUnknown, 500, Code::kInternal},
    {Code::kInvalidArgument, 400, Code::kInvalidArgument},
    {Code::kDeadlineExceeded, 503, Code::kUnavailable},
    {Code::kNotFound, 500, Code::kInternal},
    {Code::kAlreadyExists, 500, Code::kInternal},
    {Code::kPermissionDenied, 403, Code::kPermissionDenied},
    {Code::kResourceExhausted, 503, Code::kUnavailable},
    {Code::kFailedPrecondition, 500, Code::kInternal},
    {Code::kAborted, 503, Code::kUnavailable},
    {Code::kOutOfRange, 503, Code::kUnavailable},
    {Code::kUnimplemented, 404, Code::kUnimplemented},
    {Code::kInternal, 500, Code::kInternal},
    {Code::kUnavailable, 503, Code::kUnavailable},
    {Code::kDataLoss, 503, Code::kUnavailable},
    {Code::kUnauthenticated, 401, Code::kUnauthenticated},
};
static_assert(std::size(kRefusals) == static_cast<size_t>(Code::kUnauthenticated));

void ExpectRefusal(const Refusal& want, const net::HttpClientResponse& response) {
  EXPECT_EQ(response.status, want.http_status);
  EXPECT_EQ(response.headers.Get("Retry-After"), want.http_status == 503 ? "1" : "");
  EXPECT_EQ(response.body,
            fmt::format(R"({{"code":{},"message":"no"}})", static_cast<int>(want.outward)));
}

void ExpectRefusal(const Refusal& want, const net::GrpcAnswer& answer) {
  ASSERT_FALSE(answer.message.has_value());
  EXPECT_EQ(answer.message.error().code, want.outward);
  EXPECT_EQ(otlp::DecodeRetryDelay(answer.status_details).has_value(), want.http_status == 503);
}

TEST_F(OtlpReceiverTest, EveryRefusalHasItsAnswer) {
  int64_t refused = 0, failed = 0;
  for (const Refusal& refusal : kRefusals) {
    SCOPED_TRACE(base::CodeName(refusal.code));
    next_.FailWith(base::Error{refusal.code, "no"});
    ExpectRefusal(refusal, Post(kJson, std::string(kJsonRequest)));
    ExpectRefusal(refusal, Call(GaugeRequest(1)));
    (refusal.http_status == 503 ? refused : failed) += 3;
    EXPECT_EQ(host_.Count("otelcol_receiver_refused_metric_points"), refused);
    EXPECT_EQ(host_.Count("otelcol_receiver_failed_metric_points"), failed);
  }
}

TEST_F(OtlpReceiverTest, TakesGrpc) {
  EXPECT_EQ(Call(GaugeRequest(3)).message.value(), "");
  EXPECT_EQ(next_.point_count(), 3u);
  EXPECT_TRUE(Call(GaugeRequest(2), /*gzip=*/true).message.has_value());
  EXPECT_EQ(Call("\x0a\x05").message.error().code, Code::kInvalidArgument);
  EXPECT_EQ(host_.Count("otelcol_receiver_accepted_metric_points", "grpc"), 5);
}

TEST_F(OtlpReceiverTest, StopsTwice) {
  receiver_.Stop();
  receiver_.Stop();
}

TEST(OtlpReceiverConfig, ReadsProtocols) {
  pipeline::TestHost host;
  pipeline::FakeConsumer next;
  const auto errors = [&](std::string_view yaml) {
    (void)host.Make(&OtlpReceiver::Create, yaml, next);
    return host.errors();
  };
  EXPECT_EQ(errors("protocols:\n  grpc:\n  http:\n    endpoint: 0.0.0.0:4318"), "");
  EXPECT_EQ(errors("protocols: {http: {max_request_body_size: 100, cors: {}}}"), "");
  EXPECT_THAT(errors(""), HasSubstr("must specify at least one protocol when using the OTLP "
                                    "receiver"));
  EXPECT_THAT(errors("protocols:\n  htpp:"), HasSubstr("did you mean"));
  EXPECT_THAT(errors("protocols: {grpc: {tls: {cert_file: x}}}"),
              HasSubstr("both certificate and key"));
}

// A histogram with two counts for two bounds, and a gauge whose metric has no name.
std::string ContradictoryRequest() {
  otlp::Writer writer;
  const auto resource = writer.Begin(1);
  const auto scope = writer.Begin(2);
  const auto metric = writer.Begin(2);
  writer.Bytes(1, "h");
  const auto histogram = writer.Begin(9);
  const auto point = writer.Begin(1);
  writer.Fixed64(3, 1);
  const auto counts = writer.Begin(6);
  writer.PutWord(1);
  writer.PutWord(2);
  writer.End(counts);
  const auto bounds = writer.Begin(7);
  writer.PutWord(std::bit_cast<uint64_t>(1.0));
  writer.PutWord(std::bit_cast<uint64_t>(2.0));
  writer.End(bounds);
  writer.End(point);
  writer.Varint(2, 2);
  writer.End(histogram);
  writer.End(metric);
  const auto nameless = writer.Begin(2);
  const auto gauge = writer.Begin(5);
  const auto number = writer.Begin(1);
  writer.Fixed64(3, 1);
  writer.Fixed64(6, 1);
  writer.End(number);
  writer.End(gauge);
  writer.End(nameless);
  writer.End(scope);
  writer.End(resource);
  return writer.Take();
}

TEST_F(OtlpReceiverTest, ContradictionsAreRefusedOneByOne) {
  const auto response = Post(kProtobuf, ContradictoryRequest() + GaugeRequest(3));
  EXPECT_EQ(response.status, 200);
  const auto partial = otlp::DecodeExportResponse(response.body, Encoding::kProtobuf).value();
  EXPECT_EQ(partial.rejected_points, 2);
  EXPECT_EQ(partial.message,
            "1 data points of metrics without a name; 1 histograms whose bucket counts do not fit "
            "their bounds");
  EXPECT_EQ(next_.point_count(), 3u);
  const net::GrpcAnswer answer = Call(ContradictoryRequest());
  EXPECT_EQ(
      otlp::DecodeExportResponse(*answer.message, Encoding::kProtobuf).value().rejected_points, 2);
  EXPECT_EQ(host_.Count("narthex_points_lost", "invalid"), 4);
  EXPECT_EQ(host_.Count("otelcol_receiver_failed_metric_points"), 4);
  EXPECT_EQ(host_.Imbalance(), 0);
}

// Answers traces as told, and keeps what came.
class FakePassage final : public pipeline::Passage {
 public:
  bool TakesJson() const override { return takes_json; }
  void Pass(pipeline::PassedRequest request, Done done) override {
    pipeline::PassedAnswer answer{.response = "response"};
    {
      base::MutexLock lock(mutex_);
      if (error_.has_value()) {
        answer = {.status = std::unexpected(*error_), .retry_after = delay_};
      }
      requests_.push_back(std::move(request));
    }
    done(std::move(answer));
  }
  void FailWith(base::Error error, std::chrono::nanoseconds delay = {}) {
    base::MutexLock lock(mutex_);
    error_ = std::move(error);
    delay_ = delay;
  }
  pipeline::PassedRequest last() {
    base::MutexLock lock(mutex_);
    return requests_.at(requests_.size() - 1);
  }
  std::atomic<bool> takes_json = false;

 private:
  base::Mutex mutex_;
  std::optional<base::Error> error_ GUARDED_BY(mutex_);
  std::chrono::nanoseconds delay_ GUARDED_BY(mutex_){0};
  std::vector<pipeline::PassedRequest> requests_ GUARDED_BY(mutex_);
};

TEST(OtlpReceiver, PassesTracesOnAsTheyAre) {
  pipeline::TestHost host;
  pipeline::FakeConsumer next;
  FakePassage passage;
  OtlpReceiver receiver({.grpc = OtlpReceiver::GrpcConfig{.server = {.endpoint = "127.0.0.1:0"}},
                         .http = OtlpReceiver::HttpConfig{.server = {.endpoint = "127.0.0.1:0"}}},
                        "otlp", host.host(), next);
  ASSERT_TRUE(receiver.Connect(pipeline::Signal::kTraces, passage));
  ASSERT_TRUE(receiver.Start().has_value());
  // Of the same shape as metrics: two spans.
  const std::string spans("\x0a\x06\x12\x04\x12\x00\x12\x00", 8);
  net::HttpClient client;
  const auto post = [&](const std::string& path, const std::string& type, std::string body) {
    net::HttpClientRequest request{
        .method = "POST",
        .url = fmt::format("http://127.0.0.1:{}{}", receiver.http_port(), path),
        .body = std::move(body)};
    request.headers.Set("Content-Type", type);
    return client.FetchAndWait(std::move(request)).value();
  };
  const auto call = [&](std::string_view service, std::string message) {
    std::promise<net::GrpcAnswer> promise;
    net::CallGrpc(client,
                  {.target = fmt::format("http://127.0.0.1:{}", receiver.grpc_port()),
                   .method = fmt::format("/opentelemetry.proto.collector.{}/Export", service),
                   .message = std::move(message)},
                  [&](net::GrpcAnswer answer) { promise.set_value(std::move(answer)); });
    return promise.get_future().get();
  };
  const auto response = post("/v1/traces", kProtobuf, spans);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "response");
  EXPECT_EQ(passage.last().bytes, spans);
  EXPECT_EQ(passage.last().items, 2u);
  EXPECT_EQ(call("trace.v1.TraceService", spans).message.value(), "response");
  EXPECT_EQ(host.Count("otelcol_receiver_accepted_spans"), 4);

  EXPECT_EQ(post("/v1/traces", kProtobuf, "\x0a\x05").status, 400);
  EXPECT_EQ(post("/v1/traces", kJson, "{}").status, 415);
  EXPECT_EQ(post("/v1/traces", "text/html", "{}").status, 415);
  passage.takes_json = true;
  const std::string json = R"({"resourceSpans": [{"scopeSpans": [{"spans": [{}, {}]}]}]})";
  const auto passed = post("/v1/traces", kJson, json);
  EXPECT_EQ(passed.status, 200);
  EXPECT_EQ(passed.headers.Get("Content-Type"), kJson);
  EXPECT_EQ(passage.last().bytes, json);
  EXPECT_EQ(passage.last().encoding, otlp::Encoding::kJson);
  EXPECT_EQ(passage.last().items, 2u);
  EXPECT_EQ(post("/v1/traces", kJson, "{").status, 400);
  EXPECT_EQ(post("/v1/logs", kProtobuf, spans).status, 404);
  EXPECT_EQ(call("logs.v1.LogsService", spans).message.error().code, Code::kUnimplemented);
  passage.FailWith({Code::kUnavailable, "away"});
  const auto refused = post("/v1/traces", kProtobuf, spans);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.Get("Retry-After"), "1");
  EXPECT_THAT(call("trace.v1.TraceService", spans).status_details,
              HasSubstr("google.rpc.RetryInfo"));
  EXPECT_EQ(host.Count("otelcol_receiver_refused_spans"), 4);
  passage.FailWith({Code::kUnavailable, "away"}, std::chrono::seconds(30));
  EXPECT_EQ(post("/v1/traces", kProtobuf, spans).headers.Get("Retry-After"), "30");
  EXPECT_EQ(otlp::DecodeRetryDelay(call("trace.v1.TraceService", spans).status_details),
            std::chrono::seconds(30));
  for (const Refusal& refusal : kRefusals) {
    SCOPED_TRACE(base::CodeName(refusal.code));
    passage.FailWith({refusal.code, "no"});
    ExpectRefusal(refusal, post("/v1/traces", kJson, json));
    ExpectRefusal(refusal, call("trace.v1.TraceService", spans));
  }
}

TEST(OtlpReceiver, SpeaksTlsToBrowsersAndOthers) {
  const net::CertificateAuthority ca;
  const net::Identity identity = ca.Issue("collector.test");
  config::TlsServerConfig tls;
  tls.cert.text = identity.cert;
  tls.key.text = identity.key;
  OtlpReceiver::Config config{.grpc = OtlpReceiver::GrpcConfig(),
                              .http = OtlpReceiver::HttpConfig()};
  config.grpc->server.endpoint = config.http->server.endpoint = "127.0.0.1:0";
  config.grpc->server.tls = config.http->server.tls = tls;
  config.http->server.cors.allowed_origins = {"https://shop.test"};
  config.http->server.compression_algorithms = {"", "gzip"};
  pipeline::TestHost host;
  pipeline::FakeConsumer next;
  OtlpReceiver receiver(config, "otlp", host.host(), next);
  ASSERT_TRUE(receiver.Start().has_value());
  net::HttpClient client;
  const auto send = [&](std::string method, std::string compression) {
    net::HttpClientRequest request{
        .method = std::move(method),
        .url = fmt::format("https://127.0.0.1:{}/v1/metrics", receiver.http_port()),
        .body = GaugeRequest(1),
        .tls = net::ClientTls(ca.cert())};
    if (compression == "gzip") request.body = compress::GzipEncode(request.body);
    if (compression == "zstd") request.body = compress::ZstdEncode(request.body);
    request.headers.Set("Origin", "https://shop.test");
    request.headers.Set("Content-Type", kProtobuf);
    if (!compression.empty()) request.headers.Set("Content-Encoding", compression);
    if (request.method == "OPTIONS") request.headers.Set("Access-Control-Request-Method", "POST");
    return client.FetchAndWait(std::move(request)).value();
  };
  EXPECT_EQ(send("POST", "").status, 200);
  EXPECT_EQ(send("POST", "gzip").headers.Get("Access-Control-Allow-Origin"), "https://shop.test");
  EXPECT_EQ(send("POST", "zstd").status, 400);
  EXPECT_EQ(send("OPTIONS", "").status, 204);
  std::promise<net::GrpcAnswer> promise;
  net::CallGrpc(client,
                {.target = fmt::format("https://127.0.0.1:{}", receiver.grpc_port()),
                 .method = kExport,
                 .message = GaugeRequest(1),
                 .tls = net::ClientTls(ca.cert())},
                [&](net::GrpcAnswer answer) { promise.set_value(std::move(answer)); });
  EXPECT_TRUE(promise.get_future().get().message.has_value());
  EXPECT_EQ(next.point_count(), 3u);
}

TEST(OtlpReceiver, KeepsTheContract) {
  pipeline::FakeConsumer next;
  pipeline::ExpectStartStopContract(
      &OtlpReceiver::Create,
      "protocols: {http: {endpoint: '127.0.0.1:0'}, grpc: {endpoint: '127.0.0.1:0'}}", next);
}

// Lets in who says the word.
class FakeAuth final : public pipeline::AuthExtension {
 public:
  base::Status Start() override { return {}; }
  void Stop() override {}
  base::Result<Identity> Authenticate(const HeaderOf& header_of) const override {
    if (header_of("X-Word") == "please") return Identity{{"manners", "good"}};
    return base::Fail(base::Code::kUnauthenticated, "the word is missing");
  }
  base::Status SetHeaders(pipeline::HeaderList& headers, const otlp::ClientInfo*) const override {
    headers.Set("X-Word", "please");
    return {};
  }
};

TEST(OtlpReceiver, LetsInWhoAuthenticates) {
  pipeline::TestHost host;
  pipeline::FakeConsumer next;
  const FakeAuth auth;
  OtlpReceiver receiver(
      {.grpc = OtlpReceiver::GrpcConfig{.server = {.endpoint = "127.0.0.1:0"}, .auth = &auth},
       .http = OtlpReceiver::HttpConfig{.server = {.endpoint = "127.0.0.1:0"}, .auth = &auth}},
      "otlp", host.host(), next);
  ASSERT_TRUE(receiver.Start().has_value());
  net::HttpClient client;
  for (const bool says_it : {false, true}) {
    net::HttpClientRequest request{
        .method = "POST",
        .url = fmt::format("http://127.0.0.1:{}/v1/metrics", receiver.http_port()),
        .body = pipeline::GaugeRequest(1)};
    request.headers.Set("Content-Type", "application/x-protobuf");
    if (says_it) request.headers.Set("X-Word", "please");
    EXPECT_EQ(client.FetchAndWait(std::move(request))->status, says_it ? 200 : 401);
    net::GrpcCall call{.target = fmt::format("http://127.0.0.1:{}", receiver.grpc_port()),
                       .method = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
                       .message = pipeline::GaugeRequest(1)};
    if (says_it) call.metadata.Set("X-Word", "please");
    std::promise<net::GrpcAnswer> promise;
    net::CallGrpc(client, std::move(call),
                  [&](net::GrpcAnswer answer) { promise.set_value(std::move(answer)); });
    const net::GrpcAnswer answer = promise.get_future().get();
    EXPECT_EQ(answer.message.has_value(), says_it);
    if (!says_it) {
      EXPECT_EQ(answer.message.error().code, base::Code::kUnauthenticated);
    }
  }
  EXPECT_EQ(next.point_count(), 2u);
  const otlp::Batch batch = next.Take();
  EXPECT_EQ(*batch.client->Auth("manners"), "good");
  EXPECT_THAT(batch.client->Metadata("X-Word"), testing::IsEmpty()) << "nobody asked for headers";
}

// What a request brings along goes with its data where that is asked for.
TEST(OtlpReceiver, MetadataGoesWithTheData) {
  pipeline::TestHost host;
  pipeline::FakeConsumer next;
  const auto made = host.Make(&OtlpReceiver::Create,
                              "protocols:\n"
                              "  grpc: {endpoint: '127.0.0.1:0', include_metadata: true}\n"
                              "  http: {endpoint: '127.0.0.1:0', include_metadata: true}",
                              next);
  ASSERT_TRUE(made->Start().has_value());
  const auto& receiver = static_cast<const OtlpReceiver&>(*made);
  net::HttpClient client;
  net::HttpClientRequest request{
      .method = "POST",
      .url = fmt::format("http://127.0.0.1:{}/v1/metrics", receiver.http_port()),
      .body = pipeline::GaugeRequest(1)};
  request.headers.Set("Content-Type", "application/x-protobuf");
  request.headers.Set("X-Tenant", "shop");
  EXPECT_EQ(client.FetchAndWait(std::move(request))->status, 200);
  otlp::Batch batch = next.Take();
  EXPECT_EQ(batch.client->address, "127.0.0.1");
  EXPECT_THAT(batch.client->Metadata("x-tenant"), testing::ElementsAre("shop"));

  net::GrpcCall call{.target = fmt::format("http://127.0.0.1:{}", receiver.grpc_port()),
                     .method = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
                     .message = pipeline::GaugeRequest(1)};
  call.metadata.Set("x-tenant", "bank");
  std::promise<net::GrpcAnswer> promise;
  net::CallGrpc(client, std::move(call),
                [&](net::GrpcAnswer answer) { promise.set_value(std::move(answer)); });
  EXPECT_TRUE(promise.get_future().get().message.has_value());
  batch = next.Take();
  EXPECT_EQ(batch.client->address, "127.0.0.1");
  EXPECT_THAT(batch.client->Metadata("x-tenant"), testing::ElementsAre("bank"));
}

}  // namespace
}  // namespace narthex::receivers
