#include "processors/resourcedetection/docker_detector.h"

#include <algorithm>

#include "base/ascii.h"
#include "json/reader.h"
#include "net/http_client.h"
#include "otlp/edit.h"

namespace narthex::processors {
namespace {

using base::Code;
using base::Fail;

constexpr std::string_view kUsualSocket = "unix:///var/run/docker.sock";
constexpr size_t kAnswerBytesMax = 4 << 20;

base::Result<net::HttpClientRequest> RequestTo(std::string_view daemon) {
  if (daemon.empty()) daemon = kUsualSocket;
  net::HttpClientRequest request{.method = "GET"};
  if (daemon.starts_with("unix://")) {
    request.unix_socket = daemon.substr(7);
    request.url = "http://docker/info";
  } else if (daemon.starts_with("tcp://")) {
    request.url = "http://" + std::string(daemon.substr(6)) + "/info";
  } else if (daemon.starts_with("http://") || daemon.starts_with("https://")) {
    request.url = std::string(daemon) + "/info";
  } else {
    return Fail(Code::kInvalidArgument, "DOCKER_HOST: \"{}\" is no address of a daemon", daemon);
  }
  return request;
}

}  // namespace

base::Result<Detected> DockerDetector::Detect() const {
  ASSIGN_OR_RETURN(net::HttpClientRequest request, RequestTo(daemon_));
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
