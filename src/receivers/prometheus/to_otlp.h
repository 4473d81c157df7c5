#pragma once

#include <map>
#include <string>
#include <vector>

#include "otlp/tree.h"
#include "receivers/prometheus/scrape_store.h"

namespace narthex::receivers {

// The samples of one scrape as OTLP: jobs and instances become resources, families metrics, buckets
// histograms, and stale markers points without a value. `schemes`: the scheme of each job's
// addresses. Source: OpenTelemetry specification, "Prometheus Metric points to OTLP".
otlp::Tree ToOtlp(const std::vector<ScrapedSample>& samples,
                  const std::map<std::string, std::string, std::less<>>& schemes);

}  // namespace narthex::receivers
