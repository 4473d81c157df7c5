#include "net/tls.h"

#include <fmt/core.h>
#include <openssl/err.h>

#include "net/internal/stream.h"

namespace narthex::net {
namespace {

using base::Code;
using base::Fail;
using config::Pem;
using config::TlsConfig;
using config::TlsServerConfig;
using config::TlsVersion;
using ErrorCode = boost::system::error_code;

base::Result<std::string> ReadPem(const Pem& pem, base::FileSystem& files) {
  if (pem.file.empty()) return pem.text;
  return base::ReadFile(files, pem.file);
}

base::Result<PemTexts> ReadPems(const TlsConfig& config, const Pem& client_ca,
                                base::FileSystem& files) {
  PemTexts texts;
  ASSIGN_OR_RETURN(texts.ca, ReadPem(config.ca, files));
  ASSIGN_OR_RETURN(texts.cert, ReadPem(config.cert, files));
  ASSIGN_OR_RETURN(texts.key, ReadPem(config.key, files));
  ASSIGN_OR_RETURN(texts.client_ca, ReadPem(client_ca, files));
  return texts;
}

std::string NameOf(const Pem& pem, std::string_view what) {
  return pem.file.empty() ? std::string(what) : pem.file;
}

int ProtocolOf(TlsVersion version) {
  switch (version) {
    case TlsVersion::kAny:
      return 0;
    case TlsVersion::k10:
      return TLS1_VERSION;
    case TlsVersion::k11:
      return TLS1_1_VERSION;
    case TlsVersion::k12:
      return TLS1_2_VERSION;
    case TlsVersion::k13:
      return TLS1_3_VERSION;
  }
  return 0;
}

// IANA's names in OpenSSL's words. Those of TLS 1.3 are always on and are left out.
base::Result<std::string> CiphersOf(const std::vector<std::string>& suites) {
  std::string out;
  if (suites.empty()) return out;
  internal::asio::ssl::context all(internal::asio::ssl::context::tls);
  SSL_CTX_set_security_level(all.native_handle(), 0);
  SSL_CTX_set_cipher_list(all.native_handle(), "ALL:COMPLEMENTOFALL");
  const STACK_OF(SSL_CIPHER)* ciphers = SSL_CTX_get_ciphers(all.native_handle());
  for (const std::string& suite : suites) {
    const SSL_CIPHER* found = nullptr;
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
      const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(ciphers, i);
      const char* name = SSL_CIPHER_standard_name(cipher);
      if (name != nullptr && suite == name) found = cipher;
    }
    if (found == nullptr) {
      return Fail(Code::kInvalidArgument, "invalid TLS cipher suite: \"{}\"", suite);
    }
    if (std::string_view(SSL_CIPHER_get_version(found)) == "TLSv1.3") continue;
    if (!out.empty()) out += ':';
    out += SSL_CIPHER_get_name(found);
  }
  return out;
}

std::string GroupsOf(const std::vector<std::string>& curves) {
  std::string out;
  for (const std::string& curve : curves) {
    if (!out.empty()) out += ':';
    out += curve.starts_with('P') ? "P-" + curve.substr(1) : curve;
  }
  return out;
}

base::Status SetProtocol(SSL_CTX* context, const TlsConfig& config) {
  // Debian's level forbids what is older, so asking for it has to lower the level.
  if (config.min_version == TlsVersion::k10 || config.min_version == TlsVersion::k11) {
    SSL_CTX_set_security_level(context, 0);
  }
  SSL_CTX_set_min_proto_version(context, ProtocolOf(config.min_version));
  SSL_CTX_set_max_proto_version(context, ProtocolOf(config.max_version));
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  ASSIGN_OR_RETURN(const std::string ciphers, CiphersOf(config.cipher_suites));
  if (!ciphers.empty()) SSL_CTX_set_cipher_list(context, ciphers.c_str());
  const std::string groups = GroupsOf(config.curve_preferences);
  if (!groups.empty()) SSL_CTX_set1_groups_list(context, groups.c_str());
  return {};
}

base::Status SetIdentity(internal::asio::ssl::context& context, const TlsConfig& config,
                         const PemTexts& texts) {
  ErrorCode error;
  // Without an answer OpenSSL would ask the terminal for a pass phrase.
  context.set_password_callback([](size_t, auto) { return std::string(); }, error);
  context.use_certificate_chain(internal::asio::buffer(texts.cert), error);
  if (error) {
    return Fail(Code::kInvalidArgument, "{}: no certificate in PEM: {}",
                NameOf(config.cert, "cert_pem"), error.message());
  }
  context.use_private_key(internal::asio::buffer(texts.key), internal::asio::ssl::context::pem,
                          error);
  if (!error) return {};
  const bool is_other =
      ERR_GET_REASON(static_cast<unsigned long>(error.value())) == X509_R_KEY_VALUES_MISMATCH;
  return Fail(Code::kInvalidArgument, "{}: {}", NameOf(config.key, "key_pem"),
              is_other ? "this key does not belong to the certificate"
                       : "no private key in PEM: " + error.message());
}

int AcceptAnyone(X509_STORE_CTX*, void*) { return 1; }

base::Status SetClients(internal::asio::ssl::context& context, const TlsServerConfig& config,
                        const PemTexts& texts) {
  using ClientAuth = TlsServerConfig::ClientAuth;
  SSL_CTX* const raw = context.native_handle();
  if (config.client_auth == ClientAuth::kNone) return {};
  const bool needed = config.client_auth == ClientAuth::kRequireAny ||
                      config.client_auth == ClientAuth::kRequireAndVerify;
  const bool verified = config.client_auth == ClientAuth::kVerifyIfGiven ||
                        config.client_auth == ClientAuth::kRequireAndVerify;
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | (needed ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     nullptr);
  // A session taken up again would bring a certificate that nobody looked at.
  SSL_CTX_set_options(raw, SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  if (!verified) {
    SSL_CTX_set_cert_verify_callback(raw, &AcceptAnyone, nullptr);
    return {};
  }
  ErrorCode error;
  context.add_certificate_authority(internal::asio::buffer(texts.client_ca), error);
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(texts.client_ca.data(), static_cast<int>(texts.client_ca.size())), &BIO_free);
  size_t count = 0;
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    SSL_CTX_add_client_CA(raw, certificate);
    X509_free(certificate);
    ++count;
  }
  ERR_clear_error();
  if (!error && count > 0) return {};
  return Fail(Code::kInvalidArgument, "{}: no certificate in PEM",
              NameOf(config.client_ca, "client_ca"));
}

