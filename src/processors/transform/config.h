#pragma once

#include <vector>

#include "ottl/condition.h"
#include "ottl/statement.h"
#include "pipeline/factory.h"

namespace narthex::processors {

// What the transform processor does. Values.
struct TransformConfig {
  // After a statement that fails: give the batch up, log and go on, or go on.
  enum class ErrorMode { kPropagate, kIgnore, kSilent };
  // Statements of one level, done in order for each item of it.
  struct Group {
    ottl::Level level = ottl::Level::kMetric;
    ErrorMode error_mode = ErrorMode::kIgnore;
    std::vector<ottl::Condition> conditions;  // One has to hold, where there are any.
    std::vector<ottl::Statement> statements;
  };
  std::vector<Group> groups;
};

// What is wrong goes into the context's diagnostics.
TransformConfig ReadTransformConfig(const pipeline::CreateContext& context);

}  // namespace narthex::processors
