#include "net/internal/grpc_connection.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/write.hpp>
#include <functional>

#include "base/bytes.h"
#include "base/check.h"
#include "compress/compress.h"

namespace narthex::net::internal {
namespace {

constexpr size_t kOutputBytes = 64 << 10;
constexpr size_t kDecryptedBytes = 16 << 10;
constexpr int32_t kStreamWindow = 1 << 20;
constexpr int32_t kConnectionWindow = 4 << 20;
constexpr size_t kOutboundAcksMax = 100;
constexpr size_t kSettingsMax = 32;
constexpr size_t kContinuationsMax = 4;
constexpr size_t kControlFramesMax = 10'000;
constexpr size_t kResetsMax = 200;
constexpr size_t kDiscardedBytesMax = 1 << 20;
constexpr std::chrono::milliseconds kLingerTime{200};
constexpr std::chrono::milliseconds kIdlePings{7'200'000};  // Without a call, one in so long.
constexpr size_t kPingStrikesMax = 2;

nghttp2_nv Field(std::string_view name, std::string_view value) {
  return {.name = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          .value = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())),
          .namelen = name.size(),
          .valuelen = value.size(),
          .flags = NGHTTP2_NV_FLAG_NONE};
}

std::string_view Text(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

bool IsGrpc(std::string_view content_type) {
  const std::string type = MediaType(content_type);
  return type == "application/grpc" || type.starts_with("application/grpc+");
}

// How long calls may go on past a connection's age; without a limit, a day.
std::chrono::milliseconds Grace(const GrpcServer::Config& config) {
  return config.age_grace.count() > 0 ? config.age_grace : std::chrono::hours(24);
}

SteadyTime Now() { return std::chrono::steady_clock::now(); }

// Off by up to a tenth, either way.
std::chrono::milliseconds Jittered(std::chrono::milliseconds age, std::string_view seed) {
  return age * (90 + std::hash<std::string_view>()(seed) % 21) / 100;
}

}  // namespace

struct GrpcConnection::Callbacks {
  static GrpcConnection& Of(void* user) { return *static_cast<GrpcConnection*>(user); }

  static Stream* Find(void* user, int32_t id) {
    auto& streams = Of(user).streams_;
    const auto found = streams.find(id);
    return found == streams.end() ? nullptr : &found->second;
  }

