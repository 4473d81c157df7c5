#include "pipeline/auth.h"

namespace narthex::pipeline {

const AuthExtension* ReadAuth(config::MapReader& reader, const CreateContext& context) {
  const config::Node* node = reader.Take("auth", "Who may come in, or as whom we go out");
  if (node == nullptr) return nullptr;
  std::string text;
  config::MapReader inner(*node, context.diagnostics);
  inner.Read("authenticator", text, "The id of an extension: `basicauth` or `bearertokenauth`");
  inner.Finish();
  const auto id = ComponentId::Parse(text);
  Extension* extension = id.has_value() ? context.FindExtension(*id) : nullptr;
  const auto* auth = dynamic_cast<const AuthExtension*>(extension);
  if (extension == nullptr) {
    inner.Report(
        "authenticator",
        fmt::format("references extension \"{}\" which is not in service::extensions", text));
  } else if (auth == nullptr) {
    inner.Report("authenticator", fmt::format("extension \"{}\" is no authenticator", text));
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
