#include "config/tls.h"

#include <algorithm>
#include <utility>

namespace narthex::config {
namespace {

constexpr std::pair<std::string_view, TlsVersion> kVersions[] = {
    {"1.0", TlsVersion::k10},   {"1.1", TlsVersion::k11},   {"1.2", TlsVersion::k12},
    {"1.3", TlsVersion::k13},   {"TLS10", TlsVersion::k10}, {"TLS11", TlsVersion::k11},
    {"TLS12", TlsVersion::k12}, {"TLS13", TlsVersion::k13},
};
constexpr std::string_view kCurves[] = {"X25519", "P256", "P384", "P521"};

void ReadPem(MapReader& reader, std::string_view file_key, std::string_view text_key, Pem& pem,
             std::string_view meaning) {
  reader.Read(file_key, pem.file, meaning);
  reader.Read(text_key, pem.text, fmt::format("The text of `{}` itself", file_key));
  if (!pem.file.empty() && !pem.text.empty()) {
    reader.Report(text_key, fmt::format("cannot be combined with {}", file_key));
  }
}

// `text`: what stands for no entry.
void ReadVersion(MapReader& reader, std::string_view key, std::string text, TlsVersion& version,
                 std::string_view meaning) {
  if (!reader.Read(key, text, meaning) || text.empty()) return;
  for (const auto& [name, value] : kVersions) {
    if (name != text) continue;
    version = value;
    return;
  }
  reader.Report(key, fmt::format("unsupported TLS version: \"{}\"", text));
}

void ReadVersions(MapReader& reader, TlsConfig& config) {
  ReadVersion(reader, "min_version", "1.2", config.min_version, "The oldest: `1.0` to `1.3`");
  ReadVersion(reader, "max_version", "", config.max_version, "The newest; without it, any");
  if (config.max_version != TlsVersion::kAny && config.max_version < config.min_version) {
    reader.Report("max_version", "must not be lower than min_version");
  }
}

void ReadCurves(MapReader& reader, TlsConfig& config) {
  std::vector<std::string> curves;
  if (!reader.Read("curve_preferences", curves,
                   "`X25519`, `P256`, `P384`, `P521`; without it, the library's"))
    return;
  for (const std::string& curve : curves) {
    std::string name = curve.starts_with("CurveP") ? curve.substr(5) : curve;
    if (std::ranges::find(kCurves, name) == std::end(kCurves)) {
      reader.Report(
          "curve_preferences",
          fmt::format("invalid curve \"{}\": X25519, P256, P384 and P521 are known", curve));
    }
    config.curve_preferences.push_back(std::move(name));
  }
}

void CheckIdentity(MapReader& reader, const TlsConfig& config) {
  if (config.cert.empty() == config.key.empty()) return;
  reader.Report(config.cert.empty() ? "cert_file" : "key_file",
                "TLS configuration must include both certificate and key");
}

// Keys of both ends.
void ReadCommon(MapReader& reader, TlsConfig& config) {
  ReadPem(reader, "ca_file", "ca_pem", config.ca,
          "Clients: whom we trust, in PEM; without it, the system's authorities");
  ReadPem(reader, "cert_file", "cert_pem", config.cert, "Who we are, in PEM; servers need it");
  ReadPem(reader, "key_file", "key_pem", config.key, "The key of the certificate");
  ReadVersions(reader, config);
  reader.Read("cipher_suites", config.cipher_suites,
              "By their IANA names; those of TLS 1.3 are always on; without it, the library's");
  ReadCurves(reader, config);
  int64_t interval_ns = 0;
  reader.ReadGoDuration("reload_interval", interval_ns,
                        "Files are looked at again after this long, when a connection comes; ones "
                        "that cannot be used are logged, and those from before stay. `0s`: never");
  if (interval_ns < 0) reader.Report("reload_interval", "must not be negative");
  config.reload_interval = std::chrono::nanoseconds(interval_ns);
  reader.Refuse({"tpm"}, "is not supported");
  CheckIdentity(reader, config);
}

// Prometheus's blocks have no key for it: files are read again when they have changed.
constexpr std::chrono::nanoseconds kReloadInterval = std::chrono::seconds(1);

}  // namespace

TlsServerConfig ReadTlsServer(const Node& node, Diagnostics& diagnostics) {
  TlsServerConfig config;
  MapReader reader(node, diagnostics);
  const KeyGroup group(reader, "TLS of servers");
  ReadCommon(reader, config);
  reader.Read("client_ca_file", config.client_ca.file,
              "Clients have to show a certificate of these authorities");
  bool reload_client_ca = false;
  reader.Read("client_ca_file_reload", reload_client_ca,
              "Files are looked at again after a second, where `reload_interval` says nothing");
  // Reading again what has not changed costs little: both are looked at together.
  if (reload_client_ca && config.reload_interval.count() == 0) {
    config.reload_interval = std::chrono::seconds(1);
  }
  // Accepted at this end because both ends share the block upstream.
  (void)reader.TakeWithoutEffect({"include_system_ca_certs_pool"});
  reader.Finish();
  if (config.cert.empty() && config.key.empty()) {
    reader.Report("cert_file", "TLS configuration must include both certificate and key");
  }
  if (!config.client_ca.empty()) {
    config.client_auth = TlsServerConfig::ClientAuth::kRequireAndVerify;
  }
  return config;
}

TlsClientConfig ReadTlsClient(const Node& node, Diagnostics& diagnostics) {
  TlsClientConfig config;
  MapReader reader(node, diagnostics);
  const KeyGroup group(reader, "TLS of clients");
  ReadCommon(reader, config);
  reader.Read("insecure", config.insecure, "No TLS, where the address has no scheme");
  reader.Read("insecure_skip_verify", config.insecure_skip_verify, "TLS with whoever answers");
  reader.Read("include_system_ca_certs_pool", config.include_system_cas,
              "The system's authorities as well");
  reader.Read("server_name_override", config.server_name,
              "The name that the certificate has to have, instead of the address's");
  reader.Finish();
  return config;
}

TlsClientConfig ReadScrapeTls(const Node& node, Diagnostics& diagnostics) {
  TlsClientConfig config;
  MapReader reader(node, diagnostics);
  ReadPem(reader, "ca_file", "ca", config.ca,
          "Whom we trust, in PEM; without it, the system's authorities");
  ReadPem(reader, "cert_file", "cert", config.cert, "Who we are, in PEM, where it is asked for");
  ReadPem(reader, "key_file", "key", config.key, "The key of the certificate");
  CheckIdentity(reader, config);
  ReadVersions(reader, config);
  reader.Read("server_name", config.server_name,
              "The name that the certificate has to have, instead of the address's");
  reader.Read("insecure_skip_verify", config.insecure_skip_verify, "TLS with whoever answers");
  reader.Finish();
  config.reload_interval = kReloadInterval;
  return config;
}

TlsServerConfig ReadWebTls(const Node& node, Diagnostics& diagnostics) {
  using ClientAuth = TlsServerConfig::ClientAuth;
  constexpr std::pair<std::string_view, ClientAuth> kClientAuth[] = {
      {"", ClientAuth::kNone},
      {"NoClientCert", ClientAuth::kNone},
      {"RequestClientCert", ClientAuth::kRequest},
      {"RequireAnyClientCert", ClientAuth::kRequireAny},
      {"RequireClientCert", ClientAuth::kRequireAny},
      {"VerifyClientCertIfGiven", ClientAuth::kVerifyIfGiven},
      {"RequireAndVerifyClientCert", ClientAuth::kRequireAndVerify},
  };
  TlsServerConfig config;
  MapReader reader(node, diagnostics);
  ReadPem(reader, "cert_file", "cert", config.cert, {});
  ReadPem(reader, "key_file", "key", config.key, {});
  ReadPem(reader, "client_ca_file", "client_ca", config.client_ca, {});
  ReadVersions(reader, config);
  reader.Read("cipher_suites", config.cipher_suites);
  ReadCurves(reader, config);
  bool prefer_server_suites = true;
  reader.Read("prefer_server_cipher_suites", prefer_server_suites);
  std::string client_auth;
  reader.Read("client_auth_type", client_auth);
  if (reader.Take("client_allowed_sans") != nullptr) {
    reader.Report("client_allowed_sans", "is not supported");
  }
  reader.Finish();
  const auto* const known =
      std::ranges::find(kClientAuth, client_auth, &std::pair<std::string_view, ClientAuth>::first);
  if (known == std::end(kClientAuth)) {
    reader.Report("client_auth_type", fmt::format("invalid ClientAuth \"{}\"", client_auth));
  } else {
    config.client_auth = known->second;
  }
  const bool verifies = config.client_auth == ClientAuth::kVerifyIfGiven ||
                        config.client_auth == ClientAuth::kRequireAndVerify;
  if (config.cert.empty()) reader.Report("cert_file", "missing one of cert or cert_file");
  if (config.key.empty()) reader.Report("key_file", "missing one of key or key_file");
  if (verifies && config.client_ca.empty()) {
    reader.Report("client_auth_type", "needs client_ca_file");
  }
  if (!config.client_ca.empty() && config.client_auth == ClientAuth::kNone) {
    reader.Report("client_ca_file",
                  "Client CA's have been configured without a Client Auth Policy");
  }
  config.reload_interval = kReloadInterval;
  return config;
}

}  // namespace narthex::config
