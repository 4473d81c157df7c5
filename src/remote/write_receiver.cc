#include "remote/write_receiver.h"

#include <algorithm>
#include <protozero/exception.hpp>

#include "compress/compress.h"
#include "remote/request_appender.h"
#include "remote/series_identities.h"

namespace narthex::remote {

using base::Code;
using base::Fail;

namespace {

constexpr std::string_view kMediaType = "application/x-protobuf";

int HttpStatus(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
    case Code::kOutOfRange:
      return 400;
    case Code::kUnimplemented:
      return 415;
    case Code::kResourceExhausted:
    case Code::kUnavailable:
      return 503;
    default:
      return 500;
  }
}

void SayWritten(const WriteReceiver::Written& written, net::Headers& headers) {
  constexpr std::string_view kPrefix = "X-Prometheus-Remote-Write-";
  const auto say = [&](std::string_view what, uint64_t count) {
    headers.Set(fmt::format("{}{}-Written", kPrefix, what), fmt::format("{}", count));
  };
  say("Samples", written.samples);
  say("Histograms", written.histograms);
  say("Exemplars", written.exemplars);
}

}  // namespace

WriteReceiver::WriteReceiver(storage::Appendable& storage, const base::Clock& clock,
                             Options options)
    : storage_(storage),
      clock_(clock),
      options_(std::move(options)),
      identities_(std::make_unique<SeriesIdentities>(clock)),
      metadata_(clock) {}
WriteReceiver::~WriteReceiver() = default;

// Which message it is. Senders of 1.0 need not say anything, as upstream has it.
base::Result<WriteMessage> WriteReceiver::Negotiate(const net::Headers& headers) const {
  const std::string_view content_type = headers.Get("Content-Type");
  const std::string proto = net::MediaTypeParameter(content_type, "proto");
  const auto message = proto.empty() ? WriteMessage::kVersion1 : WriteMessageFromName(proto);
  std::string accepted;
  for (const WriteMessage one : options_.accepted) {
    if (!accepted.empty()) accepted += " or ";
    accepted += fmt::format("{};proto={}", kMediaType, NameOf(one));
  }
  if ((!content_type.empty() && net::MediaType(content_type) != kMediaType) || !message ||
      std::ranges::find(options_.accepted, *message) == options_.accepted.end()) {
    return Fail(Code::kUnimplemented, "Content-Type \"{}\" is not supported; send {}", content_type,
                accepted);
  }
  const std::string_view encoding = headers.Get("Content-Encoding");
  if (!encoding.empty() && encoding != "snappy") {
    return Fail(Code::kUnimplemented, "Content-Encoding \"{}\" is not supported; send snappy",
                encoding);
  }
  return *message;
}

net::HttpResponse WriteReceiver::Handle(const net::HttpRequest& request) {
  ++requests_;
  const auto refusal = [this](const base::Error& error) {
    ++refused_requests_;
    return net::HttpResponse::Text(HttpStatus(error.code), error.message + "\n");
  };
  const base::Result<WriteMessage> message = Negotiate(request.headers);
  if (!message) return refusal(message.error());
  Written written;
  base::Result<std::string> body = compress::SnappyDecode(request.body, options_.body_bytes_max);
  if (body) {
    written = Write(*body, *message);
  } else {
    // Too much is refused for good as well.
    written.status = Fail(Code::kInvalidArgument, "{}", body.error().message);
  }
  net::HttpResponse response =
      written.status ? net::HttpResponse{.status = 204} : refusal(written.status.error());
  if (*message == WriteMessage::kVersion2) SayWritten(written, response.headers);
  return response;
}

WriteReceiver::Written WriteReceiver::Write(std::string_view body, WriteMessage message) {
  base::Result<Written> written;
  try {
    written = WriteOrThrow(body, message);
  } catch (const protozero::exception& error) {
    written = Fail(Code::kInvalidArgument, "malformed protobuf: {}", error.what());
  }
  if (!written) return {.status = std::unexpected(std::move(written).error())};
  return *std::move(written);
}

// Labels are decoded where they are needed: not all of a body is known to be sound before anything
// of it is appended.
base::Result<WriteReceiver::Written> WriteReceiver::WriteOrThrow(std::string_view body,
                                                                 WriteMessage message) {
  identities_->Age();
  const std::unique_ptr<storage::Appender> appender = storage_.OpenAppender();
  const std::unique_ptr<WriteRequest> request = WriteRequest::Read(message, body, *identities_);
  identities_->Find(request->identities);
  RequestAppender batch(*request, *appender, *identities_,
                        {.newest = clock_.WallMs() + options_.future_ms_max,
                         .in_part = message == WriteMessage::kVersion2});
  ASSIGN_OR_RETURN(const RequestAppender::Taken taken, batch.Run());
  RETURN_IF_ERROR(appender->Commit());
  metadata_.Take(request->TakeMetadata(metadata_));
  samples_ += taken.samples;
  histograms_ += taken.histograms;
  exemplars_ += taken.exemplars;
  refused_exemplars_ += taken.refused_exemplars;
  invalid_series_ += taken.invalid_series;
  invalid_samples_ += taken.invalid_samples;
  without_metadata_ += taken.without_metadata;
  Written written{
      .samples = taken.samples, .histograms = taken.histograms, .exemplars = taken.exemplars};
  if (!taken.is_complete()) {
    if (taken.samples + taken.histograms > 0) ++partial_requests_;
    written.status = Fail(Code::kInvalidArgument, "{}", taken.refusals);
  }
  return written;
}

WriteReceiver::Statistics WriteReceiver::statistics() const {
  return {.requests = requests_,
          .samples = samples_,
          .histograms = histograms_,
          .exemplars = exemplars_,
          .refused_exemplars = refused_exemplars_,
          .invalid_series = invalid_series_,
          .invalid_samples = invalid_samples_,
          .without_metadata = without_metadata_,
          .refused_requests = refused_requests_,
          .partial_requests = partial_requests_,
          .known_series = identities_->size()};
}

}  // namespace narthex::remote
