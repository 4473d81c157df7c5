#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipeline/auth.h"

namespace narthex::extensions {

// Sets headers of our own requests to fixed values, or to what came with the data that they carry:
// a tenant's name goes on to where it is needed. A file is read for every request, so that it may
// be replaced. Thread-safe.
// Source: opentelemetry-collector-contrib, extension/headerssetterextension.
class HeadersSetter final : public pipeline::AuthExtension {
 public:
  struct Header {
    enum class Action { kInsert, kUpdate, kUpsert, kDelete };
    enum class Source { kValue, kFile, kContext, kAttribute };
    std::string key;
    Action action = Action::kUpsert;
    Source source = Source::kValue;
    std::string text;           // The value, or the name of its source.
    std::string default_value;  // Where the source has nothing.
  };
  struct Config {
    std::vector<Header> headers;
    const pipeline::AuthExtension* additional = nullptr;  // Has its turn first.
  };
  static std::unique_ptr<pipeline::Extension> Create(const pipeline::CreateContext& context);

  HeadersSetter(Config config, pipeline::Host& host)
      : config_(std::move(config)), files_(host.env.files) {}
  base::Status Start() override { return {}; }
  void Stop() override {}
  // Error: kFailedPrecondition always.
  base::Result<Identity> Authenticate(const HeaderOf& header_of) const override;
  // Errors besides: kInvalidArgument where the source has several values. A header without a value
  // is left alone.
  base::Status SetHeaders(pipeline::HeaderList& headers,
                          const otlp::ClientInfo* client) const override;

 private:
  base::Result<std::string> ValueOf(const Header& header, const otlp::ClientInfo* client) const;

  const Config config_;
  base::FileSystem& files_;
};

inline constexpr pipeline::ExtensionFactory kHeadersSetter = {
    "headers_setter", "", &HeadersSetter::Create, "additional_auth"};

}  // namespace narthex::extensions
