#include "processors/resourcedetection/docker_detector.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ascii.h"
#include "json/reader.h"
#include "otlp/edit.h"

namespace narthex::processors {
namespace {

using base::Code;
using base::Fail;

constexpr std::string_view kUsualSocket = "unix:///var/run/docker.sock";
constexpr size_t kAnswerBytesMax = 4 << 20;

}  // namespace

base::Result<net::HttpClientRequest> DockerDetector::Request() const {
  const std::string_view host = daemon_.host.empty() ? kUsualSocket : daemon_.host;
  net::HttpClientRequest request{.method = "GET"};
  if (host.starts_with("unix://")) {
    request.unix_socket = host.substr(7);
    request.url = "http://docker/info";
    return request;
  }
  const bool has_tls = !daemon_.cert_path.empty();
  if (host.starts_with("tcp://")) {
    request.url = fmt::format("{}://{}/info", has_tls ? "https" : "http", host.substr(6));
  } else if (host.starts_with("http://") || host.starts_with("https://")) {
    request.url = fmt::format("{}/info", host);
  } else {
    return Fail(Code::kInvalidArgument, "DOCKER_HOST: \"{}\" is no address of a daemon", host);
  }
  if (has_tls) {
    config::TlsClientConfig tls;
    tls.ca.file = daemon_.cert_path + "/ca.pem";
    tls.cert.file = daemon_.cert_path + "/cert.pem";
    tls.key.file = daemon_.cert_path + "/key.pem";
    tls.insecure_skip_verify = daemon_.tls_verify.empty();
    ASSIGN_OR_RETURN(request.tls, net::TlsClient::Create(std::move(tls), env_, logger_));
  }
  return request;
}

base::Result<Detected> DockerDetector::Detect() const {
  ASSIGN_OR_RETURN(net::HttpClientRequest request, Request());
  request.timeout = config_.timeout;
  request.response_bytes_max = kAnswerBytesMax;
  net::HttpClient client;
  ASSIGN_OR_RETURN(const net::HttpClientResponse response, client.FetchAndWait(std::move(request)));
  if (response.status != 200) {
    return Fail(Code::kUnavailable, "the docker daemon answers {}", response.status);
  }
  ASSIGN_OR_RETURN(const json::Document document, json::Document::Parse(response.body));
  const auto name = document.root().Get("Name").String();
  const auto type = document.root().Get("OSType").String();
  if (!name.has_value() || !type.has_value()) {
    return Fail(Code::kUnavailable, "the docker daemon's answer has no Name and OSType");
  }
  Detected detected;
  const auto add = [&](std::string_view key, std::string_view value) {
    if (std::ranges::find(config_.attributes, key) == config_.attributes.end()) return;
    detected.emplace_back(key, otlp::EncodeValue(value));
  };
  add("host.name", *name);
  add("os.type", base::LowerCase(*type));
  return detected;
}

}  // namespace narthex::processors