  static int OnBeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    GrpcConnection& self = Of(user);
    if (self.streams_.size() >= self.config_.concurrent_streams_max) {
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // Resets the stream.
    }
    self.streams_[frame->hd.stream_id].request.peer = self.peer_;
    return 0;
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                      void* user) {
    Stream* stream = Find(user, frame->hd.stream_id);
    if (stream == nullptr) return 0;
    return Of(user).OnHeader(*stream, Text(name, name_size), Text(value, value_size));
  }

  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    GrpcConnection& self = Of(user);
    self.greeted_ = true;
    const bool empty_data = frame->hd.type == NGHTTP2_DATA && frame->hd.length == 0;
    const bool is_control = frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS;
    if (is_control || empty_data) ++self.control_frames_;
    if (frame->hd.type == NGHTTP2_PING) {
      self.OnPing((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0);
    }
    Stream* stream = Find(user, frame->hd.stream_id);
    if (stream == nullptr || is_control) return 0;
    const int32_t id = frame->hd.stream_id;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      self.OnHeadersEnd(id, *stream);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) self.OnRequestEnd(id, *stream);
    return 0;
  }

  // An answer before the request's end also asks the peer to send no more. Not together with the
  // answer: nghttp2 drops what waits for a stream that is to be reset.
  static int OnFrameSent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    // One call more than allowed: nghttp2 refuses it without opening a stream.
    const bool is_refusal = frame->hd.type == NGHTTP2_RST_STREAM &&
                            frame->rst_stream.error_code == NGHTTP2_REFUSED_STREAM;
    if (is_refusal) ++Of(user).resets_;
    if (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) {
      Of(user).last_progress_ = Now();
      Of(user).last_peer_ping_.reset();
      Of(user).ping_strikes_ = 0;
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    const Stream* stream = Find(user, frame->hd.stream_id);
    if (stream != nullptr && !stream->complete) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    }
    return 0;
  }

  static int OnData(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t size,
                    void* user) {
    Stream* stream = Find(user, id);
    if (stream != nullptr) Of(user).OnData(id, *stream, Text(bytes, size));
    return 0;
  }

  static int OnClose(nghttp2_session*, int32_t id, uint32_t error_code, void* user) {
    Of(user).OnStreamClosed(id, error_code);
    return 0;
  }

  static ssize_t ReadAnswer(nghttp2_session* session, int32_t id, uint8_t* to, size_t room,
                            uint32_t* flags, nghttp2_data_source*, void* user) {
    Stream* stream = Find(user, id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const size_t count = std::min(room, stream->answer.size() - stream->answer_sent);
    std::copy_n(stream->answer.data() + stream->answer_sent, count, to);
    stream->answer_sent += count;
    if (stream->answer_sent == stream->answer.size()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const nghttp2_nv trailer = Field("grpc-status", "0");
      nghttp2_submit_trailer(session, id, &trailer, 1);
    }
    return static_cast<ssize_t>(count);
  }

  static nghttp2_session* MakeSession(GrpcConnection* self) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_option* options = nullptr;
    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&options) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, &OnBeginHeaders);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, &OnHeader);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &OnFrame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, &OnFrameSent);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &OnData);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &OnClose);
    nghttp2_option_set_max_outbound_ack(options, kOutboundAcksMax);
    nghttp2_option_set_max_settings(options, kSettingsMax);
    nghttp2_option_set_max_continuations(options, kContinuationsMax);
    nghttp2_option_set_no_closed_streams(options, 1);
    nghttp2_session* session = nullptr;
    CHECK(nghttp2_session_server_new2(&session, callbacks, self, options) == 0);
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(callbacks);
    return session;
  }
};

GrpcConnection::GrpcConnection(Loop& loop, Tcp::socket socket, const GrpcServer::Config& config,
                               const GrpcHandler& handler)
    : Connection(loop, std::move(socket)),
      config_(config),
      handler_(handler),
      session_(Callbacks::MakeSession(this), &nghttp2_session_del),
      old_at_(config.age_max.count() > 0 ? Now() + Jittered(config.age_max, peer_)
                                         : SteadyTime::max()),
      last_input_(Now()),
      last_progress_(last_input_) {}

std::shared_ptr<GrpcConnection> GrpcConnection::Self() {
  return std::static_pointer_cast<GrpcConnection>(shared_from_this());
}

void GrpcConnection::Start() {
  ErrorCode ignored;
  stream_.socket().non_blocking(true, ignored);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
       static_cast<uint32_t>(config_.concurrent_streams_max)},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(config_.header_bytes_max)},
  };
  nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_.get(), NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  Pump();
  AwaitInput();
}

void GrpcConnection::Drain() {
  draining_ = true;
  nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_.get()), NGHTTP2_NO_ERROR,
                        nullptr, 0);
  Pump();
}

void GrpcConnection::AwaitInput() {
  if (stream_.is_tls()) return AwaitDecrypted();
  stream_.socket().async_wait(Tcp::socket::wait_read, [self = Self()](const ErrorCode& error) {
    if (self->closed()) return;
    if (error) return self->Close();
    self->Receive();
  });
}

void GrpcConnection::AwaitDecrypted() {
  decrypted_.resize(kDecryptedBytes);
  stream_.async_read_some(asio::buffer(decrypted_),
                          [self = Self()](const ErrorCode& error, size_t count) {
                            if (self->closed()) return;
                            if (error) return self->Close();
                            self->Take({self->decrypted_.data(), count});
                          });
}

void GrpcConnection::Receive() {
  ErrorCode error;
  std::vector<char>& scratch = loop_.scratch();
  const size_t count = stream_.socket().read_some(asio::buffer(scratch), error);
  if (error && error != asio::error::would_block) return Close();
  Take({scratch.data(), count});
}

