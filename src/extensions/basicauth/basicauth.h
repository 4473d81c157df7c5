#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "pipeline/auth.h"

namespace narthex::extensions {

// Checks names and passwords against an htpasswd list, or sends one. Passwords may stand in the
// list as they are or as `{SHA}`. Thread-safe.
// Source: opentelemetry-collector-contrib, extension/basicauthextension; RFC 7617.
class BasicAuth final : public pipeline::AuthExtension {
 public:
  struct Config {
    std::string file, inline_list;  // htpasswd; the latter wins where both know a name.
    std::optional<std::pair<std::string, std::string>> client;  // Name and password.
  };
  static std::unique_ptr<pipeline::Extension> Create(const pipeline::CreateContext& context);

  BasicAuth(Config config, pipeline::Host& host)
      : config_(std::move(config)), files_(host.env.files) {}
  // Reads the list. Error: kInvalidArgument for other kinds of hashes.
  base::Status Start() override;
  void Stop() override {}
  base::Status Authenticate(const HeaderOf& header_of) const override;
  base::Result<std::pair<std::string, std::string>> ClientHeader() const override;

 private:
  base::Status AddList(const std::string& text);

  const Config config_;
  base::FileSystem& files_;
  std::map<std::string, std::string, std::less<>> users_;  // Set by Start.
};

inline constexpr pipeline::ExtensionFactory kBasicAuth = {"basicauth", "basic_auth",
                                                          &BasicAuth::Create};

}  // namespace narthex::extensions
