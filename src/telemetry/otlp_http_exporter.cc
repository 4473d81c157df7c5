#include "telemetry/otlp_http_exporter.h"

#include <algorithm>

#include "compress/compress.h"
#include "otlp/decode.h"
#include "otlp/json.h"
#include "telemetry/encode.h"

namespace narthex::telemetry {
namespace {

using base::Code;
using base::Fail;
using std::chrono::milliseconds;

constexpr size_t kResponseBytesMax = 4 << 20;

bool IsRetryableStatus(int status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

}  // namespace

OtlpHttpExporter::OtlpHttpExporter(Config config, const base::Clock& clock, base::Logger& logger)
    : config_(std::move(config)), clock_(clock), logger_(logger), random_(base::RandomSeed()) {}

base::Status OtlpHttpExporter::Export(const sdk::MetricBatch& batch, milliseconds timeout) {
  {
    base::MutexLock lock(mutex_);
    cancelled_ = false;
  }
  std::string body = EncodeOtlp(batch);
  if (config_.encoding == otlp::Encoding::kJson) {
    ASSIGN_OR_RETURN(const otlp::Batch indexed, otlp::DecodeMetrics(std::move(body)));
    body = otlp::EncodeMetricsJson(indexed);
  }
  if (config_.gzip) body = compress::GzipEncode(body);

  const int64_t deadline_ns = clock_.MonotonicNs() + std::chrono::nanoseconds(timeout).count();
  milliseconds delay = config_.retry_delay;
  for (;;) {
    const milliseconds left((deadline_ns - clock_.MonotonicNs()) / 1'000'000);
    if (left.count() <= 0) return Fail(Code::kDeadlineExceeded, "no answer within the time limit");
    Attempt attempt = Send(body, left);
    if (attempt.status.has_value() || !attempt.is_retryable) return attempt.status;
    const milliseconds jittered(static_cast<int64_t>(static_cast<double>(delay.count()) *
                                                     (0.8 + 0.4 * random_.NextDouble())));
    const milliseconds wait = std::max(jittered, attempt.retry_after);
    if (clock_.MonotonicNs() + std::chrono::nanoseconds(wait).count() >= deadline_ns) {
      return attempt.status;
    }
    if (!Wait(wait)) return attempt.status;
    delay = std::min(delay * 3 / 2, config_.retry_delay_max);
  }
}

OtlpHttpExporter::Attempt OtlpHttpExporter::Send(const std::string& body, milliseconds timeout) {
  net::HttpClientRequest request{.method = "POST",
                                 .url = config_.url,
                                 .body = body,
                                 .timeout = timeout,
                                 .response_bytes_max = kResponseBytesMax};
  request.headers = config_.headers;
  request.headers.Set("Content-Type", otlp::MediaTypeOf(config_.encoding));
  request.headers.Set("User-Agent", "OTel-OTLP-Exporter-Cpp/narthex");
  if (config_.gzip) request.headers.Set("Content-Encoding", "gzip");
  const base::Result<net::HttpClientResponse> response = client_.FetchAndWait(std::move(request));
  if (!response.has_value()) {
    return {.status = std::unexpected(response.error()),
            .is_retryable = response.error().code == Code::kUnavailable};
  }
  return Judge(*response);
}

OtlpHttpExporter::Attempt OtlpHttpExporter::Judge(const net::HttpClientResponse& response) {
  const otlp::Encoding encoding = net::MediaType(response.headers.Get("Content-Type")) ==
                                          otlp::MediaTypeOf(otlp::Encoding::kJson)
                                      ? otlp::Encoding::kJson
                                      : otlp::Encoding::kProtobuf;
  if (response.status >= 200 && response.status < 300) {
    const auto partial = otlp::DecodeExportResponse(response.body, encoding);
    if (!partial.has_value()) return {.status = std::unexpected(partial.error())};
    if (partial->rejected_points != 0 || !partial->message.empty()) {
      logger_.Warn("otlp_exporter", "the server took only part of an export",
                   {{"rejected_points", partial->rejected_points}, {"reason", partial->message}});
    }
    return {};
  }
  const std::string message = otlp::DecodeStatusMessage(response.body, encoding);
  return {.status = Fail(otlp::CodeFromHttpStatus(response.status), "{}: status {} {}{}{}",
                         config_.url, response.status, net::StatusText(response.status),
                         message.empty() ? "" : ": ", message),
          .is_retryable = IsRetryableStatus(response.status),
          .retry_after = net::RetryAfter(response.headers)};
}

bool OtlpHttpExporter::Wait(milliseconds delay) {
  const int64_t until_ns = clock_.MonotonicNs() + std::chrono::nanoseconds(delay).count();
  base::MutexLock lock(mutex_);
  while (!cancelled_) {
    const int64_t left_ns = until_ns - clock_.MonotonicNs();
    if (left_ns <= 0) return true;
    cancelled_changed_.WaitFor(mutex_, std::chrono::nanoseconds(left_ns));
  }
  return false;
}

void OtlpHttpExporter::Cancel() {
  base::MutexLock lock(mutex_);
  cancelled_ = true;
  cancelled_changed_.NotifyAll();
}

}  // namespace narthex::telemetry
