#include "discovery/target_group.h"

#include <fmt/core.h>

#include "config/reader.h"
#include "config/yaml.h"
#include "json/reader.h"

namespace narthex::discovery {
namespace {

using base::Code;
using base::Fail;

constexpr std::string_view kAddress = "__address__";

// Why a label cannot be taken; empty when it can.
std::string_view Objection(std::string_view name, std::string_view value) {
  if (name.empty() || !model::IsValidUtf8(name)) return "is not a valid label name";
  if (!model::IsValidUtf8(value)) return "has a value that is not UTF-8";
  return "";
}

base::Status ReadJsonLabels(json::Element labels, TargetGroup& group) {
  if (labels.is_null()) return {};
  if (labels.kind() != json::Kind::kObject) {
    return Fail(Code::kInvalidArgument, "labels: expected an object");
  }
  base::Status status;
  labels.ForEachMember([&](std::string_view name, json::Element value) {
    const auto text = value.String();
    if (!text) {
      status = Fail(Code::kInvalidArgument, "label \"{}\": expected a string", name);
    } else if (const std::string_view why = Objection(name, *text); !why.empty()) {
      status = Fail(Code::kInvalidArgument, "label \"{}\" {}", name, why);
    } else {
      group.labels.push_back({std::string(name), std::string(*text)});
    }
    return status.has_value();
  });
  return status;
}

base::Status ReadJsonAddresses(json::Element targets, TargetGroup& group) {
  if (targets.is_null()) return {};
  if (targets.kind() != json::Kind::kArray) {
    return Fail(Code::kInvalidArgument, "targets: expected an array");
  }
  base::Status status;
  targets.ForEachItem([&](json::Element item) {
    const auto text = item.String();
    if (!text) {
      status = Fail(Code::kInvalidArgument, "targets: expected strings");
      return false;
    }
    group.targets.push_back({{std::string(kAddress), std::string(*text)}});
    return true;
  });
  return status;
}

base::Result<TargetGroup> ReadJsonGroup(json::Element item) {
  TargetGroup group;
  if (item.kind() != json::Kind::kObject) {
    return Fail(Code::kInvalidArgument, "expected an object");
  }
  base::Status status;
  item.ForEachMember([&](std::string_view name, json::Element value) {
    if (name == "targets") {
      status = ReadJsonAddresses(value, group);
    } else if (name == "labels") {
      status = ReadJsonLabels(value, group);
    } else {
      status = Fail(Code::kInvalidArgument, "unknown field \"{}\"", name);
    }
    return status.has_value();
  });
  RETURN_IF_ERROR(std::move(status));
  return group;
}

void ReadYamlLabels(const config::Node& node, config::Diagnostics& diagnostics,
                    TargetGroup& group) {
  if (!node.is_map()) return diagnostics.Add(node.at, "labels: expected a map");
  for (const auto& [name, value] : node.members) {
    if (!value.is_scalar() && !value.is_null()) {
      diagnostics.Add(value.at, fmt::format("label \"{}\": expected text", name.scalar));
    } else if (const std::string_view why = Objection(name.scalar, value.scalar); !why.empty()) {
      diagnostics.Add(name.at, fmt::format("label \"{}\" {}", name.scalar, why));
    } else {
      group.labels.push_back({name.scalar, value.scalar});
    }
  }
}

}  // namespace

base::Result<std::vector<TargetGroup>> ParseJsonTargets(std::string_view text,
                                                        std::string_view where) {
  base::Result<json::Document> document = json::Document::Parse(text);
  if (!document) return std::unexpected(std::move(document).error().In(where));
  const json::Element root = document->root();
  if (root.kind() != json::Kind::kArray) {
    return Fail(Code::kInvalidArgument, "{}: expected an array of target groups", where);
  }
  std::vector<TargetGroup> groups;
  base::Status status;
  root.ForEachItem([&](json::Element item) {
    base::Result<TargetGroup> group = ReadJsonGroup(item);
    if (group) {
      groups.push_back(*std::move(group));
      return true;
    }
    status = std::unexpected(
        std::move(group).error().In(fmt::format("{}: target group {}", where, groups.size())));
    return false;
  });
  RETURN_IF_ERROR(std::move(status));
  return groups;
}

base::Result<std::vector<TargetGroup>> ParseYamlTargets(std::string_view text,
                                                        std::string_view where) {
  ASSIGN_OR_RETURN(const config::Node root, config::ParseYaml(text, where));
  std::vector<TargetGroup> groups;
  if (root.is_null()) return groups;
  config::Diagnostics diagnostics{std::string(where)};
  if (!root.is_list()) diagnostics.Add(root.at, "expected a list of target groups");
  for (const config::Node& item : root.items) {
    if (!item.is_map()) {
      diagnostics.Add(item.at, "expected a target group");
      continue;
    }
    TargetGroup group;
    config::MapReader reader(item, diagnostics);
    std::vector<std::string> addresses;
    reader.Read("targets", addresses);
    for (std::string& address : addresses) {
      group.targets.push_back({{std::string(kAddress), std::move(address)}});
    }
    if (const config::Node* const labels = reader.Take("labels")) {
      ReadYamlLabels(*labels, diagnostics, group);
    }
    reader.Finish();
    groups.push_back(std::move(group));
  }
  RETURN_IF_ERROR(diagnostics.ToStatus());
  return groups;
}

}  // namespace narthex::discovery
