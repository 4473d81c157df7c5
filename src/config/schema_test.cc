#include "config/schema.h"

#include <gmock/gmock.h>

#include "config/reader.h"

namespace narthex::config {
namespace {

using Use = Schema::Key::Use;
using ::testing::ElementsAre;

Schema::Key Read(std::string path, std::string type, std::string fallback, std::string meaning) {
  return {std::move(path), std::move(type), std::move(fallback), std::move(meaning), Use::kRead};
}

void ReadLimits(const Node& node, Diagnostics& diagnostics, int64_t lifetime_ns) {
  uint64_t size = 7;
  MapReader reader(node, diagnostics);
  const KeyGroup group(reader, "Limits");
  reader.Read("size", size, "How much");
  reader.ReadGoDuration("lifetime", lifetime_ns, "How long");
  reader.Finish();
}

class SchemaTest : public testing::Test {
 protected:
  Schema schema_;
  Diagnostics diagnostics_{"sample", &schema_};
};

TEST_F(SchemaTest, KeysHaveTheirPathTypeDefaultAndMeaning) {
  std::string name = "here";
  bool is_on = true;
  std::vector<std::string> words = {"a", "b"};
  MapReader reader(schema_.Begin(), diagnostics_);
  EXPECT_FALSE(reader.Read("name", name, "Where"));
  if (const Node* list = reader.Take("rules", "In order", "list")) {
    for (const Node& item : list->items) {
      MapReader inner(item, diagnostics_);
      inner.Read("on", is_on, "Whether");
      inner.Read("words", words, "Which");
      inner.Finish();
    }
  }
  EXPECT_TRUE(reader.TakeWithoutEffect({"old"}).empty());
  reader.Refuse({"wrong"}, "no");
  reader.Finish();
  EXPECT_THAT(schema_.TakeKeys(), ElementsAre(Read("name", "text", "here", "Where"),
                                              Read("rules", "list", "", "In order"),
                                              Read("rules[].on", "boolean", "true", "Whether"),
                                              Read("rules[].words", "list", "a, b", "Which"),
                                              Schema::Key{"old", "", "", "", Use::kWithoutEffect},
                                              Schema::Key{"wrong", "", "", "", Use::kRefused}));
  EXPECT_TRUE(diagnostics_.ok());
}

TEST_F(SchemaTest, WhatComponentsShareIsThereOnceAndDifferencesStayWithThem) {
  const auto read = [&](int64_t lifetime_ns) {
    MapReader reader(schema_.Begin(), diagnostics_);
    ReadLimits(*reader.Take("limits", "Bounds"), diagnostics_, lifetime_ns);
    return schema_.TakeKeys();
  };
  const Schema::Key reference{"limits", "", "", "Limits", Use::kGroup};
  EXPECT_THAT(read(1'500'000'000), ElementsAre(Read("limits", "block", "", "Bounds"), reference));
  EXPECT_THAT(read(2'000'000'000),
              ElementsAre(Read("limits", "block", "", "Bounds"), reference,
                          Read("limits.lifetime", "duration", "2s", "How long")));
  ASSERT_EQ(schema_.groups().size(), 1u);
  EXPECT_THAT(schema_.groups()[0].keys,
              ElementsAre(Read("size", "integer", "7", "How much"),
                          Read("lifetime", "duration", "1s500ms", "How long")));
}

TEST_F(SchemaTest, FilesAreReadAsWithoutASchema) {
  const Node node = *ParseYaml("{size: 9, lifetime: x}", "c.yaml");
  ReadLimits(node, diagnostics_, 0);
  EXPECT_THAT(diagnostics_.findings(), ElementsAre(testing::HasSubstr("lifetime: \"x\" is not")));
  EXPECT_TRUE(schema_.groups().empty());
}

}  // namespace
}  // namespace narthex::config
