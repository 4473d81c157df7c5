#pragma once

#include <string>
#include <string_view>

#include "model/sample.h"

namespace narthex::promql {

// The query with every selector and subquery that has no `@` of its own pinned to a time, so that
// it gives the same whenever it is asked; empty where its answer depends on that anyway.
std::string Pinned(std::string_view query, model::Timestamp time);

}  // namespace narthex::promql
