#pragma once

#include <memory>
#include <string>

#include "base/env.h"
#include "net/tls.h"

namespace narthex::net {

// A certificate and its key, as PEM.
struct Identity {
  std::string cert, key;
};

// A pair of RSA keys, as PEM.
struct RsaKey {
  std::string pem, public_pem;
};
// `passphrase`: what the key is locked with; empty: it is not.
RsaKey MakeRsaKey(const std::string& passphrase = "");

// An authority for tests, made anew each time. One thread at a time.
class CertificateAuthority {
 public:
  explicit CertificateAuthority(const std::string& name = "Test authority");
  ~CertificateAuthority();

  const std::string& cert() const { return cert_; }  // PEM.
  // Good for servers and clients; for 127.0.0.1, localhost and `name`.
  Identity Issue(const std::string& name) const;

 private:
  struct Keys;
  std::unique_ptr<Keys> keys_;
  std::string cert_;
};

// The two ends of a connection that trusts this authority.
std::shared_ptr<TlsServer> ServerTls(const Identity& identity, config::TlsServerConfig config = {});
std::shared_ptr<TlsClient> ClientTls(const std::string& ca, config::TlsClientConfig config = {});

}  // namespace narthex::net
