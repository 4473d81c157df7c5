#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "model/exemplar.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/metadata.h"
#include "model/sample.h"

namespace narthex::exposition {

// Walks a delimited protobuf exposition as Parser walks text: family by family, with the series
// that text would have, and native histograms besides. One thread at a time; must not outlive the
// body. Source: Prometheus, client_model, io/prometheus/client/metrics.proto.
class ProtobufParser {
 public:
  struct Options {
    // Histograms that have native buckets are one kHistogram each, and no longer classic series…
    bool native_histograms = false;
    // … unless these are wanted too.
    bool classic_histograms = false;
  };

  ProtobufParser(std::string_view body, Options options);

  enum class Entry { kSeries, kHistogram, kHelp, kType, kUnit };
  // The next entry, nullopt behind the last. Error: kInvalidArgument "byte <offset>: …", the place
  // being that of the family; an exposition with an error is refused as a whole.
  base::Result<std::optional<Entry>> Next();
  // The last one.
  Entry entry() const { return entry_; }

  // Of kSeries and kHistogram: name and labels as text, equal texts being equal series; valid until
  // the next call of Next.
  std::string_view series() const { return item().text; }
  base::Result<model::Labels> Labels() const;
  std::optional<model::Timestamp> timestamp() const { return timestamp_; }
  // When what it counts began, where the exposition says so.
  std::optional<model::Timestamp> created() const { return created_; }
  // Of kSeries.
  double value() const { return item().value; }
  const std::optional<model::Exemplar>& exemplar() const { return item().exemplar; }
  // Of kHistogram; it has been validated. Exemplars have times, and are in their order.
  using Histogram = std::variant<model::IntegerHistogram, model::FloatHistogram>;
  const Histogram& histogram() const { return histogram_; }
  const std::vector<model::Exemplar>& histogram_exemplars() const { return histogram_exemplars_; }

  // Of the metadata entries.
  std::string_view family() const { return family_; }
  model::MetricType type() const { return type_; }
  std::string_view text() const { return entry_ == Entry::kUnit ? unit_ : help_; }

 private:
  struct Label {
    std::string_view name;
    std::string_view value;
  };
  // A series of the metric at hand. `extra` is `le` or `quantile`.
  struct Item {
    Entry entry = Entry::kSeries;
    std::string text;
    std::string_view suffix;
    std::string extra_name;
    std::string extra_value;
    double value = 0;
    std::optional<model::Exemplar> exemplar;
  };
  struct Bucket;
  struct HistogramMessage;

  const Item& item() const { return items_[item_]; }
  base::Status OpenFamily();
  // Both throw protozero::exception for malformed bytes.
  void ReadFamily(std::string_view message);
  base::Status OpenMetric(std::string_view message);
  base::Status TakeHistogram(const HistogramMessage& message);
  void TakeClassic(const HistogramMessage& message);
  void TakeSummary(std::string_view message);
  Item& Put(std::string_view suffix, double value, std::string_view extra_name = "",
            std::string extra_value = "");
  base::Status Fail(std::string_view cause) const;

  const std::string_view body_;
  const Options options_;
  size_t at_ = 0;            // Behind the family.
  size_t family_begin_ = 0;  // Of its bytes.

  std::string_view family_, help_, unit_;
  model::MetricType type_ = model::MetricType::kUnknown;
  std::vector<std::string_view> metrics_;
  size_t metric_ = 0;     // The next.
  unsigned headers_ = 3;  // Metadata entries that have been shown, of three.

  std::vector<Label> labels_;
  std::optional<model::Timestamp> timestamp_, created_;
  std::vector<Item> items_;
  size_t item_ = 0;
  size_t next_item_ = 0;
  Histogram histogram_;
  std::vector<model::Exemplar> histogram_exemplars_;
  Entry entry_ = Entry::kSeries;
};

}  // namespace narthex::exposition
