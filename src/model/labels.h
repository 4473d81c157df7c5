#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace narthex::model {

inline constexpr std::string_view kMetricName = "__name__";
inline constexpr std::string_view kBucketLabel = "le";
inline constexpr std::string_view kInstanceLabel = "instance";
inline constexpr std::string_view kJobLabel = "job";

struct Label {
  std::string name;
  std::string value;
  auto operator<=>(const Label&) const = default;
};

// A label inside somebody else's bytes.
struct LabelView {
  std::string_view name;
  std::string_view value;
  auto operator<=>(const LabelView&) const = default;
};

// The identity of a series: labels sorted by name, names unique, no empty values. Immutable, one
// allocation: the labels lie in one string as uvarint-prefixed names and values, in order.
class Labels {
 public:
  class Iterator {
   public:
    using value_type = LabelView;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    explicit Iterator(const char* at) : at_(at) {}
    LabelView operator*() const;
    Iterator& operator++();
    Iterator operator++(int) {
      Iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const Iterator&) const = default;

   private:
    const char* at_ = nullptr;
  };

  Labels() = default;
  // Sorts and drops empty values. Error: kInvalidArgument on a repeated or empty name.
  static base::Result<Labels> From(std::vector<Label> labels);
  // REQUIRES: sorted by name, names unique and not empty, no empty values.
  static Labels FromSorted(const std::vector<LabelView>& labels);
  // Becomes the labels whose encoded form this is; memory is used again.
  void AssignBytes(std::string_view bytes) { bytes_.assign(bytes); }
  // Adds one label to an encoded form. REQUIRES: what FromSorted asks of all of them.
  static void AppendLabel(std::string& bytes, const LabelView& label);

  std::string_view Get(std::string_view name) const;  // Empty when absent.
  bool Has(std::string_view name) const { return !Get(name).empty(); }
  size_t size() const;  // Number of labels; walks them.
  bool empty() const { return bytes_.empty(); }
  Iterator begin() const { return Iterator(bytes_.data()); }
  Iterator end() const { return Iterator(bytes_.data() + bytes_.size()); }

  uint64_t hash() const;  // The same in every process and build: sharding relies on it.
  // The encoded form: equal bytes, equal labels. Not in label order.
  std::string_view bytes() const { return bytes_; }
  // `metric{a="x", b="y"}` as upstream prints a series; `{}` when empty.
  std::string ToString() const;

  bool operator==(const Labels&) const = default;
  // By name, then value, label by label; a prefix comes first.
  std::strong_ordering operator<=>(const Labels& other) const;

 private:
  std::string bytes_;
};

// Edits labels. One thread at a time.
class LabelsBuilder {
 public:
  LabelsBuilder() = default;
  explicit LabelsBuilder(const Labels& base) { Reset(base); }

  void Reset(const Labels& base);
  void Clear() { labels_.clear(); }
  // An empty value deletes.
  void Set(std::string_view name, std::string_view value);
  void Delete(std::string_view name);
  std::string_view Get(std::string_view name) const;
  const std::vector<Label>& labels() const { return labels_; }  // Sorted.
  Labels Build() const;

 private:
  std::vector<Label> labels_;  // Sorted by name.
};

// [a-zA-Z_][a-zA-Z0-9_]*: what a label may be called without quotes.
bool IsLegacyLabelName(std::string_view name);
// [a-zA-Z_:][a-zA-Z0-9_:]*
bool IsLegacyMetricName(std::string_view name);
bool IsValidUtf8(std::string_view text);
// Appends `text` in double quotes, escaped as Go's strconv.Quote does: bytes that are not UTF-8
// and characters that show nothing by their numbers.
void AppendQuoted(std::string& out, std::string_view text);

}  // namespace narthex::model

template <>
struct std::hash<narthex::model::Labels> {
  size_t operator()(const narthex::model::Labels& labels) const { return labels.hash(); }
};
