#include "exporters/prometheus/internal/exemplar.h"

#include <bit>

#include "exposition/writer.h"
#include "otlp/batch.h"

namespace narthex::exporters::internal {
namespace {

using otlp::internal::Cursor;
using otlp::internal::Tag;
using otlp::internal::WireType;

constexpr uint32_t kTime = Tag(2, WireType::kFixed64);
constexpr uint32_t kDouble = Tag(3, WireType::kFixed64);
constexpr uint32_t kSpan = Tag(4, WireType::kBytes);
constexpr uint32_t kTrace = Tag(5, WireType::kBytes);
constexpr uint32_t kInt = Tag(6, WireType::kFixed64);

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::optional<ShownExemplar> ReadOne(std::string_view message) {
  ShownExemplar exemplar;
  std::string_view trace, span;
  bool has_value = false;
  Cursor cursor(message);
  while (const uint32_t tag = cursor.NextTag()) {
    if (tag == kTime) {
      const uint64_t ns = cursor.ReadFixed64();
      if (ns > 0) exemplar.time_ms = static_cast<int64_t>(ns / 1'000'000);
    } else if (tag == kDouble) {
      exemplar.value = std::bit_cast<double>(cursor.ReadFixed64());
      has_value = true;
    } else if (tag == kInt) {
      exemplar.value = static_cast<double>(static_cast<int64_t>(cursor.ReadFixed64()));
      has_value = true;
    } else if (tag == kSpan) {
      span = cursor.ReadBytes();
    } else if (tag == kTrace) {
      trace = cursor.ReadBytes();
    } else {
      cursor.Skip(tag);
    }
  }
  if (!cursor.ok() || !has_value) return std::nullopt;
  // OpenMetrics allows 128 characters of labels; what is no id would break that.
  if (trace.size() == 16) exposition::AppendLabel(exemplar.labels, "trace_id", Hex(trace));
  if (span.size() == 8) exposition::AppendLabel(exemplar.labels, "span_id", Hex(span));
  return exemplar;
}

}  // namespace

std::vector<ShownExemplar> ReadExemplars(std::string_view point, uint32_t field) {
  std::vector<ShownExemplar> exemplars;
  Cursor cursor(point);
  while (const uint32_t tag = cursor.NextTag()) {
    if (tag != Tag(field, WireType::kBytes)) {
      cursor.Skip(tag);
    } else if (auto one = ReadOne(cursor.ReadBytes())) {
      exemplars.push_back(*std::move(one));
    }
  }
  return exemplars;
}

}  // namespace narthex::exporters::internal
