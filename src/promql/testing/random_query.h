#pragma once

#include <string>

#include "base/random.h"

namespace narthex::promql {

// The text of a query that parses, over metrics a, b and c with labels g and h: every operator and
// function that the naive twin knows, `depth` levels of them. Experimental functions included.
std::string RandomVectorQuery(base::Random& random, int depth);
// The same, or topk, bottomk or limitk of a function over a range: which of equal values they keep
// depends on an order that series have and the results of aggregations at single steps have not.
std::string RandomQuery(base::Random& random);

}  // namespace narthex::promql
