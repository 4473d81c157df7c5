#pragma once

#include <memory>
#include <string>

#include "base/env.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/result.h"
#include "config/tls.h"

namespace narthex::net {

namespace internal {
struct TlsContext;
}

// The texts behind a TLS configuration. A value.
struct PemTexts {
  std::string ca, cert, key, client_ca;
  bool operator==(const PemTexts&) const = default;
};

// What a server shows of itself, and whom it lets in. Files are looked at again after
// `reload_interval`, when the next connection comes; ones that cannot be used are logged and leave
// what was there. Thread-safe.
class TlsServer {
 public:
  // Errors name the file and what is wrong with it.
  static base::Result<std::shared_ptr<TlsServer>> Create(config::TlsServerConfig config,
                                                         base::Env env, base::Logger& logger);

  // For new connections.
  std::shared_ptr<internal::TlsContext> Current();

 private:
  TlsServer(config::TlsServerConfig config, base::Env env, base::Logger& logger)
      : config_(std::move(config)), env_(env), logger_(logger) {}
  base::Status Load() REQUIRES_LOCK(mutex_);

  const config::TlsServerConfig config_;
  const base::Env env_;
  base::Logger& logger_;
  base::Mutex mutex_;
  PemTexts texts_ GUARDED_BY(mutex_);
  std::shared_ptr<internal::TlsContext> context_ GUARDED_BY(mutex_);
  int64_t loaded_ns_ GUARDED_BY(mutex_) = 0;
};

// Whom a client trusts, and who it is itself. Files are looked at again as by TlsServer.
// Thread-safe.
class TlsClient {
 public:
  // Errors name the file and what is wrong with it.
  static base::Result<std::shared_ptr<TlsClient>> Create(config::TlsClientConfig config,
                                                         base::Env env, base::Logger& logger);

  const config::TlsClientConfig& config() const { return config_; }
  // For new requests.
  std::shared_ptr<const PemTexts> Current();
  // In OpenSSL's words; empty for its defaults.
  const std::string& ciphers() const { return ciphers_; }
  const std::string& groups() const { return groups_; }

 private:
  TlsClient(config::TlsClientConfig config, base::Env env, base::Logger& logger)
      : config_(std::move(config)), env_(env), logger_(logger) {}
  base::Status Load() REQUIRES_LOCK(mutex_);

  const config::TlsClientConfig config_;
  const base::Env env_;
  base::Logger& logger_;
  std::string ciphers_, groups_;
  base::Mutex mutex_;
  std::shared_ptr<const PemTexts> texts_ GUARDED_BY(mutex_);
  int64_t loaded_ns_ GUARDED_BY(mutex_) = 0;
};

}  // namespace narthex::net
