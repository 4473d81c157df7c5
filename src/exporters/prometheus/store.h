#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "exporters/prometheus/config.h"
#include "exposition/parser.h"
#include "model/metadata.h"
#include "otlp/batch.h"

namespace narthex::exporters {

namespace internal {
struct State;
}

// What became of the points of a batch.
struct StoreCounts {
  size_t stored = 0;
  size_t out_of_order = 0;  // Older than what is stored; ignored.
  size_t type_clash = 0;    // The name belongs to a family of another type.
  size_t bad_name = 0;      // Nothing usable in the metric's name.
  size_t unsupported = 0;   // Delta sums that go both ways, unspecified temporality, gaps.
  size_t malformed = 0;     // No value, or buckets that do not fit their bounds.
};

// The last value of every series, under Prometheus names, ready to be shown. A steady series costs
// one hash of its raw attribute bytes and one table look-up per point; labels are made once.
// Thread-safe.
class Store {
 public:
  Store(const PrometheusConfig& config, const base::Clock& clock);
  ~Store();

  StoreCounts Update(const otlp::Batch& batch);
  // Drops the series that no point has come for in the expiration time. Returns how many.
  size_t Expire();

  struct Page {
    exposition::Format format = exposition::Format::kText;
    bool is_protobuf = false;  // Instead of text: native histograms are shown as such.
    bool allow_utf8 = false;   // The reader understands quoted names.
  };
  std::string Render(const Page& page) const;
  size_t series_count() const;

 private:
  // SeriesWriter: one of internal/series_writer.h.
  template <class SeriesWriter>
  void WriteFamilies(const Page& page, internal::State& state, SeriesWriter& writer) const;
  const PrometheusConfig config_;
  const base::Clock& clock_;
  mutable base::Mutex mutex_;
  const std::unique_ptr<internal::State> state_ GUARDED_BY(mutex_);
};

}  // namespace narthex::exporters
