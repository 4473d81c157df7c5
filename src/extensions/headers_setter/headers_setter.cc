#include "extensions/headers_setter/headers_setter.h"

#include <algorithm>
#include <optional>

namespace narthex::extensions {
namespace {

using base::Code;
using base::Fail;
using Header = HeadersSetter::Header;

constexpr std::pair<std::string_view, Header::Action> kActions[] = {
    {"insert", Header::Action::kInsert},
    {"update", Header::Action::kUpdate},
    {"upsert", Header::Action::kUpsert},
    {"delete", Header::Action::kDelete},
};

bool IsHeaderText(std::string_view text) {
  return std::ranges::none_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; });
}

Header ReadHeader(const config::Node& node, config::Diagnostics& diagnostics) {
  Header header;
  std::string action = "upsert";
  config::MapReader reader(node, diagnostics);
  reader.Read("key", header.key, "The header's name; required");
  reader.Read("action", action,
              "`insert` where it is not there, `update` where it is, `upsert` or `delete`");
  size_t sources = 0;
  const auto source = [&](std::string_view key, Header::Source kind, std::string_view meaning) {
    if (!reader.Read(key, header.text, meaning)) return;
    header.source = kind;
    ++sources;
  };
  source("value", Header::Source::kValue, "What it is set to");
  source("value_file", Header::Source::kFile, "A file with its value, read for every request");
  source("from_context", Header::Source::kContext,
         "Metadata of the request that brought the data: its receiver needs `include_metadata`, "
         "and the `batch` processor the key in `metadata_keys`");
  source("from_attribute", Header::Source::kAttribute,
         "What an authenticator of the receiver knows of the sender, such as `username`");
  reader.Read("default_value", header.default_value, "Where the source has nothing");
  reader.Finish();
  const bool is_name =
      IsHeaderText(header.key) && header.key.find_first_of(" :\t") == std::string::npos;
  if (header.key.empty()) {
    reader.Report("key", "missing header name");
  } else if (!is_name) {
    reader.Report("key", fmt::format("\"{}\" is not a header", header.key));
  }
  const auto* found =
      std::ranges::find(kActions, action, &std::pair<std::string_view, Header::Action>::first);
  if (found == std::end(kActions)) {
    reader.Report("action", "must be insert, update, upsert or delete");
    return header;
  }
  header.action = found->second;
  if (header.action == Header::Action::kDelete) return header;
  if (sources == 0) {
    reader.Report("key",
                  "missing header source, must be 'from_context', 'from_attribute', 'value', or "
                  "'value_file'");
  } else if (sources > 1) {
    reader.Report("key",
                  "invalid header source, must be only one of 'from_context', 'from_attribute', "
                  "'value', or 'value_file'");
  }
  return header;
}

}  // namespace

std::unique_ptr<pipeline::Extension> HeadersSetter::Create(const pipeline::CreateContext& context) {
  Config config;
  config::MapReader reader(context.config, context.diagnostics);
  const config::Node* list = reader.Take("headers", "Required; done in order", "list");
  if (list == nullptr || !list->is_list() || list->items.empty()) {
    reader.Report("headers", "missing headers configuration");
  } else {
    for (const config::Node& item : list->items) {
      config.headers.push_back(ReadHeader(item, context.diagnostics));
    }
  }
  std::string id;
  if (reader.Read("additional_auth", id,
                  "The id of another authenticator, whose headers are set first")) {
    config.additional = pipeline::FindAuth(reader, context, "additional_auth", id);
  }
  reader.Finish();
  return std::make_unique<HeadersSetter>(std::move(config), context.host);
}

base::Result<HeadersSetter::Identity> HeadersSetter::Authenticate(const HeaderOf&) const {
  return Fail(Code::kFailedPrecondition, "headers_setter is for exporters only");
}

base::Result<std::string> HeadersSetter::ValueOf(const Header& header,
                                                 const otlp::ClientInfo* client) const {
  switch (header.source) {
    case Header::Source::kValue:
      return header.text;
    case Header::Source::kFile: {
      ASSIGN_OR_RETURN(std::string value, base::ReadFile(files_, header.text));
      while (value.ends_with('\n') || value.ends_with('\r')) value.pop_back();
      return value;
    }
    case Header::Source::kContext: {
      if (client == nullptr) return header.default_value;
      const auto values = client->Metadata(header.text);
      if (values.size() > 1) {
        return Fail(Code::kInvalidArgument,
                    "{} source keys found in the context, can't determine which one to use",
                    values.size());
      }
      return values.empty() ? header.default_value : values[0];
    }
    case Header::Source::kAttribute: {
      const std::string* value = client != nullptr ? client->Auth(header.text) : nullptr;
      return value != nullptr ? *value : header.default_value;
    }
  }
  return "";
}

base::Status HeadersSetter::SetHeaders(pipeline::HeaderList& headers,
                                       const otlp::ClientInfo* client) const {
  if (config_.additional != nullptr) {
    RETURN_IF_ERROR(config_.additional->SetHeaders(headers, client));
  }
  for (const Header& header : config_.headers) {
    if (header.action == Header::Action::kDelete) {
      headers.Erase(header.key);
      continue;
    }
    ASSIGN_OR_RETURN(const std::string value, ValueOf(header, client));
    const bool is_present = headers.Find(header.key) != nullptr;
    const bool is_wanted = header.action == Header::Action::kUpsert ||
                           (header.action == Header::Action::kUpdate) == is_present;
    // What a sender puts there must not become further headers.
    if (!is_wanted || value.empty()) continue;
    if (!IsHeaderText(value)) {
      return Fail(Code::kInvalidArgument, "the value for the header {} is none", header.key);
    }
    headers.Set(header.key, value);
  }
  return {};
}

}  // namespace narthex::extensions
