#include "sdk/attributes.h"

namespace narthex::sdk {
namespace {

bool IsString(const Attribute& item) { return item.value.kind() == AttributeValue::Kind::kString; }

// Sorted by key; of equal keys only the last.
std::vector<Attribute> Canonical(Attributes attributes) {
  std::vector<const Attribute*> sorted;
  for (const Attribute& item : attributes) sorted.push_back(&item);
  std::ranges::sort(sorted, [](const Attribute* a, const Attribute* b) {
    return a->key != b->key ? a->key < b->key : a < b;
  });
  std::vector<Attribute> kept;
  for (size_t i = 0; i < sorted.size(); ++i) {
    const bool comes_again = i + 1 < sorted.size() && sorted[i]->key == sorted[i + 1]->key;
    if (!comes_again) kept.push_back(*sorted[i]);
  }
  return kept;
}

}  // namespace

OwnedAttributes::OwnedAttributes(Attributes attributes)
    : items_(attributes.begin(), attributes.end()) {
  size_t bytes = 0;
  for (const Attribute& item : items_) {
    bytes += item.key.size() + (IsString(item) ? item.value.AsString().size() : 0);
  }
  text_.reserve(bytes);  // Views into it must not move.
  const auto own = [&](std::string_view text) {
    const size_t at = text_.size();
    text_.insert(text_.end(), text.begin(), text.end());
    return std::string_view(text_.data() + at, text.size());
  };
  for (Attribute& item : items_) {
    item.key = own(item.key);
    if (IsString(item)) item.value = own(item.value.AsString());
  }
}

OwnedAttributes& OwnedAttributes::operator=(OwnedAttributes other) noexcept {
  items_.swap(other.items_);
  text_.swap(other.text_);
  return *this;
}

AttributeSet::AttributeSet(Attributes attributes) : owned_(Canonical(attributes)) {}

const AttributeValue* AttributeSet::Find(std::string_view key) const {
  const auto at = std::ranges::lower_bound(items(), key, {}, &Attribute::key);
  return at != items().end() && at->key == key ? &at->value : nullptr;
}

}  // namespace narthex::sdk
