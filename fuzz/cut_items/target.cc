// A request that can be counted is cut into parts that have all of it, in protobuf as in JSON.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "otlp/cut_items.h"
#include "otlp/items.h"

namespace {

using namespace narthex;
using Cut = base::Result<std::vector<otlp::ItemsPart>> (*)(std::string_view, size_t);
using Count = base::Result<size_t> (*)(std::string_view);

// Returns whether it could be cut.
bool Check(std::string_view request, size_t items_max, Cut cut, Count count) {
  const auto parts = cut(request, items_max);
  if (!parts.has_value()) return false;
  const auto items = count(request);
  CHECK(items.has_value());
  size_t left = *items;
  for (const otlp::ItemsPart& part : *parts) {
    CHECK(part.items > 0 && part.items <= items_max && part.items <= left);
    CHECK(count(part.bytes).value() == part.items);
    left -= part.items;
  }
  CHECK(left == 0);
  CHECK(parts->size() == (*items + items_max - 1) / items_max);
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view request(reinterpret_cast<const char*>(data), size);
  const size_t items_max = 1 + size % 3;
  const bool is_cut = Check(request, items_max, &otlp::CutItems, &otlp::CountItems);
  CHECK(is_cut == otlp::CountItems(request).has_value());
  (void)Check(request, items_max, &otlp::CutItemsJson, &otlp::CountItemsJson);
  return 0;
}