void GrpcConnection::Take(std::string_view bytes) {
  if (lingering_) return AwaitInput();
  last_input_ = Now();
  receiving_ = true;
  const ssize_t taken = nghttp2_session_mem_recv(
      session_.get(), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  receiving_ = false;
  if (taken < 0) {
    // Not HTTP/2, or a flood: nghttp2 has queued a GOAWAY where the peer would understand one.
    draining_ = true;
    nghttp2_session_terminate_session(session_.get(), NGHTTP2_PROTOCOL_ERROR);
  } else if (control_frames_ > kControlFramesMax || resets_ > kResetsMax) {
    // A flood: the peer is told to calm down.
    draining_ = true;
    nghttp2_session_terminate_session(session_.get(), NGHTTP2_ENHANCE_YOUR_CALM);
  }
  Pump();
  if (!closed()) AwaitInput();
}

void GrpcConnection::Pump() {
  if (writing_ || receiving_ || closed()) return;
  output_.clear();
  while (output_.size() < kOutputBytes) {
    const uint8_t* bytes = nullptr;
    const ssize_t count = nghttp2_session_mem_send(session_.get(), &bytes);
    if (count < 0) return Close();
    if (count == 0) break;
    output_.append(Text(bytes, static_cast<size_t>(count)));
  }
  const bool finished = nghttp2_session_want_read(session_.get()) == 0 &&
                        nghttp2_session_want_write(session_.get()) == 0;
  if (output_.empty()) {
    output_.shrink_to_fit();
    if (finished || (draining_ && streams_.empty())) return Finish();
    return UpdateDeadline();
  }
  writing_ = true;
  last_progress_ = Now();
  UpdateDeadline();
  asio::async_write(stream_, asio::buffer(output_),
                    [self = Self()](const ErrorCode& error, size_t) {
                      if (self->closed()) return;
                      if (error) return self->Close();
                      self->writing_ = false;
                      self->last_progress_ = Now();
                      self->Pump();
                    });
}

// Closing with unread input resets the connection, and the peer may lose our last answer: so say
// that nothing more comes, and wait a little for the peer to close.
void GrpcConnection::Finish() {
  if (lingering_) return;
  lingering_ = true;
  stream_.ShutdownSend([self = Self()](const ErrorCode&) {});
  loop_.RunAfter(kLingerTime, [weak = std::weak_ptr(Self())] {
    if (const std::shared_ptr<GrpcConnection> self = weak.lock()) self->Close();
  });
}

void GrpcConnection::UpdateDeadline() {
  // A call that is not with the handler is the peer's to move on: to send its rest, or to take the
  // answer.
  const bool is_owed =
      std::ranges::any_of(streams_, [](const auto& entry) { return !entry.second.handling; });
  SteadyTime deadline = SteadyTime::max();
  if (writing_ || is_owed || !greeted_) {
    deadline = last_progress_ + config_.stall_timeout;
  } else if (streams_.empty()) {
    deadline = Now() + config_.idle_timeout;
  }
  give_up_at_ = deadline;
  SetDeadline(std::min(deadline, NextCare()));
}

SteadyTime GrpcConnection::NextCare() const {
  if (draining_) return old_at_ == SteadyTime::max() ? old_at_ : old_at_ + Grace(config_);
  SteadyTime next = old_at_;
  if (pinged_at_.has_value()) {
    next = std::min(next, *pinged_at_ + config_.ping_timeout);
  } else if (config_.ping_interval.count() > 0) {
    next = std::min(next, last_input_ + config_.ping_interval);
  }
  return next;
}

void GrpcConnection::Expire() {
  const SteadyTime now = Now();
  const bool is_quiet = streams_.empty() && greeted_ && !writing_;
  if (now >= give_up_at_) return is_quiet && !draining_ ? Drain() : Close();
  if (draining_ || (pinged_at_.has_value() && now >= *pinged_at_ + config_.ping_timeout)) {
    return Close();
  }
  if (now >= old_at_) return Drain();
  pinged_at_ = now;
  nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr);
  Pump();
  // Pump looks at the deadline only where it had something to send.
  SetDeadline(std::min(give_up_at_, NextCare()));
}

