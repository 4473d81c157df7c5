#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace narthex::json {

enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };

// A value inside a Document, two words; lives as long as the document. Thread-safe. Accessors of
// another kind return nullopt (or visit nothing), so that a decoder needs no checks of its own.
class Element {
 public:
  Element() = default;  // null

  Kind kind() const;
  bool is_null() const { return kind() == Kind::kNull; }
  std::optional<bool> Bool() const;
  // Whole numbers only: 5 and 5.0 are, 5.5 and values out of range are not.
  std::optional<int64_t> Int() const;
  std::optional<uint64_t> Uint() const;
  std::optional<double> Double() const;
  std::optional<std::string_view> String() const;  // Unescaped.
  // The member of an object, a null element when absent. The first of repeated names.
  Element Get(std::string_view name) const;
  // Array items or object members in order, until `visit` returns false.
  void ForEachItem(const std::function<bool(Element)>& visit) const;
  void ForEachMember(const std::function<bool(std::string_view, Element)>& visit) const;
  size_t size() const;  // Items or members; 0 for other kinds.

 private:
  friend class Document;
  const void* document_ = nullptr;
  size_t index_ = 0;
};

// A parsed JSON text. Move-only.
class Document {
 public:
  // Errors: kInvalidArgument with the reason for malformed text, invalid UTF-8 or nesting deeper
  // than 1,000.
  static base::Result<Document> Parse(std::string_view text);
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();

  Element root() const;

 private:
  struct State;
  Document();
  std::unique_ptr<State> state_;
};

}  // namespace narthex::json
