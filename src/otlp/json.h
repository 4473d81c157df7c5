#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "otlp/batch.h"

namespace narthex::otlp {

// OTLP/JSON. Both ways lead through protobuf, the one form that batches have.
// Source: OTLP specification 1.11, "JSON Protobuf Encoding".

// Takes what the specification and the official collector take: lowerCamelCase or snake_case keys,
// 64-bit integers as numbers or strings, numeric strings for any number, enumerators by number or
// name, null for absent; unknown keys are ignored.
// Error: kInvalidArgument, naming the key whose value has the wrong shape.
base::Result<Batch> DecodeMetricsJson(std::string_view json);

// The protobuf bytes of a request in JSON.
base::Result<std::string> ProtobufFromJson(std::string_view json);

// A batch as compact JSON.
std::string EncodeMetricsJson(const Batch& batch);

}  // namespace narthex::otlp
