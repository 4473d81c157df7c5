#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"

namespace narthex::discovery {

// Targets that were found together: each a set of labels with `__address__`, and labels that all of
// them have. A value.
struct TargetGroup {
  std::vector<std::vector<model::Label>> targets;
  std::vector<model::Label> labels;
  bool operator==(const TargetGroup&) const = default;
};

// A list of groups, [{targets: […], labels: {…}}], as files and HTTP answers have it; `where`
// stands in front of errors. Errors: kInvalidArgument with the place and what is wrong: nothing of
// a list with a mistake is taken. Source: Prometheus, configuration, file_sd_config.
base::Result<std::vector<TargetGroup>> ParseJsonTargets(std::string_view text,
                                                        std::string_view where);
base::Result<std::vector<TargetGroup>> ParseYamlTargets(std::string_view text,
                                                        std::string_view where);

}  // namespace narthex::discovery
