#include "net/testing/certificates.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "base/check.h"

namespace narthex::net {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

template <class Write>
std::string ToPem(Write write) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  CHECK(write(bio.get()) == 1);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &bytes);
  return {bytes, static_cast<size_t>(size)};
}

void AddExtension(X509* certificate, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  CHECK(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

Certificate Unsigned(EVP_PKEY* key, const std::string& name) {
  Certificate certificate(X509_new(), &X509_free);
  CHECK(certificate != nullptr && X509_set_version(certificate.get(), 2) == 1);
  // Two certificates of one authority must not share a number.
  static std::atomic<long> serial{1};
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 86'400);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return certificate;
}

}  // namespace

RsaKey MakeRsaKey(const std::string& passphrase) {
  const Key key(EVP_RSA_gen(2048), &EVP_PKEY_free);
  const EVP_CIPHER* const cipher = passphrase.empty() ? nullptr : EVP_aes_128_cbc();
  return {ToPem([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(
                bio, key.get(), cipher, reinterpret_cast<const unsigned char*>(passphrase.data()),
                static_cast<int>(passphrase.size()), nullptr, nullptr);
          }),
          ToPem([&](BIO* bio) { return PEM_write_bio_PUBKEY(bio, key.get()); })};
}

struct CertificateAuthority::Keys {
  Key key{EVP_EC_gen("P-256"), &EVP_PKEY_free};
  Certificate certificate{nullptr, &X509_free};
};

CertificateAuthority::CertificateAuthority(const std::string& name)
    : keys_(std::make_unique<Keys>()) {
  keys_->certificate = Unsigned(keys_->key.get(), name);
  X509* const certificate = keys_->certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  AddExtension(certificate, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  CHECK(X509_sign(certificate, keys_->key.get(), EVP_sha256()) > 0);
  cert_ = ToPem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

CertificateAuthority::~CertificateAuthority() = default;

Identity CertificateAuthority::Issue(const std::string& name) const {
  const Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const Certificate certificate = Unsigned(key.get(), name);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(keys_->certificate.get()));
  AddExtension(certificate.get(), NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost,DNS:" + name);
  AddExtension(certificate.get(), NID_ext_key_usage, "serverAuth,clientAuth");
  CHECK(X509_sign(certificate.get(), keys_->key.get(), EVP_sha256()) > 0);
  return {ToPem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()); }),
          ToPem([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

std::shared_ptr<TlsServer> ServerTls(const Identity& identity, config::TlsServerConfig config) {
  config.cert.text = identity.cert;
  config.key.text = identity.key;
  return TlsServer::Create(std::move(config), base::RealEnv(), base::NullLogger()).value();
}

std::shared_ptr<TlsClient> ClientTls(const std::string& ca, config::TlsClientConfig config) {
  config.ca.text = ca;
  return TlsClient::Create(std::move(config), base::RealEnv(), base::NullLogger()).value();
}

}  // namespace narthex::net
