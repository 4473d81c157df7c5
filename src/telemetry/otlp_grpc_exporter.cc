#include "telemetry/otlp_grpc_exporter.h"

#include <future>

#include "telemetry/encode.h"

namespace narthex::telemetry {

OtlpGrpcExporter::OtlpGrpcExporter(Config config, const base::Clock& clock, base::Logger& logger)
    : OtlpExporter(config.retry_delays, clock, logger), config_(std::move(config)) {}

base::Result<std::string> OtlpGrpcExporter::Encode(const sdk::MetricBatch& batch) {
  return EncodeOtlp(batch);
}

OtlpExporter::Attempt OtlpGrpcExporter::Send(const std::string& body,
                                             std::chrono::milliseconds timeout) {
  net::GrpcCall call{.target = config_.target,
                     .method = std::string(otlp::kExportMethod),
                     .message = body,
                     .metadata = config_.headers,
                     .timeout = timeout,
                     .compression = config_.gzip ? "gzip" : "",
                     .tls = config_.tls,
                     .answer_bytes_max = kResponseBytesMax};
  call.metadata.Set("User-Agent", kUserAgent);
  std::promise<net::GrpcAnswer> promise;
  net::CallGrpc(client_, std::move(call),
                [&promise](net::GrpcAnswer answer) { promise.set_value(std::move(answer)); });
  const net::GrpcAnswer answer = promise.get_future().get();
  if (!answer.message.has_value()) {
    const auto delay = otlp::DecodeRetryDelay(answer.status_details);
    base::Error error = answer.message.error();
    const bool is_retryable = otlp::IsRetryableAnswer(error.code, delay.has_value());
    return {.status = std::unexpected(std::move(error).In(config_.target)),
            .is_retryable = is_retryable,
            .retry_after = delay.value_or(std::chrono::nanoseconds(0))};
  }
  const auto partial = otlp::DecodeExportResponse(*answer.message, otlp::Encoding::kProtobuf);
  if (!partial.has_value()) return {.status = std::unexpected(partial.error())};
  WarnOfPartialSuccess(*partial);
  return {};
}

}  // namespace narthex::telemetry
