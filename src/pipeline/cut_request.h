#pragma once

#include <string>
#include <vector>

#include "otlp/cut_items.h"
#include "otlp/response.h"

namespace narthex::pipeline {

// A request with `items` spans or log records as those of at most `items_max` that it is passed on
// as; one where that is 0, or where it cannot be read: that is for the server to refuse.
std::vector<otlp::ItemsPart> CutRequest(std::string bytes, otlp::Encoding encoding, size_t items,
                                        size_t items_max);

}  // namespace narthex::pipeline
