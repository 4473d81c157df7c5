#include "connectors/spanmetrics/adjusted_count.h"

#include <charconv>

#include "base/ascii.h"

namespace narthex::connectors {
namespace {

constexpr uint64_t kAll = uint64_t{1} << 56;
constexpr size_t kDigitsMax = 14;
// Who claims more would have nothing but this span to show for it, and soon an overflow.
constexpr uint64_t kCountMax = uint64_t{1} << 32;

// "c" is 0xc0000000000000.
std::optional<uint64_t> ThresholdFrom(std::string_view digits) {
  if (digits.empty() || digits.size() > kDigitsMax) return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value << 4 * (kDigitsMax - digits.size());
}

std::optional<uint64_t> FindThreshold(std::string_view trace_state) {
  while (!trace_state.empty()) {
    std::string_view member = base::Trim(base::TakeUntil(trace_state, ','), " \t");
    if (!member.starts_with("ot=")) continue;
    member.remove_prefix(3);
    while (!member.empty()) {
      const std::string_view field = base::TakeUntil(member, ';');
      if (field.starts_with("th:")) return ThresholdFrom(field.substr(3));
    }
    return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

AdjustedCount::AdjustedCount(std::string_view trace_state) {
  const std::optional<uint64_t> threshold = FindThreshold(trace_state);
  if (!threshold.has_value() || kAll - *threshold < kAll / kCountMax) return;
  kept_ = kAll - *threshold;
  whole_ = kAll / kept_;
  rest_ = kAll % kept_;
  is_extrapolated_ = true;
}

uint64_t AdjustedCount::Draw(base::Random& random) const {
  if (rest_ == 0) return whole_;
  return whole_ + (random.Below(kept_) < rest_ ? 1 : 0);
}

}  // namespace narthex::connectors
