#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "remote/write_request.h"

namespace narthex::remote {

// An io.prometheus.write.v2.Request: texts are in a table, and labels are numbers of its entries.
// Start times are passed over: the storage has no place for them. Source: Prometheus Remote-Write
// 2.0 specification.
class WriteRequest2 final : public WriteRequest {
 public:
  WriteRequest2(std::string_view body, const SeriesIdentities& known);

  // Also an error where a series does not have the form that the specification asks for.
  base::Result<model::Labels> LabelsOf(size_t series) const override;
  bool HasMetadata(size_t series) const override;
  model::Metadata MetadataOf(size_t series) const override;
  std::vector<ReceivedMetadata::Entry> TakeMetadata(const ReceivedMetadata& known) override;

 private:
  // Where a series has its labels and what it says of itself.
  struct Head {
    size_t refs_end = 0;
    uint32_t type = 0;
    uint32_t help = 0;
    uint32_t unit = 0;
  };

  void AddSeries(std::string_view message);
  // What needs the symbols, which may stand behind the series.
  void Identify(const SeriesIdentities& known);
  void DecodeExemplars();
  bool HasForm(size_t series) const;
  // The symbol of the metric's name.
  std::optional<uint32_t> MetricOf(size_t series) const;
  std::span<const uint32_t> RefsOf(size_t series) const;
  bool IsInTable(const Head& head) const;
  // Error: kInvalidArgument for half a pair and for a number that no symbol has.
  base::Status ReadLabels(std::span<const uint32_t> refs,
                          std::vector<model::LabelView>& labels) const;
  base::Status CheckForm(size_t series) const;
  std::optional<model::Exemplar> DecodeExemplar(std::string_view message) const;

  std::vector<std::string_view> symbols_;
  std::vector<SeriesIdentities::SymbolKey> keys_;  // Of each symbol.
  std::optional<uint32_t> name_symbol_;            // Of "__name__".
  // Of the labels of all series. There is room for one for every byte of the request; what is not
  // needed of it is never touched.
  std::unique_ptr<uint32_t[]> refs_;
  uint32_t* refs_end_;
  std::vector<Head> heads_;  // Of each series.
  std::vector<std::string_view> exemplar_messages_;
};

}  // namespace narthex::remote
