#pragma once

#include <string_view>

#include "base/result.h"

namespace narthex::compress::internal {

// The error of every decoder for output past its limit.
inline auto TooLarge(std::string_view format, size_t bytes_max) {
  return base::Fail(base::Code::kResourceExhausted,
                    "{}: content is larger than the limit of {} bytes", format, bytes_max);
}

}  // namespace narthex::compress::internal
