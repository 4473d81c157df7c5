#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/matcher.h"

namespace narthex::relabel {

enum class Action {
  kReplace,
  kKeep,
  kDrop,
  kKeepEqual,
  kDropEqual,
  kHashMod,
  kLabelMap,
  kLabelDrop,
  kLabelKeep,
  kLowercase,
  kUppercase,
};

// "replace", "labelmap", … in any case. Error: kInvalidArgument for an unknown action.
base::Result<Action> ParseAction(std::string_view name);

// One relabelling rule. Immutable once built; thread-safe.
// Source: Prometheus, configuration, relabel_config.
struct Rule {
  // What a configuration says; From checks that the parts fit the action.
  struct Spec {
    Action action = Action::kReplace;
    std::vector<std::string> source_labels;
    std::string separator = ";";
    std::string regex = "(.*)";
    uint64_t modulus = 0;
    std::string target_label;
    std::string replacement = "$1";
    bool operator==(const Spec&) const = default;
  };
  static base::Result<Rule> From(Spec spec);

  bool operator==(const Rule& other) const { return spec == other.spec; }

  Spec spec;
  model::AnchoredRegex regex;  // Of the spec's.
};

// Applies the rules in order. False when one of them drops the labels.
bool Apply(std::span<const Rule> rules, model::LabelsBuilder& labels);

}  // namespace narthex::relabel
