#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "otlp/naming.h"

namespace narthex::translate {

// Gathers the labels of one series under their Prometheus names. One thread at a time.
class SeriesLabels {
 public:
  explicit SeriesLabels(otlp::TranslationStrategy strategy) : strategy_(strategy) {}

  // Attributes as they lie in a batch, under their names with `prefix` in front. A key that comes
  // twice counts once, with its last value; one without usable characters is left out.
  void AddAttributes(std::string_view fields, std::string_view prefix = "");
  // A label that is named already.
  void Add(std::string_view name, std::string_view value);
  // All labels of `other`.
  void Add(const SeriesLabels& other);

  // The text of an exposition, in the order of the names. Labels whose names have become the same
  // are one, their values joined with ';' in the order of the original keys. With `escaped`, names
  // that only UTF-8 aware readers understand get underscores.
  std::string Render(bool escaped = false) const;
  bool has_utf8_names() const;
  // The same labels as pairs, in the same order.
  std::vector<std::pair<std::string, std::string>> Sorted() const;

 private:
  struct Item {
    std::string name;
    std::string value;
  };
  SeriesLabels Escaped() const;

  const otlp::TranslationStrategy strategy_;
  std::vector<Item> items_;
};

}  // namespace narthex::translate
