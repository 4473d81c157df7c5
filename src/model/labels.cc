#include "model/labels.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/bytes.h"
#include "base/check.h"

namespace narthex::model {
namespace {

// Our own bytes: known to be well formed.
std::string_view TakeString(const char*& at) {
  size_t size = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(*at++);
    size |= static_cast<size_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  const std::string_view text(at, size);
  at += size;
  return text;
}

}  // namespace

LabelView Labels::Iterator::operator*() const {
  const char* at = at_;
  const std::string_view name = TakeString(at);
  return {name, TakeString(at)};
}

Labels::Iterator& Labels::Iterator::operator++() {
  TakeString(at_);
  TakeString(at_);
  return *this;
}

base::Result<Labels> Labels::From(std::vector<Label> labels) {
  std::erase_if(labels, [](const Label& label) { return label.value.empty(); });
  std::ranges::sort(labels, {}, &Label::name);
  std::vector<LabelView> views;
  views.reserve(labels.size());
  for (const Label& label : labels) {
    if (label.name.empty()) return base::Fail(base::Code::kInvalidArgument, "empty label name");
    if (!views.empty() && views.back().name == label.name) {
      return base::Fail(base::Code::kInvalidArgument, "label name \"{}\" is not unique",
                        label.name);
    }
    views.push_back({label.name, label.value});
  }
  return FromSorted(views);
}

Labels Labels::FromSorted(const std::vector<LabelView>& labels) {
  size_t size = 0;
  for (const LabelView& label : labels) size += label.name.size() + label.value.size() + 4;
  Labels result;
  result.bytes_.reserve(size);
  std::string_view previous;
  for (const LabelView& label : labels) {
    DCHECK(previous < label.name && !label.value.empty());
    previous = label.name;
    base::PutUvarintString(result.bytes_, label.name);
    base::PutUvarintString(result.bytes_, label.value);
  }
  return result;
}

std::string_view Labels::Get(std::string_view name) const {
  for (const LabelView label : *this) {
    if (label.name == name) return label.value;
    if (label.name > name) break;
  }
  return {};
}

size_t Labels::size() const {
  size_t count = 0;
  for (Iterator it = begin(); it != end(); ++it) ++count;
  return count;
}

uint64_t Labels::hash() const { return XXH3_64bits(bytes_.data(), bytes_.size()); }

std::string Labels::ToString() const {
  std::string text(Get(kMetricName));
  const bool bare_name = text.empty() || IsLegacyMetricName(text);
  if (!bare_name) text.clear();
  std::string inner;
  for (const LabelView label : *this) {
    if (label.name == kMetricName && bare_name) continue;
    if (!inner.empty()) inner += ", ";
    if (label.name == kMetricName) {
      AppendQuoted(inner, label.value);
      continue;
    }
    if (IsLegacyLabelName(label.name)) {
      inner += label.name;
    } else {
      AppendQuoted(inner, label.name);
    }
    inner += '=';
    AppendQuoted(inner, label.value);
  }
  if (!inner.empty() || text.empty()) text += "{" + inner + "}";
  return text;
}

std::strong_ordering Labels::operator<=>(const Labels& other) const {
  Iterator a = begin();
  Iterator b = other.begin();
  for (; a != end() && b != other.end(); ++a, ++b) {
    if (const auto order = *a <=> *b; order != std::strong_ordering::equal) return order;
  }
  if (a != end()) return std::strong_ordering::greater;
  return b == other.end() ? std::strong_ordering::equal : std::strong_ordering::less;
}

void LabelsBuilder::Reset(const Labels& base) {
  labels_.clear();
  for (const LabelView label : base) {
    labels_.push_back({std::string(label.name), std::string(label.value)});
  }
}

void LabelsBuilder::Set(std::string_view name, std::string_view value) {
  if (value.empty()) return Delete(name);
  const auto at = std::ranges::lower_bound(labels_, name, {}, &Label::name);
  if (at != labels_.end() && at->name == name) {
    at->value = value;
  } else {
    labels_.insert(at, {std::string(name), std::string(value)});
  }
}

void LabelsBuilder::Delete(std::string_view name) {
  const auto at = std::ranges::lower_bound(labels_, name, {}, &Label::name);
  if (at != labels_.end() && at->name == name) labels_.erase(at);
}

std::string_view LabelsBuilder::Get(std::string_view name) const {
  const auto at = std::ranges::lower_bound(labels_, name, {}, &Label::name);
  return at != labels_.end() && at->name == name ? std::string_view(at->value) : std::string_view();
}

Labels LabelsBuilder::Build() const {
  std::vector<LabelView> views;
  views.reserve(labels_.size());
  for (const Label& label : labels_) views.push_back({label.name, label.value});
  return Labels::FromSorted(views);
}

namespace {
bool IsNameStart(char c, bool colon) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':');
}
bool IsLegacyName(std::string_view name, bool colon) {
  if (name.empty() || !IsNameStart(name[0], colon)) return false;
  return std::ranges::all_of(
      name, [colon](char c) { return IsNameStart(c, colon) || (c >= '0' && c <= '9'); });
}
}  // namespace

bool IsLegacyLabelName(std::string_view name) { return IsLegacyName(name, false); }
bool IsLegacyMetricName(std::string_view name) { return IsLegacyName(name, true); }

bool IsValidUtf8(std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at != end) {
    // Most text is ASCII: eight bytes at a time where they are.
    for (uint64_t eight; end - at >= 8; at += 8) {
      std::memcpy(&eight, at, 8);
      if ((eight & 0x8080808080808080) != 0) break;
    }
    if (at == end) break;
    if (*at < 0x80) {
      ++at;
      continue;
    }
    // The lead byte gives the length and the range of the second byte (Unicode, table 3-7).
    int length;
    unsigned low = 0x80;
    unsigned high = 0xBF;
    if (*at >= 0xC2 && *at <= 0xDF) {
      length = 2;
    } else if (*at >= 0xE0 && *at <= 0xEF) {
      length = 3;
      if (*at == 0xE0) low = 0xA0;
      if (*at == 0xED) high = 0x9F;
    } else if (*at >= 0xF0 && *at <= 0xF4) {
      length = 4;
      if (*at == 0xF0) low = 0x90;
      if (*at == 0xF4) high = 0x8F;
    } else {
      return false;
    }
    if (end - at < length) return false;
    if (at[1] < low || at[1] > high) return false;
    for (int i = 2; i < length; ++i) {
      if ((at[i] & 0xC0) != 0x80) return false;
    }
    at += length;
  }
  return true;
}

}  // namespace narthex::model
