#include "net/internal/stream.h"

namespace narthex::net::internal {
namespace {

// Where a connection keeps the name of its protocol, in ALPN's form.
int ProtocolIndex() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int SelectProtocol(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                   const unsigned char* offered, unsigned offered_size, void*) {
  const auto* wanted = static_cast<const unsigned char*>(SSL_get_ex_data(ssl, ProtocolIndex()));
  if (wanted == nullptr) return SSL_TLSEXT_ERR_NOACK;
  unsigned char* selected = nullptr;
  const int result =
      SSL_select_next_proto(&selected, out_size, wanted, wanted[0] + 1u, offered, offered_size);
  *out = selected;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

const char* WireName(std::string_view protocol) {
  return protocol == "h2" ? "\x02h2" : "\x08http/1.1";
}

}  // namespace

void ChooseProtocols(TlsContext& context) {
  SSL_CTX_set_alpn_select_cb(context.ssl.native_handle(), &SelectProtocol, nullptr);
}

void Stream::BeginTls(std::shared_ptr<TlsContext> context, std::string_view protocol) {
  context_ = std::move(context);
  tls_ = std::make_unique<asio::ssl::stream<Tcp::socket&>>(socket_, context_->ssl);
  SSL_set_ex_data(tls_->native_handle(), ProtocolIndex(), const_cast<char*>(WireName(protocol)));
}

}  // namespace narthex::net::internal
