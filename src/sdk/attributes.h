#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace narthex::sdk {

// What an attribute may hold here: a bool, a 64-bit integer, a double or a string that lives
// elsewhere. A value, three words.
class AttributeValue {
 public:
  enum class Kind : uint8_t { kBool, kInt, kDouble, kString };

  template <std::same_as<bool> T>
  constexpr AttributeValue(T value) : kind_(Kind::kBool), bits_(value ? 1 : 0) {}
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  constexpr AttributeValue(T value) : kind_(Kind::kInt), bits_(static_cast<uint64_t>(value)) {}
  constexpr AttributeValue(double value)
      : kind_(Kind::kDouble), bits_(std::bit_cast<uint64_t>(value)) {}
  constexpr AttributeValue(std::string_view value)
      : kind_(Kind::kString), size_(value.size()), data_(value.data()) {}
  constexpr AttributeValue(const char* value) : AttributeValue(std::string_view(value)) {}
  AttributeValue(const std::string& value) : AttributeValue(std::string_view(value)) {}

  Kind kind() const { return kind_; }
  // REQUIRES: kind() is the one asked for.
  bool AsBool() const { return bits_ != 0; }
  int64_t AsInt() const { return static_cast<int64_t>(bits_); }
  double AsDouble() const { return std::bit_cast<double>(bits_); }
  std::string_view AsString() const { return {data_, size_}; }
  // The eight bytes of a value that is not a string.
  uint64_t bits() const { return bits_; }

  // Of the same kind and equal; doubles by their bits, so that NaN equals itself.
  friend bool operator==(const AttributeValue& a, const AttributeValue& b) {
    if (a.kind_ != b.kind_) return false;
    return a.kind_ == Kind::kString ? a.AsString() == b.AsString() : a.bits_ == b.bits_;
  }

 private:
  Kind kind_;
  size_t size_ = 0;
  union {
    uint64_t bits_;
    const char* data_;
  };
};

// {"method", "GET"}
struct Attribute {
  std::string_view key;
  AttributeValue value;
  bool operator==(const Attribute&) const = default;
};

using Attributes = std::span<const Attribute>;
using AttributeList = std::initializer_list<Attribute>;
inline Attributes Span(AttributeList list) { return {list.begin(), list.size()}; }

// Attributes with their text, in the order given. Immutable; two allocations.
class OwnedAttributes {
 public:
  OwnedAttributes() = default;
  explicit OwnedAttributes(Attributes attributes);
  OwnedAttributes(const OwnedAttributes& other) : OwnedAttributes(other.items()) {}
  OwnedAttributes(OwnedAttributes&& other) noexcept = default;
  OwnedAttributes& operator=(OwnedAttributes other) noexcept;

  Attributes items() const { return items_; }

 private:
  std::vector<Attribute> items_;  // Views into text_.
  std::vector<char> text_;        // Not a string: moving one may move its bytes.
};

// Attributes as an identity: sorted by key, keys unique (the last of equal ones stays). Immutable.
class AttributeSet {
 public:
  AttributeSet() = default;
  explicit AttributeSet(Attributes attributes);
  AttributeSet(AttributeList attributes) : AttributeSet(Span(attributes)) {}

  Attributes items() const { return owned_.items(); }
  bool empty() const { return items().empty(); }
  // nullptr when absent.
  const AttributeValue* Find(std::string_view key) const;

  friend bool operator==(const AttributeSet& a, const AttributeSet& b) {
    return std::ranges::equal(a.items(), b.items());
  }

 private:
  OwnedAttributes owned_;
};

}  // namespace narthex::sdk
