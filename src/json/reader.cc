#include "json/reader.h"

#include <simdjson.h>

#include <cmath>

namespace narthex::json {
namespace {

namespace dom = simdjson::dom;

static_assert(sizeof(dom::element) <= 2 * sizeof(void*));

}  // namespace

struct Document::State {
  // simdjson reads up to SIMDJSON_PADDING bytes past the text.
  simdjson::padded_string text;
  dom::parser parser;
  dom::element root;
};

namespace {

// Element stores a dom::element (a document pointer and a tape index) without its header.
dom::element Unwrap(const void* document, size_t index) {
  dom::element element;
  const std::pair<const void*, size_t> words(document, index);
  std::memcpy(static_cast<void*>(&element), &words, sizeof(element));
  return element;
}

void Wrap(const dom::element& element, const void** document, size_t* index) {
  std::pair<const void*, size_t> words{nullptr, 0};
  std::memcpy(static_cast<void*>(&words), static_cast<const void*>(&element), sizeof(element));
  *document = words.first;
  *index = words.second;
}

}  // namespace

Document::Document() : state_(std::make_unique<State>()) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;

base::Result<Document> Document::Parse(std::string_view text) {
  constexpr size_t kDepthMax = 1000;
  Document document;
  State& state = *document.state_;
  state.text = simdjson::padded_string(text);
  simdjson::error_code error = state.parser.allocate(std::max<size_t>(text.size(), 64), kDepthMax);
  if (error == simdjson::SUCCESS) error = state.parser.parse(state.text).get(state.root);
  if (error != simdjson::SUCCESS) {
    return base::Fail(base::Code::kInvalidArgument, "invalid JSON: {}",
                      simdjson::error_message(error));
  }
  return document;
}

Element Document::root() const {
  Element element;
  Wrap(state_->root, &element.document_, &element.index_);
  return element;
}

Kind Element::kind() const {
  if (document_ == nullptr) return Kind::kNull;
  switch (Unwrap(document_, index_).type()) {
    case dom::element_type::ARRAY:
      return Kind::kArray;
    case dom::element_type::OBJECT:
      return Kind::kObject;
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
    case dom::element_type::DOUBLE:
      return Kind::kNumber;
    case dom::element_type::STRING:
      return Kind::kString;
    case dom::element_type::BOOL:
      return Kind::kBool;
    case dom::element_type::NULL_VALUE:
      return Kind::kNull;
  }
  return Kind::kNull;
}

std::optional<bool> Element::Bool() const {
  if (kind() != Kind::kBool) return std::nullopt;
  return Unwrap(document_, index_).get_bool().value_unsafe();
}

std::optional<int64_t> Element::Int() const {
  if (kind() != Kind::kNumber) return std::nullopt;
  const dom::element element = Unwrap(document_, index_);
  int64_t value;
  if (element.get_int64().get(value) == simdjson::SUCCESS) return value;
  double number;
  if (element.get_double().get(number) != simdjson::SUCCESS) return std::nullopt;
  if (number != std::trunc(number) || number < -0x1p63 || number >= 0x1p63) return std::nullopt;
  return static_cast<int64_t>(number);
}

std::optional<uint64_t> Element::Uint() const {
  if (kind() != Kind::kNumber) return std::nullopt;
  const dom::element element = Unwrap(document_, index_);
  uint64_t value;
  if (element.get_uint64().get(value) == simdjson::SUCCESS) return value;
  double number;
  if (element.get_double().get(number) != simdjson::SUCCESS) return std::nullopt;
  if (number != std::trunc(number) || number < 0 || number >= 0x1p64) return std::nullopt;
  return static_cast<uint64_t>(number);
}

std::optional<double> Element::Double() const {
  if (kind() != Kind::kNumber) return std::nullopt;
  double value;
  if (Unwrap(document_, index_).get_double().get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

std::optional<std::string_view> Element::String() const {
  if (kind() != Kind::kString) return std::nullopt;
  return Unwrap(document_, index_).get_string().value_unsafe();
}

Element Element::Get(std::string_view name) const {
  Element result;
  ForEachMember([&](std::string_view member, Element value) {
    if (member != name) return true;
    result = value;
    return false;
  });
  return result;
}

void Element::ForEachItem(const std::function<bool(Element)>& visit) const {
  if (kind() != Kind::kArray) return;
  const dom::array array = Unwrap(document_, index_).get_array().value_unsafe();
  for (const dom::element item : array) {
    Element element;
    Wrap(item, &element.document_, &element.index_);
    if (!visit(element)) return;
  }
}

void Element::ForEachMember(const std::function<bool(std::string_view, Element)>& visit) const {
  if (kind() != Kind::kObject) return;
  const dom::object object = Unwrap(document_, index_).get_object().value_unsafe();
  for (const dom::key_value_pair member : object) {
    Element element;
    Wrap(member.value, &element.document_, &element.index_);
    if (!visit(member.key, element)) return;
  }
}

size_t Element::size() const {
  size_t count = 0;
  const auto add = [&](auto&&...) { return ++count, true; };
  ForEachItem(add);
  ForEachMember(add);
  return count;
}

}  // namespace narthex::json
