#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "remote/write_request.h"

namespace narthex::remote {

// A prometheus.WriteRequest. Source: Prometheus Remote-Write 1.0 specification.
class WriteRequest1 final : public WriteRequest {
 public:
  WriteRequest1(std::string_view body, const SeriesIdentities& known);

  base::Result<model::Labels> LabelsOf(size_t series) const override;
  bool HasMetadata(size_t) const override { return false; }
  model::Metadata MetadataOf(size_t) const override { return {}; }
  std::vector<ReceivedMetadata::Entry> TakeMetadata(const ReceivedMetadata&) override {
    return std::move(metadata_);
  }

 private:
  void AddSeries(std::string_view message, const SeriesIdentities& known);
  // The label fields of a message by themselves, in a form that no message begins with.
  std::string_view Gathered(std::string_view message);

  std::vector<std::string_view> messages_;  // Of each series.
  std::vector<ReceivedMetadata::Entry> metadata_;
  std::string gathered_;
};

}  // namespace narthex::remote
