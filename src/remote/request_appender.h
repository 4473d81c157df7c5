#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/sample.h"
#include "remote/series_identities.h"
#include "remote/write_request.h"
#include "storage/storage.h"

namespace narthex::remote {

// Appends what one request holds, series by series. One thread at a time.
class RequestAppender {
 public:
  struct Options {
    model::Timestamp newest = 0;  // Samples behind it are refused.
    // What cannot be stored is left out, and the rest is taken. Otherwise the first such sample is
    // an error; series with unusable labels, and exemplars, are left out either way.
    bool in_part = false;
  };
  // How much of the request was appended, and what was not.
  struct Taken {
    uint64_t samples = 0;
    uint64_t histograms = 0;
    uint64_t exemplars = 0;
    uint64_t refused_exemplars = 0;
    uint64_t invalid_series = 0;    // Left out for their labels or their form.
    uint64_t invalid_samples = 0;   // Of those, numbers and histograms.
    uint64_t without_metadata = 0;  // Numbers and histograms appended.
    std::string refusals;           // A line each, the first ones.
    bool is_complete() const { return refusals.empty(); }
  };

  // All have to outlive it; references that `request` lacks are filled in and put into
  // `identities`.
  RequestAppender(WriteRequest& request, storage::Appender& appender, SeriesIdentities& identities,
                  Options options)
      : request_(request), appender_(appender), identities_(identities), options_(options) {}

  // Errors: kInvalidArgument for a sample that cannot be stored, unless `in_part`; what the storage
  // cannot do now.
  base::Result<Taken> Run();

 private:
  base::Status TakeSeries(size_t at);
  // True: there is a reference. False: the series is left out.
  base::Result<bool> Resolve(size_t at);
  template <class Append>
  base::Result<storage::Appended> Persist(size_t at, const Append& append);
  // True: appended.
  template <class Append>
  base::Result<bool> TakeSample(size_t at, model::Timestamp t, const Append& append);
  base::Status TakeExemplar(size_t at, const std::optional<model::Exemplar>& exemplar);
  void Refuse(std::string_view message);

  WriteRequest& request_;
  storage::Appender& appender_;
  SeriesIdentities& identities_;
  const Options options_;
  size_t sample_at_ = 0;
  size_t histogram_at_ = 0;
  size_t exemplar_at_ = 0;
  Taken taken_;
  size_t refused_ = 0;
};

}  // namespace narthex::remote
