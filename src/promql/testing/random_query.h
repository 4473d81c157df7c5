#pragma once

#include <string>

#include "base/random.h"

namespace narthex::promql {

// The text of a query that parses, over metrics a, b and c with labels g and h: every operator and
// function that the naive twin knows, `depth` levels of them. Experimental functions included.
std::string RandomVectorQuery(base::Random& random, int depth);

}  // namespace narthex::promql
