#include "model/duration.h"

#include <gtest/gtest.h>

namespace narthex::model {
namespace {

TEST(Duration, ParsesUnitsInOrder) {
  EXPECT_EQ(ParseDuration("1d2h3m4s5ms"), 93784005);
  EXPECT_EQ(ParseDuration("0"), 0);
  EXPECT_EQ(ParseDuration("15d"), 15LL * 86400 * 1000);
  EXPECT_EQ(ParseDuration("1y"), 365LL * 86400 * 1000);
  for (const char* text : {"", "1", "s", "1x", "1m1h", "1s1s", "-1s", "1.5s", "1 s"}) {
    EXPECT_FALSE(ParseDuration(text).has_value()) << text;
  }
  EXPECT_EQ(ParseDuration("15x").error().message, "not a valid duration string: \"15x\"");
  EXPECT_FALSE(ParseDuration("99999999999999999999y").has_value());
  EXPECT_FALSE(ParseDuration("9999999999y").has_value());
}

TEST(Duration, FormatsTheShortestText) {
  for (const char* text : {"0s", "1h30m", "15d", "1w", "2y", "5ms", "1d2h3m4s5ms"}) {
    EXPECT_EQ(FormatDuration(*ParseDuration(text)), text);
  }
  EXPECT_EQ(FormatDuration(7LL * 86400 * 1000 + 1000), "7d1s");
  EXPECT_EQ(FormatDuration(-60000), "-1m");
}

TEST(GoDuration, TakesFractionsAndSigns) {
  EXPECT_EQ(ParseGoDuration("1.5h"), 5'400'000'000'000);
  EXPECT_EQ(ParseGoDuration("-1m30s"), -90'000'000'000);
  EXPECT_EQ(ParseGoDuration("200ms"), 200'000'000);
  for (const char* text : {"", "5", "1d", "h", "1e3s"}) {
    EXPECT_FALSE(ParseGoDuration(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace narthex::model
