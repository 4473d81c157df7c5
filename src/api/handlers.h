#pragma once

#include "api/request.h"

namespace narthex::api {

// One function per endpoint, in one file per resource.

// query.cc
base::Result<Answer> Query(const ApiV1::Options&, const Request&);
base::Result<Answer> QueryRange(const ApiV1::Options&, const Request&);
base::Result<Answer> QueryExemplars(const ApiV1::Options&, const Request&);

// syntax.cc
base::Result<Answer> FormatQuery(const ApiV1::Options&, const Request&);
base::Result<Answer> ParseQuery(const ApiV1::Options&, const Request&);

// labels.cc
base::Result<Answer> LabelNames(const ApiV1::Options&, const Request&);
base::Result<Answer> LabelValues(const ApiV1::Options&, const Request&);

// series.cc
base::Result<Answer> Series(const ApiV1::Options&, const Request&);

// targets.cc
base::Result<Answer> Targets(const ApiV1::Options&, const Request&);
base::Result<Answer> ScrapePools(const ApiV1::Options&, const Request&);
base::Result<Answer> Metadata(const ApiV1::Options&, const Request&);

// rules.cc
base::Result<Answer> Rules(const ApiV1::Options&, const Request&);
base::Result<Answer> Alerts(const ApiV1::Options&, const Request&);
base::Result<Answer> Alertmanagers(const ApiV1::Options&, const Request&);

// status.cc
base::Result<Answer> StatusBuildInfo(const ApiV1::Options&, const Request&);
base::Result<Answer> StatusConfig(const ApiV1::Options&, const Request&);
base::Result<Answer> StatusFlags(const ApiV1::Options&, const Request&);
base::Result<Answer> StatusRuntimeInfo(const ApiV1::Options&, const Request&);
base::Result<Answer> StatusTsdb(const ApiV1::Options&, const Request&);

// admin.cc
base::Result<Answer> AdminCleanTombstones(const ApiV1::Options&, const Request&);
base::Result<Answer> AdminDeleteSeries(const ApiV1::Options&, const Request&);
base::Result<Answer> AdminSnapshot(const ApiV1::Options&, const Request&);

}  // namespace narthex::api