base::Result<std::shared_ptr<internal::TlsContext>> MakeContext(const TlsServerConfig& config,
                                                                const PemTexts& texts) {
  auto context = std::make_shared<internal::TlsContext>();
  RETURN_IF_ERROR(SetProtocol(context->ssl.native_handle(), config));
  RETURN_IF_ERROR(SetIdentity(context->ssl, config, texts));
  RETURN_IF_ERROR(SetClients(context->ssl, config, texts));
  internal::ChooseProtocols(*context);
  return context;
}

bool IsDue(const TlsConfig& config, int64_t loaded_ns, int64_t now_ns) {
  return config.reload_interval.count() > 0 && now_ns - loaded_ns >= config.reload_interval.count();
}

}  // namespace

base::Result<std::shared_ptr<TlsServer>> TlsServer::Create(TlsServerConfig config, base::Env env,
                                                           base::Logger& logger) {
  std::shared_ptr<TlsServer> server(new TlsServer(std::move(config), env, logger));
  base::MutexLock lock(server->mutex_);
  if (base::Status status = server->Load(); !status.has_value()) {
    return std::unexpected(std::move(status).error().In("tls"));
  }
  return server;
}

base::Status TlsServer::Load() {
  loaded_ns_ = env_.clock.MonotonicNs();
  ASSIGN_OR_RETURN(PemTexts texts, ReadPems(config_, config_.client_ca, env_.files));
  if (context_ != nullptr && texts == texts_) return {};
  ASSIGN_OR_RETURN(context_, MakeContext(config_, texts));
  texts_ = std::move(texts);
  return {};
}

std::shared_ptr<internal::TlsContext> TlsServer::Current() {
  base::MutexLock lock(mutex_);
  if (IsDue(config_, loaded_ns_, env_.clock.MonotonicNs())) {
    if (const base::Status status = Load(); !status.has_value()) {
      logger_.Error("net", "certificates cannot be read again; those from before stay in use",
                    {{"error", status.error().message}});
    }
  }
  return context_;
}

base::Result<std::shared_ptr<TlsClient>> TlsClient::Create(config::TlsClientConfig config,
                                                           base::Env env, base::Logger& logger) {
  std::shared_ptr<TlsClient> client(new TlsClient(std::move(config), env, logger));
  auto ciphers = CiphersOf(client->config_.cipher_suites);
  if (!ciphers.has_value()) return std::unexpected(std::move(ciphers).error().In("tls"));
  client->ciphers_ = *std::move(ciphers);
  client->groups_ = GroupsOf(client->config_.curve_preferences);
  base::MutexLock lock(client->mutex_);
  if (base::Status status = client->Load(); !status.has_value()) {
    return std::unexpected(std::move(status).error().In("tls"));
  }
  return client;
}

base::Status TlsClient::Load() {
  loaded_ns_ = env_.clock.MonotonicNs();
  ASSIGN_OR_RETURN(PemTexts texts, ReadPems(config_, {}, env_.files));
  if (texts_ != nullptr && texts == *texts_) return {};
  // What curl could not use is better said now than with every request.
  internal::asio::ssl::context probe(internal::asio::ssl::context::tls_client);
  if (!config_.cert.empty()) RETURN_IF_ERROR(SetIdentity(probe, config_, texts));
  if (!config_.ca.empty()) {
    ErrorCode error;
    probe.add_certificate_authority(internal::asio::buffer(texts.ca), error);
    if (error || texts.ca.find("-----BEGIN") == std::string::npos) {
      return Fail(Code::kInvalidArgument, "{}: no certificate in PEM",
                  NameOf(config_.ca, "ca_pem"));
    }
  }
  texts_ = std::make_shared<const PemTexts>(std::move(texts));
  return {};
}

std::shared_ptr<const PemTexts> TlsClient::Current() {
  base::MutexLock lock(mutex_);
  if (IsDue(config_, loaded_ns_, env_.clock.MonotonicNs())) {
    if (const base::Status status = Load(); !status.has_value()) {
      logger_.Error("net", "certificates cannot be read again; those from before stay in use",
                    {{"error", status.error().message}});
    }
  }
  return texts_;
}

}  // namespace narthex::net
