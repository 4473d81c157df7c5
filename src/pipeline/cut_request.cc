#include "pipeline/cut_request.h"

namespace narthex::pipeline {

std::vector<otlp::ItemsPart> CutRequest(std::string bytes, otlp::Encoding encoding, size_t items,
                                        size_t items_max) {
  if (items_max > 0 && items > items_max) {
    auto parts = encoding == otlp::Encoding::kJson ? otlp::CutItemsJson(bytes, items_max)
                                                   : otlp::CutItems(bytes, items_max);
    if (parts.has_value()) return *std::move(parts);
  }
  std::vector<otlp::ItemsPart> whole(1);
  whole[0] = {std::move(bytes), items};
  return whole;
}

}  // namespace narthex::pipeline
