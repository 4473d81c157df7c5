#include "sdk/internal/reservoir.h"

#include <utility>

namespace narthex::sdk::internal {

void Reservoir::Put(Slot& slot, Exemplar exemplar) {
  slot.is_taken = true;
  slot.exemplar = std::move(exemplar);
}

void Reservoir::OfferTo(size_t slot, Exemplar exemplar) {
  base::MutexLock lock(mutex_);
  Put(slots_[slot % slots_.size()], std::move(exemplar));
}

void Reservoir::Offer(Exemplar exemplar) {
  base::MutexLock lock(mutex_);
  const uint64_t nth = offered_++;
  const uint64_t slot = nth < slots_.size() ? nth : random_.Below(nth + 1);
  if (slot < slots_.size()) Put(slots_[slot], std::move(exemplar));
}

void Reservoir::Take(std::vector<Exemplar>& into) {
  base::MutexLock lock(mutex_);
  for (Slot& slot : slots_) {
    if (slot.is_taken) into.push_back(std::move(slot.exemplar));
    slot = {};
  }
  offered_ = 0;
}

}  // namespace narthex::sdk::internal
