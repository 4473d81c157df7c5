#pragma once

#include <memory>
#include <vector>

#include "storage/storage.h"

namespace narthex::storage {

// The series of several sets as one, in label order. A series that is in more than one has the
// samples of all, in time order; at equal times the set that comes first in `sets` wins.
std::unique_ptr<SeriesSet> MergeSeriesSets(std::vector<std::unique_ptr<SeriesSet>> sets);

// Several queriers as one: the sets of Select as above, names and values as unions. An error of
// one is the error of all. One querier is returned as it is.
std::unique_ptr<Querier> MergeQueriers(std::vector<std::unique_ptr<Querier>> queriers);

// Adds the samples of `more` whose times `into` does not have. Both are in time order.
void MergeSamples(model::SampleColumns& into, const model::SampleColumns& more);

}  // namespace narthex::storage
