#pragma once

#include <vector>

#include "base/mutex.h"
#include "base/random.h"
#include "sdk/exemplar.h"

namespace narthex::sdk::internal {

// The exemplars of one series since the last collection. Thread-safe.
class Reservoir {
 public:
  // Keeps at most `size` exemplars. REQUIRES: size > 0.
  Reservoir(size_t size, uint64_t seed) : random_(seed), slots_(size) {}

  // The slot takes the newest.
  void OfferTo(size_t slot, Exemplar exemplar);
  // Of all that are offered, each is kept with the same probability.
  void Offer(Exemplar exemplar);
  // Appends what is here and starts anew.
  void Take(std::vector<Exemplar>& into);

 private:
  struct Slot {
    bool is_taken = false;
    Exemplar exemplar;
  };
  void Put(Slot& slot, Exemplar exemplar) REQUIRES_LOCK(mutex_);

  base::Mutex mutex_;
  base::Random random_ GUARDED_BY(mutex_);
  std::vector<Slot> slots_ GUARDED_BY(mutex_);
  uint64_t offered_ GUARDED_BY(mutex_) = 0;
};

}  // namespace narthex::sdk::internal
