#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/exemplar.h"
#include "model/labels.h"
#include "model/metadata.h"
#include "model/sample.h"

namespace narthex::exposition {

enum class Format {
  kText,         // Prometheus text 0.0.4 and 1.0.0 (quoted names).
  kOpenMetrics,  // OpenMetrics text 0.0.1 and 1.0.0.
};

// Whoever has seen series before and knows what may come next, so that their ends need not be
// looked for.
class KnownSeries {
 public:
  // The length of a series that `rest` begins with, as series() gave it for another body of the
  // same format, with its closing brace; 0 if it begins with none that is known.
  virtual size_t Match(std::string_view rest) = 0;

 protected:
  ~KnownSeries() = default;
};

// Walks a text exposition entry by entry. A series is found without looking into its labels, so
// that a scraper which knows its text from the last scrape does no more than that; Labels() checks
// and reads them. One thread at a time; must not outlive the body.
// Sources: Prometheus, exposition formats; OpenMetrics 1.0.0.
class Parser {
 public:
  // `known` may be null; it must outlive the parser.
  Parser(std::string_view body, Format format, KnownSeries* known = nullptr);

  enum class Entry { kSeries, kHelp, kType, kUnit, kComment };
  // The next entry, nullopt behind the last. Error: kInvalidArgument "<line>:<column>: …"; what
  // came before is valid, but an exposition with an error is refused as a whole.
  base::Result<std::optional<Entry>> Next();

  // Of kSeries: its text up to the value, equal texts being equal series; then what follows it.
  std::string_view series() const { return series_; }
  double value() const { return value_; }
  std::optional<model::Timestamp> timestamp() const { return timestamp_; }
  const std::optional<model::Exemplar>& exemplar() const { return exemplar_; }
  // The labels of the series, with `le` of histograms and `quantile` of summaries in OpenMetrics'
  // number form ("1" becomes "1.0"). Error: as from Next.
  base::Result<model::Labels> Labels();

  // Of the metadata entries: the family, and its type or its help or unit text.
  std::string_view family() const { return family_; }
  model::MetricType type() const { return type_; }
  std::string_view text() const { return text_; }

 private:
  using Failure = std::unexpected<base::Error>;
  using Found = std::optional<Entry>;

  bool at_end() const { return at_ == end_; }
  char Peek() const { return at_ == end_ ? '\0' : *at_; }
  void SkipBlanks();
  std::string_view TakeName(bool colon);
  base::Status TakeQuoted(std::string& out);
  // What the grammar wanted, and where.
  Failure Fail(std::string_view wanted) const;

  base::Result<Found> NextInText();
  base::Result<Found> NextInOpenMetrics();
  base::Result<Found> TakeMetadata(std::string_view keyword);
  base::Result<Found> TakeSeries();
  base::Status FindSeriesEnd();
  base::Result<double> TakeNumber();
  base::Status TakeExemplar();
  // Reads `{…}` (or, with `needs_name`, a whole series) at the cursor.
  base::Result<model::Labels> TakeLabels(bool needs_name);

  const Format format_;
  KnownSeries* const known_;
  const char* const begin_;
  const char* const end_;
  const char* at_;
  bool seen_eof_ = false;

  std::string_view series_;
  double value_ = 0;
  std::optional<model::Timestamp> timestamp_;
  std::optional<model::Exemplar> exemplar_;
  std::string_view family_;
  std::string family_unquoted_;
  model::MetricType type_ = model::MetricType::kUnknown;
  std::string text_;
};

}  // namespace narthex::exposition
