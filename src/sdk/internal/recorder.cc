#include "sdk/internal/recorder.h"

namespace narthex::sdk::internal {

const PartedAttributes& PartedAttributes::Part(const AttributeFilter& filter,
                                               Attributes attributes) {
  static thread_local PartedAttributes parted;
  parted.kept.clear();
  parted.dropped.clear();
  for (const Attribute& item : attributes) {
    (filter.Keeps(item.key) ? parted.kept : parted.dropped).push_back(item);
  }
  return parted;
}

}  // namespace narthex::sdk::internal
