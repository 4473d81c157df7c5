#pragma once

#include <string>
#include <string_view>

namespace narthex::wal {

// Replaces `out` with a Snappy block of a record of samples, which any Snappy decoder reads, in a
// fraction of the time that a general encoder takes: values that occurred before are copied from
// there, all else is literal. Source: google/snappy, format_description.txt.
// REQUIRES: a record as SamplesRecord makes it, of less than 4 GiB.
void CompressSamples(std::string_view record, std::string& out);

}  // namespace narthex::wal
