#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "config/reader.h"

namespace narthex::config {

// The `tls` blocks of configuration files as values; nothing is opened here.
// Source: OpenTelemetry Collector, configtls; Prometheus, web configuration file and tls_config.

// A certificate or key: the path of its file, or its text in the configuration itself.
struct Pem {
  std::string file;
  std::string text;
  bool empty() const { return file.empty() && text.empty(); }
  bool operator==(const Pem&) const = default;
};

enum class TlsVersion : uint8_t { kAny, k10, k11, k12, k13 };

// What both ends have in common.
struct TlsConfig {
  Pem ca, cert, key;
  TlsVersion min_version = TlsVersion::k12;
  TlsVersion max_version = TlsVersion::kAny;
  std::vector<std::string> cipher_suites;       // IANA's names; those of TLS 1.2 and before.
  std::vector<std::string> curve_preferences;   // "X25519", "P256"; empty: the library's.
  std::chrono::nanoseconds reload_interval{0};  // Files are read again after so long; 0: never.
  bool operator==(const TlsConfig&) const = default;
};

struct TlsServerConfig : TlsConfig {
  enum class ClientAuth : uint8_t {
    kNone,
    kRequest,        // A certificate is asked for; none is needed, any will do.
    kRequireAny,     // It has to be there; who signed it does not matter.
    kVerifyIfGiven,  // None is needed; one that is there has to be right.
    kRequireAndVerify,
  };
  Pem client_ca;
  ClientAuth client_auth = ClientAuth::kNone;
};

struct TlsClientConfig : TlsConfig {
  bool insecure = false;              // No TLS at all.
  bool insecure_skip_verify = false;  // TLS with whoever answers.
  bool include_system_cas = false;    // Next to `ca`.
  std::string server_name;            // Expected in the certificate, instead of the address' host.
  bool operator==(const TlsClientConfig&) const = default;
};

// A collector's blocks. What is wrong is reported at its place.
TlsServerConfig ReadTlsServer(const Node& node, Diagnostics& diagnostics);
TlsClientConfig ReadTlsClient(const Node& node, Diagnostics& diagnostics);
// `tls_config` of Prometheus's scrape jobs. Source: Prometheus, configuration, tls_config.
TlsClientConfig ReadScrapeTls(const Node& node, Diagnostics& diagnostics);
// `tls_server_config` of Prometheus's web configuration file.
TlsServerConfig ReadWebTls(const Node& node, Diagnostics& diagnostics);

}  // namespace narthex::config
