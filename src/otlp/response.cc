#include "otlp/response.h"

#include <algorithm>

#include "json/reader.h"
#include "json/writer.h"
#include "otlp/internal/wire.h"
#include "otlp/writer.h"

namespace narthex::otlp {
namespace {

using base::Code;
using base::Fail;
using internal::Cursor;
using internal::Tag;
using internal::WireType;

base::Result<PartialSuccess> DecodeJsonResponse(std::string_view bytes) {
  ASSIGN_OR_RETURN(const json::Document document, json::Document::Parse(bytes));
  const json::Element partial = document.root().Get("partialSuccess");
  const json::Element rejected = partial.Get("rejectedDataPoints");
  PartialSuccess result;
  if (const auto number = rejected.Int()) {
    result.rejected_points = *number;
  } else if (const auto text = rejected.String()) {
    result.rejected_points = std::atoll(std::string(*text).c_str());
  }
  result.message = partial.Get("errorMessage").String().value_or("");
  return result;
}

}  // namespace

std::string_view MediaTypeOf(Encoding encoding) {
  return encoding == Encoding::kJson ? "application/json" : "application/x-protobuf";
}

std::string EncodeExportResponse(const PartialSuccess& partial, Encoding encoding) {
  const bool is_full = partial.rejected_points == 0 && partial.message.empty();
  if (encoding == Encoding::kJson) {
    json::Writer writer;
    writer.BeginObject();
    if (!is_full) {
      writer.Key("partialSuccess").BeginObject();
      if (partial.rejected_points != 0) {
        writer.Key("rejectedDataPoints").String(std::to_string(partial.rejected_points));
      }
      if (!partial.message.empty()) writer.Key("errorMessage").String(partial.message);
      writer.EndObject();
    }
    writer.EndObject();
    return writer.Take();
  }
  Writer writer;
  if (!is_full) {
    const Writer::Mark mark = writer.Begin(1);
    if (partial.rejected_points != 0) {
      writer.Varint(1, static_cast<uint64_t>(partial.rejected_points));
    }
    if (!partial.message.empty()) writer.Bytes(2, partial.message);
    writer.End(mark);
  }
  return writer.Take();
}

base::Result<PartialSuccess> DecodeExportResponse(std::string_view bytes, Encoding encoding) {
  if (bytes.empty()) return PartialSuccess();
  if (encoding == Encoding::kJson) return DecodeJsonResponse(bytes);
  PartialSuccess result;
  Cursor cursor(bytes);
  while (const uint32_t tag = cursor.NextTag()) {
    if (tag != Tag(1, WireType::kBytes)) {
      cursor.Skip(tag);
      continue;
    }
    Cursor partial(cursor.ReadBytes());
    while (const uint32_t inner = partial.NextTag()) {
      if (inner == Tag(1, WireType::kVarint)) {
        result.rejected_points = static_cast<int64_t>(partial.ReadVarint());
      } else if (inner == Tag(2, WireType::kBytes)) {
        result.message = partial.ReadBytes();
      } else {
        partial.Skip(inner);
      }
    }
    if (!partial.ok()) cursor.Bad();
  }
  if (!cursor.ok()) return Fail(Code::kInvalidArgument, "protobuf: damaged export response");
  return result;
}

std::string EncodeStatus(const base::Error& error, Encoding encoding,
                         std::optional<std::chrono::nanoseconds> retry_after) {
  if (encoding == Encoding::kJson) {
    json::Writer writer;
    writer.BeginObject();
    writer.Key("code").Int(static_cast<int64_t>(error.code));
    writer.Key("message").String(error.message);
    writer.EndObject();
    return writer.Take();
  }
  Writer writer;
  writer.Varint(1, static_cast<uint64_t>(error.code));
  writer.Bytes(2, error.message);
  if (retry_after.has_value()) {
    const Writer::Mark any = writer.Begin(3);
    writer.Bytes(1, "type.googleapis.com/google.rpc.RetryInfo");
    const Writer::Mark info = writer.Begin(2);
    const Writer::Mark delay = writer.Begin(1);
    const auto seconds = std::chrono::floor<std::chrono::seconds>(*retry_after);
    const auto nanos = (*retry_after - seconds).count();
    writer.Varint(1, static_cast<uint64_t>(seconds.count()));
    if (nanos > 0) writer.Varint(2, static_cast<uint64_t>(nanos));
    writer.End(delay);
    writer.End(info);
    writer.End(any);
  }
  return writer.Take();
}

std::string DecodeStatusMessage(std::string_view bytes, Encoding encoding) {
  if (encoding == Encoding::kJson) {
    const auto document = json::Document::Parse(bytes);
    if (!document.has_value()) return {};
    return std::string(document->root().Get("message").String().value_or(""));
  }
  std::string_view message;
  Cursor cursor(bytes);
  while (const uint32_t tag = cursor.NextTag()) {
    if (tag == Tag(2, WireType::kBytes)) {
      message = cursor.ReadBytes();
    } else {
      cursor.Skip(tag);
    }
  }
  return cursor.ok() ? std::string(message) : std::string();
}

namespace {

// A google.protobuf.Duration. Nothing below zero, nothing over a day.
std::chrono::nanoseconds DecodeDuration(std::string_view bytes) {
  constexpr int64_t kSecondsMax = 86'400;
  int64_t seconds = 0, nanos = 0;
  Cursor cursor(bytes);
  while (const uint32_t tag = cursor.NextTag()) {
    if (tag == Tag(1, WireType::kVarint)) {
      seconds = static_cast<int64_t>(cursor.ReadVarint());
    } else if (tag == Tag(2, WireType::kVarint)) {
      nanos = static_cast<int64_t>(cursor.ReadVarint());
    } else {
      cursor.Skip(tag);
    }
  }
  return std::chrono::seconds(std::clamp<int64_t>(seconds, 0, kSecondsMax)) +
         std::chrono::nanoseconds(std::clamp<int64_t>(nanos, 0, 999'999'999));
}

// The last field of that tag in a message; empty when absent.
std::string_view FindBytes(std::string_view message, uint32_t wanted) {
  std::string_view found;
  Cursor cursor(message);
  while (const uint32_t tag = cursor.NextTag()) {
    if (tag == wanted) {
      found = cursor.ReadBytes();
    } else {
      cursor.Skip(tag);
    }
  }
  return found;
}

}  // namespace

std::optional<std::chrono::nanoseconds> DecodeRetryDelay(std::string_view bytes) {
  Cursor cursor(bytes);
  while (const uint32_t tag = cursor.NextTag()) {
    if (tag != Tag(3, WireType::kBytes)) {
      cursor.Skip(tag);
      continue;
    }
    const std::string_view any = cursor.ReadBytes();
    if (!FindBytes(any, Tag(1, WireType::kBytes)).ends_with("/google.rpc.RetryInfo")) continue;
    return DecodeDuration(
        FindBytes(FindBytes(any, Tag(2, WireType::kBytes)), Tag(1, WireType::kBytes)));
  }
  return std::nullopt;
}

bool IsRetryable(base::Code code) {
  switch (code) {
    case Code::kCancelled:
    case Code::kDeadlineExceeded:
    case Code::kAborted:
    case Code::kOutOfRange:
    case Code::kUnavailable:
    case Code::kDataLoss:
    case Code::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

bool IsRetryableAnswer(Code code, bool has_delay) {
  return code == Code::kResourceExhausted ? has_delay : IsRetryable(code);
}

base::Error MarkRetryable(base::Error error, bool is_retryable) {
  if (IsRetryable(error.code) != is_retryable) {
    error.code = is_retryable ? Code::kUnavailable : Code::kInternal;
  }
  return error;
}

base::Error OutwardError(base::Error error) {
  switch (error.code) {
    case Code::kInvalidArgument:
    case Code::kPermissionDenied:
    case Code::kUnimplemented:
    case Code::kUnauthenticated:
      return error;
    default:
      error.code = IsRetryable(error.code) ? Code::kUnavailable : Code::kInternal;
      return error;
  }
}

int HttpStatusFromCode(base::Code code) {
  switch (code) {
    case Code::kCancelled:
    case Code::kDeadlineExceeded:
    case Code::kAborted:
    case Code::kOutOfRange:
    case Code::kUnavailable:
    case Code::kDataLoss:
      return 503;
    case Code::kResourceExhausted:
      return 429;
    case Code::kInvalidArgument:
      return 400;
    case Code::kUnauthenticated:
      return 401;
    case Code::kPermissionDenied:
      return 403;
    case Code::kUnimplemented:
      return 404;
    default:
      return 500;
  }
}

base::Code CodeFromHttpStatus(int status) {
  switch (status) {
    case 400:
      return Code::kInvalidArgument;
    case 401:
      return Code::kUnauthenticated;
    case 403:
      return Code::kPermissionDenied;
    case 404:
      return Code::kUnimplemented;
    case 429:
      return Code::kResourceExhausted;
    case 502:
    case 503:
    case 504:
      return Code::kUnavailable;
    default:
      return Code::kUnknown;
  }
}

}  // namespace narthex::otlp
