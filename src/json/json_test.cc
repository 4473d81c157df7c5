#include <gtest/gtest.h>

#include "json/reader.h"
#include "json/writer.h"

namespace narthex::json {
namespace {

TEST(Writer, PlacesCommas) {
  Writer w;
  w.BeginObject().Key("a").BeginArray().Int(1).Double(2.5).Null().EndArray();
  w.Key("b").String("x\"y\n\xff").Key("c").BeginObject().EndObject().EndObject();
  EXPECT_EQ(w.Take(), "{\"a\":[1,2.5,null],\"b\":\"x\\\"y\\n\\ufffd\",\"c\":{}}");
}

TEST(Reader, ReadsWhatTheWriterWrites) {
  const auto document =
      Document::Parse(R"({"n":5.0,"big":18446744073709551615,"s":"\u00e9","a":[true,null]})");
  ASSERT_TRUE(document.has_value());
  const Element root = document->root();
  EXPECT_EQ(root.Get("n").Int(), 5);
  EXPECT_EQ(root.Get("n").Double(), 5.0);
  EXPECT_EQ(root.Get("big").Uint(), 18446744073709551615u);
  EXPECT_EQ(root.Get("big").Int(), std::nullopt);
  EXPECT_EQ(root.Get("s").String(), "é");
  EXPECT_EQ(root.Get("a").size(), 2u);
  EXPECT_TRUE(root.Get("absent").is_null());
  EXPECT_EQ(root.Get("s").Get("deeper").Int(), std::nullopt);
}

TEST(Reader, RefusesMalformedAndDeepText) {
  for (const std::string text : {"", "{", "[1,]", "{\"a\":}", "nul", "\"\xff\""}) {
    EXPECT_FALSE(Document::Parse(text).has_value()) << text;
  }
  EXPECT_FALSE(Document::Parse(std::string(2000, '[') + std::string(2000, ']')).has_value());
}

}  // namespace
}  // namespace narthex::json
