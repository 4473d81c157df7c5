#include "relabel/relabel.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/bytes.h"
#include "base/check.h"

namespace narthex::relabel {
namespace {

using base::Code;
using base::Fail;

constexpr std::array<std::pair<std::string_view, Action>, 11> kActions = {{
    {"replace", Action::kReplace},
    {"keep", Action::kKeep},
    {"drop", Action::kDrop},
    {"keepequal", Action::kKeepEqual},
    {"dropequal", Action::kDropEqual},
    {"hashmod", Action::kHashMod},
    {"labelmap", Action::kLabelMap},
    {"labeldrop", Action::kLabelDrop},
    {"labelkeep", Action::kLabelKeep},
    {"lowercase", Action::kLowercase},
    {"uppercase", Action::kUppercase},
}};

// The last 8 bytes of the MD5 sum, big endian.
uint64_t Md5Tail(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  CHECK(EVP_Digest(text.data(), text.size(), digest, &size, EVP_md5(), nullptr) == 1);
  CHECK(size == 16);
  return base::LoadBigEndian<uint64_t>(reinterpret_cast<const char*>(digest) + 8);
}

std::string Join(const Rule::Spec& spec, const model::LabelsBuilder& labels) {
  std::string joined;
  for (size_t i = 0; i < spec.source_labels.size(); ++i) {
    if (i > 0) joined += spec.separator;
    joined += labels.Get(spec.source_labels[i]);
  }
  return joined;
}

std::string MapCase(std::string text, int (*map)(int)) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x80) c = static_cast<char>(map(c));
  }
  return text;
}

bool ApplyOne(const Rule& rule, model::LabelsBuilder& labels) {
  const Rule::Spec& spec = rule.spec;
  const auto source = [&] { return Join(spec, labels); };
  switch (spec.action) {
    case Action::kKeep:
      return rule.regex.Matches(source());
    case Action::kDrop:
      return !rule.regex.Matches(source());
    case Action::kKeepEqual:
      return source() == labels.Get(spec.target_label);
    case Action::kDropEqual:
      return source() != labels.Get(spec.target_label);
    case Action::kReplace: {
      const std::string from = source();
      std::string target;
      if (!rule.regex.Expand(from, spec.target_label, &target)) return true;
      if (target.empty() || !model::IsValidUtf8(target)) return true;
      std::string value;
      rule.regex.Expand(from, spec.replacement, &value);
      labels.Set(target, value);
      return true;
    }
    case Action::kLowercase:
      labels.Set(spec.target_label, MapCase(source(), &std::tolower));
      return true;
    case Action::kUppercase:
      labels.Set(spec.target_label, MapCase(source(), &std::toupper));
      return true;
    case Action::kHashMod:
      labels.Set(spec.target_label, std::to_string(Md5Tail(source()) % spec.modulus));
      return true;
    case Action::kLabelMap: {
      const std::vector<model::Label> before = labels.labels();
      std::string name;
      for (const model::Label& label : before) {
        if (rule.regex.Expand(label.name, spec.replacement, &name)) labels.Set(name, label.value);
      }
      return true;
    }
    case Action::kLabelDrop:
    case Action::kLabelKeep: {
      const std::vector<model::Label> before = labels.labels();
      for (const model::Label& label : before) {
        if (rule.regex.Matches(label.name) == (spec.action == Action::kLabelDrop)) {
          labels.Delete(label.name);
        }
      }
      return true;
    }
  }
  return true;
}

}  // namespace

base::Result<Action> ParseAction(std::string_view name) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const auto& [known, action] : kActions) {
    if (known == lower) return action;
  }
  return Fail(Code::kInvalidArgument, "unknown relabel action \"{}\"", name);
}

base::Result<Rule> Rule::From(Spec spec) {
  const bool needs_target = spec.action == Action::kReplace || spec.action == Action::kHashMod ||
                            spec.action == Action::kKeepEqual ||
                            spec.action == Action::kDropEqual ||
                            spec.action == Action::kLowercase || spec.action == Action::kUppercase;
  if (needs_target && spec.target_label.empty()) {
    return Fail(Code::kInvalidArgument, "this relabel action requires \"target_label\"");
  }
  if (spec.action == Action::kHashMod && spec.modulus == 0) {
    return Fail(Code::kInvalidArgument, "the hashmod action requires a \"modulus\" above 0");
  }
  const Spec defaults;
  const bool only_regex = spec.action == Action::kLabelDrop || spec.action == Action::kLabelKeep;
  if (only_regex &&
      (!spec.source_labels.empty() || !spec.target_label.empty() || spec.modulus != 0 ||
       spec.separator != defaults.separator || spec.replacement != defaults.replacement)) {
    return Fail(Code::kInvalidArgument, "labeldrop and labelkeep take only \"regex\"");
  }
  const bool only_equal = spec.action == Action::kKeepEqual || spec.action == Action::kDropEqual;
  if (only_equal &&
      (spec.regex != defaults.regex || spec.modulus != 0 || spec.separator != defaults.separator ||
       spec.replacement != defaults.replacement)) {
    return Fail(Code::kInvalidArgument,
                "keepequal and dropequal take only \"source_labels\" and \"target_label\"");
  }
  ASSIGN_OR_RETURN(model::AnchoredRegex regex, model::AnchoredRegex::Compile(spec.regex));
  return Rule{std::move(spec), std::move(regex)};
}

bool Apply(std::span<const Rule> rules, model::LabelsBuilder& labels) {
  return std::ranges::all_of(rules, [&](const Rule& rule) { return ApplyOne(rule, labels); });
}

}  // namespace narthex::relabel
