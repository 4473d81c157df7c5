#include "pipeline/auth.h"

namespace narthex::pipeline {

const AuthExtension* ReadAuth(config::MapReader& reader, const CreateContext& context) {
  const config::Node* node = reader.Take("auth", "Who may come in, or as whom we go out");
  if (node == nullptr) return nullptr;
  std::string text;
  config::MapReader inner(*node, context.diagnostics);
  inner.Read("authenticator", text,
             "The id of an extension: `basicauth`, `bearertokenauth` or, for exporters, "
             "`headers_setter`");
  inner.Finish();
  return FindAuth(inner, context, "authenticator", text);
}

const AuthExtension* FindAuth(config::MapReader& reader, const CreateContext& context,
                              std::string_view key, const std::string& text) {
  const auto id = ComponentId::Parse(text);
  Extension* extension = id.has_value() ? context.FindExtension(*id) : nullptr;
  const auto* auth = dynamic_cast<const AuthExtension*>(extension);
  if (extension == nullptr) {
    reader.Report(
        key, fmt::format("references extension \"{}\" which is not in service::extensions", text));
  } else if (auth == nullptr) {
    reader.Report(key, fmt::format("extension \"{}\" is no authenticator", text));
  }
  return auth;
}

bool EqualsSecretly(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

}  // namespace narthex::pipeline
