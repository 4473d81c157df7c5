#include "attributes/actions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>
#include <re2/re2.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <map>

#include "base/check.h"
#include "model/number.h"

namespace narthex::attributes {
namespace {

using otlp::AnyValue;
using otlp::AttributeEditor;
using otlp::EncodeValue;

std::string Sha256Hex(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) == 1);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

std::string WordBytes(uint64_t word) {
  std::string bytes(sizeof(word), '\0');
  std::memcpy(bytes.data(), &word, sizeof(word));
  return bytes;
}

// The hash as text; empty text stays empty, and so do values without bytes of their own.
std::string Hashed(const AnyValue& value) {
  std::string bytes;
  switch (value.kind()) {
    case AnyValue::Kind::kString:
      bytes = value.bytes();
      break;
    case AnyValue::Kind::kBool:
      bytes = std::string(1, value.Bool() ? '\1' : '\0');
      break;
    case AnyValue::Kind::kInt:
      bytes = WordBytes(static_cast<uint64_t>(value.Int()));
      break;
    case AnyValue::Kind::kDouble:
      bytes = WordBytes(std::bit_cast<uint64_t>(value.Double()));
      break;
    default:
      break;
  }
  return EncodeValue(bytes.empty() ? bytes : Sha256Hex(bytes));
}

template <class T>
std::optional<T> ParseWhole(std::string_view text) {
  T value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// A double outside the range of int64 has no whole counterpart.
std::optional<int64_t> Truncate(double value) {
  constexpr double kLimit = 0x1p63;
  if (!(value >= -kLimit && value < kLimit)) return std::nullopt;
  return static_cast<int64_t>(value);
}

std::optional<int64_t> ToInt(const AnyValue& value) {
  switch (value.kind()) {
    case AnyValue::Kind::kString:
      return ParseWhole<int64_t>(value.bytes());
    case AnyValue::Kind::kBool:
      return value.Bool() ? 1 : 0;
    case AnyValue::Kind::kDouble:
      return Truncate(value.Double());
    default:
      return std::nullopt;
  }
}

std::optional<double> ToDouble(const AnyValue& value) {
  switch (value.kind()) {
    case AnyValue::Kind::kString:
      return model::ParseFloat(value.bytes());
    case AnyValue::Kind::kBool:
      return value.Bool() ? 1 : 0;
    case AnyValue::Kind::kInt:
      return static_cast<double>(value.Int());
    default:
      return std::nullopt;
  }
}

// The type that YAML gives to a scalar.
std::string ValueOf(const config::Node& node) {
  if (node.quoted) return EncodeValue(node.scalar);
  if (node.scalar == "true" || node.scalar == "false") return EncodeValue(node.scalar == "true");
  if (const auto whole = ParseWhole<int64_t>(node.scalar)) return EncodeValue(*whole);
  if (const auto number = ParseWhole<double>(node.scalar);
      number.has_value() && std::isfinite(*number)) {
    return EncodeValue(*number);
  }
  return EncodeValue(node.scalar);
}

// What came with a request under a name of `from_context`; nullopt where there is nothing.
std::optional<std::string> FromContext(const otlp::ClientInfo* client, std::string_view name) {
  constexpr std::string_view kMetadata = "metadata.", kAuth = "auth.";
  if (name == "client.address") return client != nullptr ? client->address : "";
  if (client == nullptr) return std::nullopt;
  if (name.starts_with(kAuth)) {
    const std::string* value = client->Auth(name.substr(kAuth.size()));
    return value != nullptr ? std::optional(*value) : std::nullopt;
  }
  // Without a prefix it is metadata, too, as it once was.
  if (name.starts_with(kMetadata)) name.remove_prefix(kMetadata.size());
  const auto values = client->Metadata(name);
  if (values.empty()) return std::nullopt;
  return fmt::format("{}", fmt::join(values, ";"));
}

std::vector<std::string> KeysMatching(const AttributeEditor& attributes, const re2::RE2& pattern) {
  std::vector<std::string> keys;
  for (const AttributeEditor::Item& item : attributes.items()) {
    if (re2::RE2::PartialMatch(re2::StringPiece(item.key.data(), item.key.size()), pattern)) {
      keys.emplace_back(item.key);
    }
  }
  return keys;
}

}  // namespace

Actions Actions::Read(config::MapReader& reader, std::string_view key,
                      config::Diagnostics& diagnostics) {
  Actions actions;
  const config::Node* list = reader.Take(key, "Required; done in order", "list");
  if (list == nullptr || !list->is_list() || list->items.empty()) {
    reader.Report(key, "must be a list with at least one action");
    return actions;
  }
  for (const config::Node& item : list->items) {
    actions.actions_.push_back(ReadAction(item, diagnostics));
  }
  return actions;
}

Actions::Action Actions::ReadAction(const config::Node& node, config::Diagnostics& diagnostics) {
  static constexpr std::pair<std::string_view, Kind> kKinds[] = {
      {"insert", Kind::kInsert},   {"update", Kind::kUpdate}, {"upsert", Kind::kUpsert},
      {"delete", Kind::kDelete},   {"hash", Kind::kHash},     {"extract", Kind::kExtract},
      {"convert", Kind::kConvert},
  };
  Action action;
  std::string word, pattern, type;
  config::MapReader reader(node, diagnostics);
  const config::KeyGroup group(reader, "Attribute actions");
  reader.Read("key", action.key, "The attribute");
  reader.Read("action", word,
              "`insert`, `update`, `upsert`, `delete`, `hash`, `extract` or `convert`");
  const bool has_pattern = reader.Read(
      "pattern", pattern, "Attributes to delete or hash; what to extract, with named groups");
  const bool has_type =
      reader.Read("converted_type", type, "Of `convert`: `int`, `double` or `string`");
  const auto* kind = std::ranges::find(kKinds, word, &std::pair<std::string_view, Kind>::first);
  if (kind == std::end(kKinds)) {
    reader.Report("action", fmt::format("unsupported action \"{}\"", word));
  } else {
    action.kind = kind->second;
  }
  ReadSource(reader, action);
  reader.Finish();
  if (has_pattern) {
    action.pattern = std::make_shared<const re2::RE2>(pattern, re2::RE2::Quiet);
    if (!action.pattern->ok()) reader.Report("pattern", action.pattern->error());
  }
  const bool takes_pattern = action.kind == Kind::kDelete || action.kind == Kind::kHash;
  if (action.key.empty() && !(takes_pattern && has_pattern)) {
    reader.Report("key", "must be given");
  }
  if (action.kind == Kind::kExtract) {
    if (!has_pattern) {
      reader.Report("pattern", "must be given for extract");
    } else if (action.pattern->ok() &&
               action.pattern->NumberOfCapturingGroups() !=
                   static_cast<int>(action.pattern->NamedCapturingGroups().size())) {
      reader.Report("pattern", "contains at least one unnamed matcher group");
    } else if (action.pattern->ok() && action.pattern->NamedCapturingGroups().empty()) {
      reader.Report("pattern", "needs at least one named matcher group");
    }
  } else if (has_pattern && !takes_pattern) {
    reader.Report("pattern", "only goes with extract, delete and hash");
  }
  if (action.kind == Kind::kConvert) {
    if (type == "int") {
      action.type = Type::kInt;
    } else if (type == "double") {
      action.type = Type::kDouble;
    } else if (type != "string") {
      reader.Report("converted_type", "must be int, double or string");
    }
  } else if (has_type) {
    reader.Report("converted_type", "only goes with convert");
  }
  return action;
}

void Actions::ReadSource(config::MapReader& reader, Action& action) {
  const config::Node* value =
      reader.Take("value", "What `insert`, `update` and `upsert` set", "any");
  const bool has_from = reader.Read("from_attribute", action.from_attribute,
                                    "Another attribute whose value they set");
  const bool has_context = reader.Read(
      "from_context", action.from_context,
      "What came with the request: `metadata.<key>`, `auth.<attribute>` or `client.address`");
  const bool wants_source =
      action.kind == Kind::kInsert || action.kind == Kind::kUpdate || action.kind == Kind::kUpsert;
  if (!wants_source) {
    if (value != nullptr || has_from || has_context) {
      reader.Report("action", "takes no value, no from_attribute and no from_context");
    }
    return;
  }
  if ((value != nullptr) + has_from + has_context != 1) {
    return reader.Report("action", "needs one of value, from_attribute and from_context");
  }
  if (value == nullptr) return;
  if (!value->is_scalar()) return reader.Report("value", "must be text, a number or a boolean");
  action.value = ValueOf(*value);
}

void Actions::Apply(AttributeEditor& attributes, const otlp::ClientInfo* client) const {
  for (const Action& action : actions_) ApplyOne(action, attributes, client);
}

void Actions::ApplyOne(const Action& action, AttributeEditor& attributes,
                       const otlp::ClientInfo* client) {
  switch (action.kind) {
    case Kind::kInsert:
    case Kind::kUpdate:
    case Kind::kUpsert:
      return Put(action, attributes, client);
    case Kind::kDelete:
      if (!action.key.empty()) attributes.Erase(action.key);
      if (action.pattern == nullptr) return;
      for (const auto& key : KeysMatching(attributes, *action.pattern)) attributes.Erase(key);
      return;
    case Kind::kHash: {
      std::vector<std::string> keys;
      if (action.pattern != nullptr) keys = KeysMatching(attributes, *action.pattern);
      if (!action.key.empty()) keys.push_back(action.key);
      for (const std::string& key : keys) {
        if (const auto value = attributes.Get(key)) attributes.Set(key, Hashed(*value));
      }
      return;
    }
    case Kind::kExtract:
      return Extract(action, attributes);
    case Kind::kConvert:
      return Convert(action, attributes);
  }
}

void Actions::Put(const Action& action, AttributeEditor& attributes,
                  const otlp::ClientInfo* client) {
  const bool is_present = attributes.Get(action.key).has_value();
  if (action.kind == Kind::kInsert ? is_present : action.kind == Kind::kUpdate && !is_present) {
    return;
  }
  if (!action.from_context.empty()) {
    if (const auto value = FromContext(client, action.from_context)) {
      attributes.Set(action.key, EncodeValue(std::string_view(*value)));
    }
    return;
  }
  if (action.from_attribute.empty()) return attributes.Set(action.key, action.value);
  for (const AttributeEditor::Item& item : attributes.items()) {
    if (item.key != action.from_attribute) continue;
    return attributes.Set(action.key, std::string(item.value));
  }
}

void Actions::Extract(const Action& action, AttributeEditor& attributes) {
  const auto source = attributes.Get(action.key);
  if (!source.has_value() || source->kind() != AnyValue::Kind::kString) return;
  const std::string text(source->bytes());
  const int groups = action.pattern->NumberOfCapturingGroups();
  std::vector<re2::StringPiece> found(static_cast<size_t>(groups) + 1);
  if (!action.pattern->Match(text, 0, text.size(), re2::RE2::UNANCHORED, found.data(),
                             groups + 1)) {
    return;
  }
  for (const auto& [number, name] : action.pattern->CapturingGroupNames()) {
    const re2::StringPiece& group = found[static_cast<size_t>(number)];
    attributes.Set(name, EncodeValue(std::string_view(group.data(), group.size())));
  }
}

void Actions::Convert(const Action& action, AttributeEditor& attributes) {
  const auto value = attributes.Get(action.key);
  if (!value.has_value()) return;
  switch (action.type) {
    case Type::kInt:
      if (const auto whole = ToInt(*value)) attributes.Set(action.key, EncodeValue(*whole));
      return;
    case Type::kDouble:
      if (const auto number = ToDouble(*value)) attributes.Set(action.key, EncodeValue(*number));
      return;
    case Type::kString:
      if (value->kind() != AnyValue::Kind::kString) {
        attributes.Set(action.key, EncodeValue(std::string_view(otlp::Text(*value))));
      }
      return;
  }
}

}  // namespace narthex::attributes