void GrpcConnection::OnPing(bool is_answer) {
  if (is_answer) {
    pinged_at_.reset();
    return;
  }
  if (config_.ping_interval_min.count() == 0) return;
  const bool is_allowed = !streams_.empty() || config_.pings_without_streams;
  const std::chrono::milliseconds least = is_allowed ? config_.ping_interval_min : kIdlePings;
  const SteadyTime now = Now();
  if (last_peer_ping_.has_value() && now < *last_peer_ping_ + least) ++ping_strikes_;
  last_peer_ping_ = now;
  if (ping_strikes_ <= kPingStrikesMax) return;
  static constexpr std::string_view kReason = "too_many_pings";
  draining_ = true;
  nghttp2_submit_goaway(
      session_.get(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_.get()),
      NGHTTP2_ENHANCE_YOUR_CALM, reinterpret_cast<const uint8_t*>(kReason.data()), kReason.size());
  nghttp2_session_terminate_session(session_.get(), NGHTTP2_ENHANCE_YOUR_CALM);
}

int GrpcConnection::OnHeader(Stream& stream, std::string_view name, std::string_view value) {
  stream.header_bytes += name.size() + value.size() + 32;  // As HTTP/2 counts.
  if (stream.header_bytes > config_.header_bytes_max) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  if (name == ":path") {
    stream.request.method = value;
  } else if (name == ":method") {
    stream.http_method = value;
  } else if (name == "content-type") {
    stream.content_type = value;
  } else if (name == "grpc-encoding") {
    stream.encoding = value;
  }
  if (!name.starts_with(':')) stream.request.metadata.Add(name, value);
  return 0;
}

void GrpcConnection::OnHeadersEnd(int32_t id, Stream& stream) {
  MarkUsed();
  last_progress_ = Now();
  if (stream.http_method != "POST" || !IsGrpc(stream.content_type)) {
    // Not gRPC: an HTTP answer, which such a client understands.
    const nghttp2_nv field = Field(":status", "415");
    stream.answered = true;
    nghttp2_submit_response(session_.get(), id, &field, 1, nullptr);
    return;
  }
  if (std::ranges::find(config_.methods, stream.request.method) == config_.methods.end()) {
    Refuse(id, stream,
           {base::Code::kUnimplemented, fmt::format("unknown method {}", stream.request.method)});
  }
}

void GrpcConnection::OnData(int32_t id, Stream& stream, std::string_view bytes) {
  last_progress_ = Now();
  if (stream.refusal.has_value() || stream.answered) return Discard(id, stream, bytes.size());
  stream.body.append(bytes);
  buffered_bytes_ += bytes.size();
  const size_t length = stream.body.size() < kGrpcPrefixBytes
                            ? 0
                            : base::LoadBigEndian<uint32_t>(stream.body.data() + 1);
  if (length > config_.message_bytes_max) {
    return Refuse(
        id, stream,
        {base::Code::kResourceExhausted, fmt::format("message of {} bytes is over the limit of {}",
                                                     length, config_.message_bytes_max)});
  }
  if (stream.body.size() > kGrpcPrefixBytes + config_.message_bytes_max) {
    return Refuse(id, stream, {base::Code::kInternal, "more bytes than the message's length"});
  }
  if (buffered_bytes_ > config_.buffered_bytes_max) {
    Refuse(id, stream,
           {base::Code::kUnavailable, "too many unfinished requests on this connection"});
  }
}

void GrpcConnection::OnRequestEnd(int32_t id, Stream& stream) {
  stream.complete = true;
  if (stream.answered) return;
  if (stream.refusal.has_value()) return SubmitError(id, stream, *stream.refusal, {});
  control_frames_ = 0;
  base::Result<std::string> message = DecodeMessage(stream);
  ReleaseBody(stream);
  if (!message.has_value()) return Refuse(id, stream, std::move(message).error());
  stream.request.message = std::move(*message);
  Handle(id, stream);
}

