#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/exemplar.h"
#include "model/labels.h"
#include "model/metadata.h"
#include "model/sample.h"
#include "remote/histogram_codec.h"
#include "remote/received_metadata.h"
#include "remote/series_identities.h"

namespace narthex::remote {

// The protobuf messages that remote write knows.
enum class WriteMessage {
  kVersion1,  // prometheus.WriteRequest
  kVersion2,  // io.prometheus.write.v2.Request
};
std::string_view NameOf(WriteMessage message);
std::optional<WriteMessage> WriteMessageFromName(std::string_view name);

// What a request holds, in whichever message it came: read completely before anything of it is
// stored. The samples of all series lie one behind the other, and so do histograms and exemplars;
// each series knows where its own end. Has views of the request's bytes, which must outlive it. One
// thread at a time.
class WriteRequest {
 public:
  struct Series {
    size_t samples_end;
    size_t histograms_end;
    size_t exemplars_end;
  };

  // Reads the whole of `body`. Throws protozero::exception for malformed bytes.
  static std::unique_ptr<WriteRequest> Read(WriteMessage message, std::string_view body,
                                            const SeriesIdentities& known);
  virtual ~WriteRequest() = default;

  // Decodes them. Error: kInvalidArgument where they cannot name a series. Throws
  // protozero::exception for malformed bytes.
  virtual base::Result<model::Labels> LabelsOf(size_t series) const = 0;
  // What the request says of the series itself, if anything. REQUIRES: HasMetadata(series).
  virtual bool HasMetadata(size_t series) const = 0;
  virtual model::Metadata MetadataOf(size_t series) const = 0;
  // What it tells of families, but for what `known` has been told already.
  virtual std::vector<ReceivedMetadata::Entry> TakeMetadata(const ReceivedMetadata& known) = 0;

  std::vector<Series> series;
  std::vector<SeriesIdentities::Wanted> identities;  // Of each.
  std::vector<model::Sample> samples;
  std::vector<WrittenHistogram> histograms;
  // Those whose labels cannot be made out are none.
  std::vector<std::optional<model::Exemplar>> exemplars;

 protected:
  void Reserve(size_t count);
  size_t size_of_all() const { return samples.size() + histograms.size() + exemplars.size(); }
  // A series whose samples, histograms and exemplars have been added.
  void EndSeries();
};

// The labels of one series from what its message names them: sorts them if need be and leaves out
// empty ones. Senders sort them and leave none empty: then nothing is copied but the result. Error:
// kInvalidArgument where they cannot name a series. `labels` is used up.
base::Result<model::Labels> SeriesLabels(std::vector<model::LabelView>& labels);

// Reads a Sample message of either version; the start of what it counts, which version 2 may have,
// is passed over. Throws protozero::exception.
model::Sample DecodeSample(std::string_view message);

}  // namespace narthex::remote
