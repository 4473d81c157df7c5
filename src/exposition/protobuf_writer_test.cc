#include "exposition/protobuf_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exposition/writer.h"

namespace narthex::exposition {
namespace {

using testing::ElementsAre;
using testing::Pair;

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

// By hand from metrics.proto.
TEST(ProtobufWriter, ACounter) {
  ProtobufWriter writer;
  writer.BeginFamily("c", model::MetricType::kCounter, "h");
  std::string labels;
  AppendLabel(labels, "a", "x");
  writer.Number(labels, 1, nullptr, 5);
  EXPECT_EQ(Hex(writer.Finish()),
            "1f"  // Length of the family.
            "0a0163"
            "120168"
            "1800"  // name, help, type.
            "2215"  // metric
            "0a06"
            "0a0161"
            "120178"  // label
            "1a09"
            "09000000000000f03f"
            "3005");
}

TEST(ProtobufWriter, ANativeHistogram) {
  ProtobufWriter writer;
  writer.BeginFamily("h", model::MetricType::kHistogram, "");
  const uint64_t counts[] = {2, 0, 3, 0, 0, 0, 1};
  const ProtobufWriter::Native native{
      .schema = 1, .zero_threshold = 0, .zero_count = 4, .positive = {-1, counts}, .negative = {}};
  writer.Histogram("", 10, 0, {}, &native, {});
  EXPECT_EQ(Hex(writer.Finish()),
            "37"
            "0a0168"
            "1200"
            "1804"
            "222e"
            "3a2c"
            "080a"
            "110000000000000000"
            "2802"
            "310000000000000000"
            "3804"
            "6204"
            "0801"
            "1003"  // From bucket -1, three of them.
            "6204"
            "0806"
            "1001"  // Three buckets later, one.
            "6804"
            "6803"
            "6806"
            "6803");
}

TEST(ProtobufWriter, LabelsComeBackFromTheirText) {
  std::string labels;
  AppendLabel(labels, "plain", "a\"b\\c\nd,e=\"");
  AppendLabel(labels, "with.dot", "");
  AppendLabel(labels, "last", "ü");
  EXPECT_THAT(SplitLabels(labels), ElementsAre(Pair("plain", "a\"b\\c\nd,e=\""),
                                               Pair("with.dot", ""), Pair("last", "ü")));
  EXPECT_TRUE(SplitLabels("").empty());
  EXPECT_TRUE(SplitLabels("nonsense").empty());
}

}  // namespace
}  // namespace narthex::exposition
