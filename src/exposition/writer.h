#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "exposition/parser.h"
#include "model/metadata.h"
#include "model/sample.h"

namespace narthex::exposition {

// "text/plain; version=0.0.4; charset=utf-8" and so on.
std::string_view ContentTypeOf(Format format);

// `name="value"` with escapes, after a comma where `labels` has something already. Names that need
// it are quoted.
void AppendLabel(std::string& labels, std::string_view name, std::string_view value);
// A bound of a bucket or a quantile as the format spells it: "1" or "1.0".
std::string FormatBound(double bound, Format format);

// Writes an exposition family by family, as the official client libraries do: HELP and TYPE first,
// even for an empty help text. `labels` are what AppendLabel made, without braces. One thread at a
// time.
// Sources: Prometheus, exposition formats; OpenMetrics 1.0.0.
class Writer {
 public:
  explicit Writer(Format format) : format_(format) {}

  // In OpenMetrics, counters' families go without the "_total" that their samples have.
  void Family(std::string_view name, model::MetricType type, std::string_view help);

  struct Extras {
    std::optional<model::Timestamp> timestamp;
    // `labels` and value of an exemplar; only OpenMetrics shows it.
    std::string_view exemplar_labels;
    std::optional<double> exemplar_value;
    std::optional<model::Timestamp> exemplar_timestamp;
  };
  // `suffix` follows the family's name: "_bucket".
  void Sample(std::string_view name, std::string_view suffix, std::string_view labels, double value,
              const Extras& extras);
  void Sample(std::string_view name, std::string_view labels, double value) {
    Sample(name, "", labels, value, {});
  }
  // A number of observations, which OpenMetrics writes without a fraction.
  void Count(std::string_view name, std::string_view suffix, std::string_view labels,
             uint64_t value, const Extras& extras);

  // Ends the exposition and hands it over.
  std::string Finish();
  void Reserve(size_t bytes) { out_.reserve(bytes); }

 private:
  void Identity(std::string_view name, std::string_view suffix, std::string_view labels);
  void Tail(const Extras& extras);

  const Format format_;
  std::string out_;
};

}  // namespace narthex::exposition
