#include "config/server.h"

#include <gmock/gmock.h>

namespace narthex::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Outcome {
  HttpServerConfig http;
  GrpcServerConfig grpc;
  std::vector<std::string_view> without_effect;
  std::string findings;
};

template <class Read>
Outcome Run(Read read, std::string_view yaml) {
  const Node node = ParseYaml(yaml, "c.yaml").value();
  Diagnostics diagnostics("c.yaml");
  MapReader reader(node, diagnostics);
  Outcome outcome;
  read(reader, diagnostics, outcome);
  reader.Finish();
  const base::Status status = diagnostics.ToStatus();
  if (!status.has_value()) outcome.findings = status.error().message;
  return outcome;
}

Outcome Http(std::string_view yaml) {
  return Run(
      [](MapReader& reader, Diagnostics& diagnostics, Outcome& out) {
        out.without_effect = ReadHttpServer(reader, diagnostics, out.http);
      },
      yaml);
}

Outcome Grpc(std::string_view yaml) {
  return Run(
      [](MapReader& reader, Diagnostics& diagnostics, Outcome& out) {
        out.without_effect = ReadGrpcServer(reader, diagnostics, out.grpc);
      },
      yaml);
}

TEST(ServerConfig, ReadsHttp) {
  const Outcome out = Http(
      "endpoint: ':1'\n"
      "tls: {cert_file: c, key_file: k}\n"
      "cors: {allowed_origins: ['https://*.shop'], allowed_headers: ['*'], max_age: 7}\n"
      "response_headers: {X-Frame-Options: DENY}\n"
      "max_request_body_size: 5\n"
      "compression_algorithms: ['', gzip]\n"
      "read_timeout: 1s\nread_header_timeout: 2s\nwrite_timeout: 3s\nidle_timeout: 4s\n"
      "keep_alives_enabled: false\ninclude_metadata: true\n");
  EXPECT_EQ(out.findings, "");
  EXPECT_EQ(out.http.tls->cert.file, "c");
  EXPECT_THAT(out.http.cors.allowed_origins, ElementsAre("https://*.shop"));
  EXPECT_EQ(out.http.cors.max_age_s, 7);
  EXPECT_EQ(out.http.max_request_body_size, 5u);
  EXPECT_EQ(out.http.write_timeout, std::chrono::seconds(3));
  EXPECT_FALSE(out.http.keep_alives);
  EXPECT_TRUE(out.http.include_metadata);
  EXPECT_THAT(out.without_effect, ElementsAre());
}

TEST(ServerConfig, ReadsGrpc) {
  const Outcome out = Grpc(
      "endpoint: ':1'\nmax_recv_msg_size_mib: 8\nmax_concurrent_streams: 3\nkeepalive:\n"
      "  server_parameters: {max_connection_idle: 11s, max_connection_age: 12s,\n"
      "    max_connection_age_grace: 13s, time: 30s, timeout: 5s}\n"
      "  enforcement_policy: {min_time: 10s, permit_without_stream: true}\n");
  EXPECT_EQ(out.findings, "");
  EXPECT_EQ(out.grpc.max_recv_msg_size, 8u << 20);
  EXPECT_EQ(out.grpc.max_concurrent_streams, 3u);
  EXPECT_EQ(out.grpc.max_connection_age, std::chrono::seconds(12));
  EXPECT_EQ(out.grpc.ping_interval, std::chrono::seconds(30));
  EXPECT_EQ(out.grpc.min_ping_interval, std::chrono::seconds(10));
  EXPECT_TRUE(out.grpc.pings_without_streams);
}

TEST(ServerConfig, UnixSockets) {
  for (const char* yaml :
       {"endpoint: /run/otlp.sock\ntransport: unix", "endpoint: unix:///run/otlp.sock",
        "endpoint: unix:/run/otlp.sock", "endpoint: unix:///run/otlp.sock\ntransport: unix"}) {
    EXPECT_EQ(Http(yaml).http.endpoint, "unix:/run/otlp.sock") << yaml;
    EXPECT_EQ(Grpc(yaml).grpc.endpoint, "unix:/run/otlp.sock") << yaml;
    EXPECT_EQ(Http(yaml).findings, "");
  }
}

TEST(ServerConfig, MistakesAreSaid) {
  EXPECT_THAT(Http("cors: {allowed_headers: [a]}").findings,
              HasSubstr("c.yaml:1:25: allowed_headers: have no effect without allowed_origins"));
  EXPECT_THAT(Http("cors: {allowed_origins: ['*.*']}").findings, HasSubstr("more than one *"));
  EXPECT_THAT(Http("response_headers: {'a b': c}").findings, HasSubstr("is not a header"));
  EXPECT_THAT(Http("response_headers: {a: \"b\\r\\nc\"}").findings, HasSubstr("is not a header"));
  EXPECT_THAT(Http("compression_algorithms: [lz77]").findings, HasSubstr("\"lz77\" is not"));
  EXPECT_THAT(Http("read_timeout: -1s").findings, HasSubstr("must not be negative"));
  EXPECT_THAT(Http("transport: unixgram").findings, HasSubstr("only tcp and unix"));
  EXPECT_THAT(Http("endpoint: localhost:1\ntransport: unix").findings, HasSubstr("must be a path"));
  EXPECT_THAT(Grpc("endpoint: 'unix://'").findings, HasSubstr("endpoint: must be a path"));
  EXPECT_THAT(Http("tls: {}").findings, HasSubstr("both certificate and key"));
  EXPECT_THAT(Grpc("max_recv_msg_size_mib: 5000").findings, HasSubstr("must not be over 4096"));
  EXPECT_THAT(Grpc("keepalive: {server_parameters: {tim: 1s}}").findings,
              HasSubstr("did you mean \"time\""));
}

}  // namespace
}  // namespace narthex::config
