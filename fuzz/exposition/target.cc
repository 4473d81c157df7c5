// The exposition parser over arbitrary bytes: it ends, what it hands out stays inside the body, and
// whoever knows the series from before is told the same.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "exposition/parser.h"

using narthex::exposition::Format;
using narthex::exposition::KnownSeries;
using narthex::exposition::Parser;

namespace {

// The series of a body in their order.
class Remembered final : public KnownSeries {
 public:
  size_t Match(std::string_view rest) override {
    while (next_ < texts_.size() && !texts_[next_].ends_with('}')) ++next_;
    if (next_ == texts_.size() || !rest.starts_with(texts_[next_])) return 0;
    return texts_[next_++].size();
  }
  void Add(std::string_view text) { texts_.emplace_back(text); }

 private:
  std::vector<std::string> texts_;
  size_t next_ = 0;
};

// All that it says of a body, and its series.
std::pair<std::string, Remembered> Read(std::string_view body, Format format, KnownSeries* known) {
  std::pair<std::string, Remembered> read;
  auto& [said, series] = read;
  Parser parser(body, format, known);
  for (;;) {
    const auto entry = parser.Next();
    if (!entry) said += entry.error().message;
    if (!entry || !*entry) return read;
    said += static_cast<char>(**entry);
    if (**entry != Parser::Entry::kSeries) continue;
    CHECK(parser.series().data() >= body.data());
    CHECK(parser.series().data() + parser.series().size() <= body.data() + body.size());
    series.Add(parser.series());
    said.append(parser.series()) += std::to_string(parser.value());
    const auto labels = parser.Labels();
    if (labels) CHECK(labels->Has("__name__"));
    said += labels ? labels->ToString() : labels.error().message;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  // The first byte chooses the format, so that both are explored.
  const Format format = data[0] % 2 == 0 ? Format::kText : Format::kOpenMetrics;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto [said, series] = Read(body, format, nullptr);
  CHECK(Read(body, format, &series).first == said);
  return 0;
}
