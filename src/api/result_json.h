#pragma once

#include <functional>
#include <string>

#include "json/writer.h"
#include "model/labels.h"
#include "model/sample.h"
#include "promql/engine.h"

namespace narthex::api {

// Appends JSON in upstream's shapes. Written for answers of hundreds of megabytes: everything goes
// straight into the buffer, labels once per series.

// Seconds with three decimals where there is a fraction: 1435781451.781.
void AppendTimestamp(std::string& out, model::Timestamp t);
// {"a":"b"}
void AppendLabels(std::string& out, const model::Labels& labels);
// {"timings":{…},"samples":{…}}: how long a query took, in seconds, and what it read and held.
void WriteStats(json::Writer& writer, const promql::QueryStats& stats);
// {"resultType":"vector","result":[…]} and, if asked for, "stats". At most `limit` series where it
// is not 0; true when it cut some off. `admit` is asked before each series whether `out` may hold
// so many bytes; its error ends the writing.
base::Result<bool> AppendQueryResult(std::string& out, const promql::QueryResult& result,
                                     size_t limit, bool with_stats,
                                     const std::function<base::Status(size_t bytes)>& admit);

}  // namespace narthex::api
