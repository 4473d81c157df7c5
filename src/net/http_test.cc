#include "net/http.h"

#include <gmock/gmock.h>

namespace narthex::net {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(Headers, NamesCompareWithoutCase) {
  Headers headers;
  headers.Add("Content-Type", "text/plain");
  EXPECT_EQ(headers.Get("content-type"), "text/plain");
  EXPECT_FALSE(headers.Has("content-typ"));
  headers.Add("CONTENT-TYPE", "second");
  headers.Set("content-Type", "third");
  EXPECT_THAT(headers.fields(), ElementsAre(Pair("content-Type", "third")));
}

TEST(Params, DecodesInOrderAndKeepsRepeatedNames) {
  const auto params = Params::Parse("match%5B%5D=up&q=a+b%2Bc&&match[]=down&flag&empty=");
  ASSERT_TRUE(params.has_value());
  EXPECT_THAT(params->GetAll("match[]"), ElementsAre("up", "down"));
  EXPECT_EQ(params->Get("q"), "a b+c");
  EXPECT_TRUE(params->Has("flag"));
  EXPECT_TRUE(params->Has("empty"));
  EXPECT_FALSE(params->Has("missing"));
  EXPECT_EQ(params->items().size(), 5u);
}

TEST(Params, RefusesBrokenEscapes) {
  for (const char* bad : {"a=%", "a=%1", "a=%zz", "%=1"}) {
    EXPECT_FALSE(Params::Parse(bad).has_value()) << bad;
  }
}

TEST(Percent, EveryByteSurvivesARoundTrip) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(PercentDecode(PercentEncode(all)).value(), all);
  EXPECT_EQ(PercentEncode("a/b c~"), "a%2Fb%20c~");
  EXPECT_EQ(PercentDecode("a+b").value(), "a+b");
}

TEST(MediaType, IsLowerCaseWithoutParameters) {
  EXPECT_EQ(MediaType(" Text/Plain ; charset=UTF-8"), "text/plain");
  EXPECT_EQ(MediaType(""), "");
  const char* type = "application/openmetrics-text; version=\"1.0.0\"; escaping=\"a\\\"b;c\"; x=1";
  EXPECT_EQ(MediaTypeParameter(type, "VERSION"), "1.0.0");
  EXPECT_EQ(MediaTypeParameter(type, "escaping"), "a\"b;c");
  EXPECT_EQ(MediaTypeParameter(type, "x"), "1");
  EXPECT_EQ(MediaTypeParameter(type, "y"), "");
  EXPECT_EQ(MediaTypeParameter("a;b=\"unterminated", "b"), "unterminated");
}

}  // namespace
}  // namespace narthex::net