base::Result<std::string> GrpcConnection::DecodeMessage(const Stream& stream) const {
  base::ByteReader reader(stream.body);
  const uint8_t compressed = reader.ReadByte();
  const std::string_view message = reader.ReadBytes(reader.ReadBigEndian<uint32_t>());
  if (!reader.ok() || !reader.empty() || compressed > 1) {
    return base::Fail(base::Code::kInternal, "the request is not one length-prefixed message");
  }
  if (compressed == 0) return std::string(message);
  if (stream.encoding.empty() || stream.encoding == "identity") {
    return base::Fail(base::Code::kInternal, "compressed message without grpc-encoding");
  }
  return compress::Decode(stream.encoding, std::string(message), config_.message_bytes_max);
}

void GrpcConnection::Handle(int32_t id, Stream& stream) {
  stream.handling = true;
  ++handling_;
  std::weak_ptr<GrpcConnection> self = Self();
  GrpcResponder responder(
      [self = std::move(self), gate = loop_.gate(), id](GrpcAnswer answer) mutable {
        gate->Run([self = std::move(self), id, answer = std::move(answer)]() mutable {
          const std::shared_ptr<GrpcConnection> connection = self.lock();
          if (connection != nullptr && !connection->closed()) {
            connection->Answer(id, std::move(answer));
          }
        });
      });
  handler_(std::move(stream.request), std::move(responder));
}

void GrpcConnection::Answer(int32_t id, GrpcAnswer answer) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;  // The peer has given up.
  Stream& stream = found->second;
  stream.handling = false;
  --handling_;
  last_progress_ = Now();
  if (answer.message.has_value()) {
    SubmitMessage(id, stream, *answer.message);
  } else {
    SubmitError(id, stream, answer.message.error(), answer.status_details);
  }
  Pump();
}

void GrpcConnection::Refuse(int32_t id, Stream& stream, base::Error error) {
  ReleaseBody(stream);
  if (stream.complete) return SubmitError(id, stream, error, {});
  // Some clients lose an answer that comes before they have sent everything: so it waits.
  stream.refusal = std::move(error);
}

void GrpcConnection::Discard(int32_t id, Stream& stream, size_t bytes) {
  stream.discarded_bytes += bytes;
  if (stream.discarded_bytes <= kDiscardedBytesMax || stream.answered) return;
  SubmitError(id, stream, *stream.refusal, {});
}

void GrpcConnection::SubmitMessage(int32_t id, Stream& stream, std::string_view message) {
  stream.answered = true;
  stream.answer = GrpcFrame(message);
  const nghttp2_nv fields[] = {Field(":status", "200"), Field("content-type", "application/grpc")};
  const nghttp2_data_provider provider = {.source = {}, .read_callback = &Callbacks::ReadAnswer};
  nghttp2_submit_response(session_.get(), id, fields, std::size(fields), &provider);
}

void GrpcConnection::SubmitError(int32_t id, Stream& stream, const base::Error& error,
                                 const std::string& status_details) {
  stream.answered = true;
  const std::string status = std::to_string(static_cast<int>(error.code));
  const std::string message = EncodeGrpcMessage(error.message);
  const std::string details = EncodeBase64(status_details);
  std::vector<nghttp2_nv> fields = {Field(":status", "200"),
                                    Field("content-type", "application/grpc"),
                                    Field("grpc-status", status), Field("grpc-message", message),
                                    Field("grpc-accept-encoding", "identity,gzip,zstd,deflate")};
  if (!details.empty()) fields.push_back(Field("grpc-status-details-bin", details));
  nghttp2_submit_response(session_.get(), id, fields.data(), fields.size(), nullptr);
}

void GrpcConnection::ReleaseBody(Stream& stream) {
  buffered_bytes_ -= stream.body.size();
  stream.body = std::string();
}

void GrpcConnection::OnStreamClosed(int32_t id, uint32_t error_code) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  if (error_code != NGHTTP2_NO_ERROR) {
    ++resets_;
  } else if (resets_ > 0) {
    --resets_;
  }
  if (stream.handling) --handling_;
  ReleaseBody(stream);
  streams_.erase(found);
}

}  // namespace narthex::net::internal
