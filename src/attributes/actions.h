#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/reader.h"
#include "otlp/client_info.h"
#include "otlp/edit.h"

namespace re2 {
class RE2;
}

namespace narthex::attributes {

// A list of changes to attributes, as configuration files write them: `insert`, `update`, `upsert`,
// `delete`, `hash`, `extract` and `convert`, done in order. Immutable, and so thread-safe.
// Source: OpenTelemetry Collector, attributesprocessor.
class Actions {
 public:
  // `reader.key` holds the list. What is wrong is reported.
  static Actions Read(config::MapReader& reader, std::string_view key,
                      config::Diagnostics& diagnostics);

  // `client`: whose request it is, for `from_context`; may be null.
  void Apply(otlp::AttributeEditor& attributes, const otlp::ClientInfo* client) const;

 private:
  enum class Kind { kInsert, kUpdate, kUpsert, kDelete, kHash, kExtract, kConvert };
  enum class Type { kInt, kDouble, kString };
  struct Action {
    Kind kind = Kind::kInsert;
    std::string key;
    std::string value;  // The bytes of an AnyValue.
    // Instead of `value`, where not empty.
    std::string from_attribute;
    std::string from_context;
    std::shared_ptr<const re2::RE2> pattern;
    Type type = Type::kString;
  };

  static Action ReadAction(const config::Node& node, config::Diagnostics& diagnostics);
  static void ReadSource(config::MapReader& reader, Action& action);
  static void ApplyOne(const Action& action, otlp::AttributeEditor& attributes,
                       const otlp::ClientInfo* client);
  static void Put(const Action& action, otlp::AttributeEditor& attributes,
                  const otlp::ClientInfo* client);
  static void Extract(const Action& action, otlp::AttributeEditor& attributes);
  static void Convert(const Action& action, otlp::AttributeEditor& attributes);

  std::vector<Action> actions_;
};

}  // namespace narthex::attributes
