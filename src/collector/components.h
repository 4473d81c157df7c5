#pragma once

#include "pipeline/factory.h"

namespace narthex::collector {

// Every component there is.
pipeline::Factories BuiltInFactories();

}  // namespace narthex::collector
