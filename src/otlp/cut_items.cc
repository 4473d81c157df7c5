#include "otlp/cut_items.h"

#include <optional>
#include <utility>

#include "base/check.h"
#include "otlp/internal/each.h"
#include "otlp/writer.h"

namespace narthex::otlp {
namespace {

using internal::Cursor;
using internal::Each;
using internal::Tag;
using internal::WireType;

constexpr uint32_t kResources = 1;  // Of a request,
constexpr uint32_t kInner = 2;      // the scopes of a resource, the items of a scope.

// A ResourceSpans or ScopeSpans, or the same of logs, around what is inside.
class Envelope {
 public:
  // In that field of what is around it, with others in the fields `inner`.
  Envelope(uint32_t field, std::initializer_list<uint32_t> inner) : field_(field), inner_(inner) {}

  // What it says of itself goes into every part; fields that nobody knows go into the first.
  void Begin(std::string_view message) {
    own_.clear();
    rest_.clear();
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      const char* const begin = cursor.field();
      cursor.Skip(tag);
      if (internal::IsOneOf(tag, inner_)) continue;
      const bool is_own = tag == Tag(1, WireType::kBytes) || tag == Tag(3, WireType::kBytes);
      (is_own ? own_ : rest_).append(begin, cursor.at());
    }
  }
  void Open(Writer& writer) {
    if (mark_.has_value()) return;
    mark_ = writer.Begin(field_);
    writer.Raw(own_);
    writer.Raw(std::exchange(rest_, {}));
  }
  void Close(Writer& writer) {
    if (mark_.has_value()) writer.End(*mark_);
    mark_.reset();
  }

 private:
  const uint32_t field_;
  const std::initializer_list<uint32_t> inner_;
  std::string own_, rest_;
  std::optional<Writer::Mark> mark_;  // While it is open.
};

class Cutter {
 public:
  explicit Cutter(size_t items_max) : items_max_(items_max) {}

  base::Result<std::vector<ItemsPart>> Cut(std::string_view request) {
    const bool is_good = Each(request, internal::kResourceFields, [&](std::string_view resource) {
      resource_.Begin(resource);
      const bool is_whole = Each(resource, internal::kScopeFields, [&](std::string_view scope) {
        scope_.Begin(scope);
        const bool is_read = Each(scope, internal::kItemFields, [&](std::string_view item) {
          Put(item);
          return true;
        });
        scope_.Close(writer_);
        return is_read;
      });
      resource_.Close(writer_);
      return is_whole;
    });
    if (!is_good) return base::Fail(base::Code::kInvalidArgument, "protobuf: damaged or truncated");
    if (items_ > 0) Finish();
    return std::move(parts_);
  }

 private:
  void Put(std::string_view item) {
    if (items_ == items_max_) Finish();
    resource_.Open(writer_);
    scope_.Open(writer_);
    writer_.Bytes(kInner, item);
    ++items_;
  }
  void Finish() {
    scope_.Close(writer_);
    resource_.Close(writer_);
    parts_.push_back({writer_.Take(), std::exchange(items_, 0)});
    writer_ = Writer();
  }

  const size_t items_max_;
  Envelope resource_{kResources, internal::kScopeFields};
  Envelope scope_{kInner, internal::kItemFields};  // In the newer field, whichever it was in.
  Writer writer_;
  size_t items_ = 0;  // In the open part.
  std::vector<ItemsPart> parts_;
};

}  // namespace

base::Result<std::vector<ItemsPart>> CutItems(std::string_view request, size_t items_max) {
  CHECK(items_max > 0);
  return Cutter(items_max).Cut(request);
}

}  // namespace narthex::otlp
