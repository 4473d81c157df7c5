#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "net/grpc_server.h"
#include "net/internal/socket_server.h"

namespace narthex::net::internal {

// HTTP/2 and gRPC's framing on one socket. nghttp2 keeps the protocol's state; this moves bytes
// between it and the socket, gathers requests, and counts what a peer may do too often.
class GrpcConnection : public Connection {
 public:
  GrpcConnection(Loop& loop, Tcp::socket socket, const GrpcServer::Config& config,
                 const GrpcHandler& handler);

  void Start() override;
  void Drain() override;
  bool idle() const override { return handling_ == 0; }
  void Expire() override;

 private:
  // A call, from its header to the end of its answer.
  struct Stream {
    GrpcRequest request;
    std::string http_method, content_type, encoding;
    size_t header_bytes = 0;
    std::string body;       // Frames as received.
    bool complete = false;  // The peer has sent everything.
    bool handling = false;  // The handler has it.
    bool answered = false;
    std::string answer;  // The framed message, sent from `answer_sent` on.
    size_t answer_sent = 0;
    std::optional<base::Error> refusal;  // The answer, once the peer has sent everything.
    size_t discarded_bytes = 0;          // Received since the refusal.
  };
  using ErrorCode = boost::system::error_code;
  struct Callbacks;  // nghttp2's C callbacks.

  std::shared_ptr<GrpcConnection> Self();
  void AwaitInput();
  void AwaitDecrypted();
  void Receive();
  void Take(std::string_view bytes);
  void Pump();
  void UpdateDeadline();
  // When the connection itself, without a call in trouble, needs attention next.
  SteadyTime NextCare() const;
  void OnPing(bool is_answer);
  void Finish();

  int OnHeader(Stream& stream, std::string_view name, std::string_view value);
  void OnHeadersEnd(int32_t id, Stream& stream);
  void OnData(int32_t id, Stream& stream, std::string_view bytes);
  void OnRequestEnd(int32_t id, Stream& stream);
  void OnStreamClosed(int32_t id, uint32_t error_code);
  base::Result<std::string> DecodeMessage(const Stream& stream) const;
  void Handle(int32_t id, Stream& stream);
  void Answer(int32_t id, GrpcAnswer answer);
  void Refuse(int32_t id, Stream& stream, base::Error error);
  // Takes what follows a refusal; at some point enough is enough.
  void Discard(int32_t id, Stream& stream, size_t bytes);
  void SubmitMessage(int32_t id, Stream& stream, std::string_view message);
  void SubmitError(int32_t id, Stream& stream, const base::Error& error,
                   const std::string& status_details);
  void ReleaseBody(Stream& stream);

  const GrpcServer::Config& config_;
  const GrpcHandler& handler_;
  std::unique_ptr<nghttp2_session, decltype(&nghttp2_session_del)> session_;
  std::unordered_map<int32_t, Stream> streams_;
  size_t handling_ = 0;
  size_t buffered_bytes_ = 0;
  const SteadyTime old_at_;  // When it gets no further calls.
  SteadyTime last_input_;
  SteadyTime last_progress_;                   // Of a call: pings and the like are none.
  SteadyTime give_up_at_ = SteadyTime::max();  // On what the peer owes us, or on its idling.
  std::optional<SteadyTime> pinged_at_;        // Our question is unanswered.
  std::optional<SteadyTime> last_peer_ping_;   // Since we last sent something of a call.
  size_t ping_strikes_ = 0;
  size_t control_frames_ = 0;  // Since the last complete request.
  size_t resets_ = 0;          // Calls given up by the peer, less those that ran to their end.
  bool greeted_ = false;       // The peer has sent a frame.
  bool draining_ = false;
  bool lingering_ = false;  // Everything is sent; waits for the peer to close.
  bool receiving_ = false;  // Inside nghttp2: what is submitted now is sent afterwards.
  bool writing_ = false;
  std::string output_;
  std::vector<char> decrypted_;  // Read under TLS.
};

}  // namespace narthex::net::internal
