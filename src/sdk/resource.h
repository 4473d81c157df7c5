#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "sdk/attributes.h"

namespace narthex::sdk {

// Who sends the metrics: "service.name" and so on. Immutable.
class Resource {
 public:
  // With `telemetry.sdk.*`, and with `service.name=unknown_service` where `attributes` name none.
  static Resource Create(Attributes attributes = {});
  static Resource Create(AttributeList attributes) { return Create(Span(attributes)); }

  // Exactly these.
  explicit Resource(AttributeSet attributes) : attributes_(std::move(attributes)) {}

  const AttributeSet& attributes() const { return attributes_; }
  // Both together; those of `other` win.
  Resource Merge(const Resource& other) const;

 private:
  AttributeSet attributes_;
};

// The value of OTEL_RESOURCE_ATTRIBUTES: "key=value,key=value", percent-encoded.
// Error: kInvalidArgument, and then none of them counts.
base::Result<AttributeSet> ParseResourceAttributes(std::string_view text);

}  // namespace narthex::sdk
