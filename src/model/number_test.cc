#include "model/number.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace narthex::model {
namespace {

std::string Json(double value) {
  std::string out;
  AppendJsonFloat(out, value);
  return out;
}

TEST(Number, PrintsFixedWithTheShortestDigits) {
  const auto fixed = [](double value) {
    std::string out;
    AppendFixedFloat(out, value);
    return out;
  };
  EXPECT_EQ(fixed(40762026032183272.0), "40762026032183270");  // As close as with its own digits.
  EXPECT_EQ(fixed(-1e23), "-100000000000000000000000");
  EXPECT_EQ(fixed(1.5e-7), "0.00000015");
  EXPECT_EQ(fixed(-0.0), "-0");
  EXPECT_EQ(fixed(0.1), "0.1");
}

TEST(Number, PrintsAsGoDoes) {
  EXPECT_EQ(Json(0), "0");
  EXPECT_EQ(Json(-0.0), "-0");
  EXPECT_EQ(Json(1e6), "1000000");
  EXPECT_EQ(Json(0.1), "0.1");
  EXPECT_EQ(Json(1e20), "100000000000000000000");
  EXPECT_EQ(Json(9223372036854775808.0), "9223372036854776000");
  EXPECT_EQ(Json(-123456789012345678901.0), "-123456789012345680000");
  EXPECT_EQ(Json(1e21), "1e+21");
  EXPECT_EQ(Json(1e-6), "0.000001");
  EXPECT_EQ(Json(1.5e-7), "1.5e-07");
  EXPECT_EQ(Json(-1e300), "-1e+300");
  EXPECT_EQ(Json(std::nan("")), "NaN");
  EXPECT_EQ(Json(-std::numeric_limits<double>::infinity()), "-Inf");
  EXPECT_EQ(FormatFloat(0.00005), "5e-05");
  std::string compact;
  AppendCompactFloat(compact, 1234567);
  EXPECT_EQ(compact, "1.234567e+06");
}

TEST(Number, ParsesExpositionNumbers) {
  EXPECT_EQ(ParseFloat("1"), 1.0);
  EXPECT_EQ(ParseFloat("+1.5e3"), 1500.0);
  EXPECT_EQ(ParseFloat("-.5"), -0.5);
  EXPECT_EQ(ParseFloat("+Inf"), std::numeric_limits<double>::infinity());
  EXPECT_EQ(ParseFloat("-iNf"), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(*ParseFloat("NaN")));
  EXPECT_EQ(ParseFloat("1e-400"), 0.0);
  for (const char* text : {"", "+", "--1", "1x", "0x1p3", "1_000", "1e999", "infinit", " 1"}) {
    EXPECT_EQ(ParseFloat(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace narthex::model
