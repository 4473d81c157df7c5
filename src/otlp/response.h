#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace narthex::otlp {

// What a server answers to an export, in the encoding of the request.
// Source: OTLP specification 1.11; google/rpc/status.proto.

inline constexpr std::string_view kExportMethod =
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

enum class Encoding { kProtobuf, kJson };

// "application/x-protobuf" and "application/json".
std::string_view MediaTypeOf(Encoding encoding);

// Points that were refused for good while the rest was taken. None and no message: full success.
struct PartialSuccess {
  int64_t rejected_points = 0;
  std::string message;
};

std::string EncodeExportResponse(const PartialSuccess& partial, Encoding encoding);
// Error: kInvalidArgument for bytes that are no ExportMetricsServiceResponse.
base::Result<PartialSuccess> DecodeExportResponse(std::string_view bytes, Encoding encoding);

// A google.rpc.Status; `retry_after` becomes a RetryInfo (protobuf only).
std::string EncodeStatus(const base::Error& error, Encoding encoding,
                         std::optional<std::chrono::nanoseconds> retry_after = {});
// The message of a Status, empty if there is none in it.
std::string DecodeStatusMessage(std::string_view bytes, Encoding encoding);
// The RetryInfo of a Status in protobuf; nullopt if there is none in it.
std::optional<std::chrono::nanoseconds> DecodeRetryDelay(std::string_view bytes);

// Whether the sender should try again.
bool IsRetryable(base::Code code);
// The same for a gRPC answer: RESOURCE_EXHAUSTED only where the server says when.
// Source: OTLP specification 1.11, "Failures".
bool IsRetryableAnswer(base::Code code, bool has_delay);
// The same error with a code that agrees with `is_retryable`: kUnavailable or kInternal where its
// own says otherwise.
base::Error MarkRetryable(base::Error error, bool is_retryable);
// What a receiver tells the sender of an error from further on, as the official one does: come
// again (kUnavailable), or never. What the sender did wrong, or may not do, keeps its code; the
// rest is kInternal.
base::Error OutwardError(base::Error error);
// The official collector's mapping, both ways.
int HttpStatusFromCode(base::Code code);
base::Code CodeFromHttpStatus(int status);

}  // namespace narthex::otlp
