#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/check.h"
#include "otlp/cut_items.h"
#include "otlp/internal/each.h"
#include "otlp/items.h"

namespace narthex::otlp {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

// Walks over JSON that has been found valid, without taking it apart: values are the text that they
// are. What is not valid after all ends the walk early.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  // Calls `visit(name, value)` for each member of an object; the name as written, in quotes.
  template <class Visit>
  void EachMember(const Visit& visit) {
    if (!Take('{')) return;
    while (Peek() == '"') {
      const std::string_view name = Value();
      if (!Take(':')) return;
      visit(name, Value());
      if (!Take(',')) return;
    }
  }
  // The same for the items of an array.
  template <class Visit>
  void EachItem(const Visit& visit) {
    if (!Take('[')) return;
    while (Peek() != '\0' && Peek() != ']') {
      visit(Value());
      if (!Take(',')) return;
    }
  }

 private:
  // '\0' at the end.
  char Peek() {
    at_ = std::min(text_.find_first_not_of(kBlanks, at_), text_.size());
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool Take(char wanted) {
    if (Peek() != wanted) return false;
    ++at_;
    return true;
  }
  void SkipString() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    at_ = std::min(at_ + 1, text_.size());
  }
  std::string_view Value() {
    const char first = Peek();
    const size_t began = at_;
    if (first == '"') {
      SkipString();
    } else if (first == '{' || first == '[') {
      size_t depth = 0;
      do {
        const char c = text_[at_];
        if (c == '"') {
          SkipString();
          continue;
        }
        if (c == '{' || c == '[') ++depth;
        if (c == '}' || c == ']') --depth;
        ++at_;
      } while (depth > 0 && at_ < text_.size());
    } else {
      at_ = std::min(text_.find_first_of(",]} \t\r\n", at_), text_.size());
    }
    return text_.substr(began, at_ - began);
  }

  const std::string_view text_;
  size_t at_ = 0;
};

// The request, a resource, a scope: an object around a list of what is inside.
class Envelope {
 public:
  explicit Envelope(std::span<const std::string_view> lists) : lists_(lists) {}

  // What it says of itself goes into every part; members that nobody knows go into the first.
  // Calls `visit(array)` for each of its lists, which Open then names.
  template <class Visit>
  void Walk(std::string_view object, const Visit& visit) {
    own_.clear();
    rest_.clear();
    std::vector<std::pair<std::string_view, std::string_view>> lists;
    Scanner(object).EachMember([&](std::string_view name, std::string_view value) {
      if (IsOneOf(name, lists_) && value.starts_with('[')) {
        lists.emplace_back(name, value);
      } else {
        std::string& members = IsOneOf(name, kOwn) ? own_ : rest_;
        members.append(name).append(":").append(value).append(",");
      }
    });
    for (const auto& [name, array] : lists) {
      list_ = name;
      visit(array);
    }
  }
  void Open(std::string& out) {
    if (is_open_) return;
    is_open_ = true;
    if (out.ends_with('}')) out += ',';
    out.append("{").append(own_).append(std::exchange(rest_, {}));
    out.append(list_).append(":[");
  }
  void Close(std::string& out) {
    if (std::exchange(is_open_, false)) out += "]}";
  }

 private:
  static constexpr std::string_view kOwn[] = {"resource", "scope", "schemaUrl", "schema_url"};
  // `name` in quotes.
  static bool IsOneOf(std::string_view name, std::span<const std::string_view> names) {
    const std::string_view bare = name.size() < 2 ? "" : name.substr(1, name.size() - 2);
    return std::ranges::find(names, bare) != names.end();
  }

  const std::span<const std::string_view> lists_;
  std::string own_, rest_;  // Members, a comma behind each.
  std::string_view list_;
  bool is_open_ = false;
};

class Cutter {
 public:
  explicit Cutter(size_t items_max) : items_max_(items_max) {}

  std::vector<ItemsPart> Cut(std::string_view request) {
    Enter(0, request);
    if (items_ > 0) Finish();
    return std::move(parts_);
  }

 private:
  void Enter(size_t level, std::string_view object) {
    Envelope& envelope = envelopes_[level];
    envelope.Walk(object, [&](std::string_view array) {
      Scanner(array).EachItem([&](std::string_view item) {
        if (level + 1 == envelopes_.size()) {
          Put(item);
        } else {
          Enter(level + 1, item);
        }
      });
      // A second list has another name.
      envelope.Close(out_);
    });
  }
  void Put(std::string_view item) {
    if (items_ == items_max_) Finish();
    for (Envelope& envelope : envelopes_) envelope.Open(out_);
    if (!out_.ends_with('[')) out_ += ',';
    out_ += item;
    ++items_;
  }
  void Finish() {
    for (size_t level = envelopes_.size(); level-- > 0;) envelopes_[level].Close(out_);
    parts_.push_back({std::exchange(out_, {}), std::exchange(items_, 0)});
  }

  const size_t items_max_;
  std::array<Envelope, 3> envelopes_{Envelope(internal::kResourceNames),
                                     Envelope(internal::kScopeNames),
                                     Envelope(internal::kItemNames)};
  std::string out_;
  size_t items_ = 0;  // In the open part.
  std::vector<ItemsPart> parts_;
};

}  // namespace

base::Result<std::vector<ItemsPart>> CutItemsJson(std::string_view request, size_t items_max) {
  CHECK(items_max > 0);
  ASSIGN_OR_RETURN(const size_t items, CountItemsJson(request));
  std::vector<ItemsPart> parts = Cutter(items_max).Cut(request);
  size_t cut = 0;
  for (const ItemsPart& part : parts) cut += part.items;
  // Names that are written with escapes, or twice, are told apart by a reader only.
  if (cut != items) {
    return base::Fail(base::Code::kInvalidArgument, "json: repeated or unusual names of lists");
  }
  return parts;
}

}  // namespace narthex::otlp
