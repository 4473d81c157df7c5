#include <gtest/gtest.h>

#include "config/reader.h"
#include "config/yaml.h"

namespace narthex::config {
namespace {

TEST(Yaml, KeepsPlacesAndQuotes) {
  const Node root = *ParseYaml("a: 1\nb:\n  - x\n  - \"2\"\nc: ~\nd:\n", "f.yml");
  ASSERT_TRUE(root.is_map());
  EXPECT_EQ(root.Find("a")->scalar, "1");
  EXPECT_EQ(root.Find("b")->items[1].at.line, 4);
  EXPECT_EQ(root.Find("b")->items[1].at.column, 5);
  EXPECT_TRUE(root.Find("b")->items[1].quoted);
  EXPECT_FALSE(root.Find("b")->items[0].quoted);
  EXPECT_TRUE(root.Find("c")->is_null());
  EXPECT_TRUE(root.Find("d")->is_null());
  EXPECT_EQ(root.Find("e"), nullptr);
}

TEST(Yaml, SaysWhereItIsWrong) {
  EXPECT_EQ(ParseYaml("a: 1\na: 2\n", "f.yml").error().message,
            "f.yml:2:1: mapping key \"a\" already defined");
  EXPECT_TRUE(ParseYaml("a: [1\n", "f.yml").error().message.starts_with("f.yml:"));
  EXPECT_TRUE(ParseYaml(std::string(300, '['), "f.yml").error().message.starts_with("f.yml:1:"));
}

TEST(Yaml, ExpandsAliasesButNotBombs) {
  EXPECT_EQ(ParseYaml("a: &x [1, 2]\nb: *x\n", "f")->Find("b")->items.size(), 2u);
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string previous = "*a" + std::to_string(i - 1);
    bomb += fmt::format("a{0}: &a{0} [{1}, {1}, {1}, {1}, {1}, {1}, {1}, {1}, {1}]\n", i, previous);
  }
  EXPECT_NE(ParseYaml(bomb, "f").error().message.find("too many values"), std::string::npos);
}

struct Target {
  std::string name;
  int64_t interval_ms = 0;
  bool on = false;
  uint64_t limit = 0;
  double ratio = 0;
  std::vector<std::string> list;
};

base::Status ReadTarget(std::string_view text, Target& target) {
  const Node root = *ParseYaml(text, "t.yml");
  Diagnostics diagnostics("t.yml");
  MapReader reader(root, diagnostics);
  reader.Read("name", target.name);
  reader.ReadDuration("interval", target.interval_ms);
  reader.Read("on", target.on);
  reader.ReadBytes("limit", target.limit);
  reader.Read("ratio", target.ratio);
  reader.Read("list", target.list);
  reader.Finish();
  return diagnostics.ToStatus();
}

TEST(MapReader, ReadsEveryType) {
  Target target;
  ASSERT_TRUE(
      ReadTarget("name: 0123\ninterval: 1m30s\non: true\nlimit: 2MB\nratio: .5\nlist: [a, b]",
                 target)
          .has_value());
  EXPECT_EQ(target.name, "0123");
  EXPECT_EQ(target.interval_ms, 90'000);
  EXPECT_TRUE(target.on);
  EXPECT_EQ(target.limit, 2u << 20);
  EXPECT_EQ(target.ratio, 0.5);
  EXPECT_EQ(target.list.size(), 2u);
}

TEST(MapReader, ReportsAllFindingsWithPlaceAndSuggestion) {
  Target target;
  const auto status = ReadTarget("interval: 15x\nintervall: 1s\non: 3\nlist: x", target);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().message,
            "t.yml:1:11: interval: \"15x\" is not a duration (such as 15s or 1h30m)\n"
            "t.yml:3:5: on: \"3\" is not true or false\n"
            "t.yml:4:7: list: expected a list\n"
            "t.yml:2:1: unknown key \"intervall\" (did you mean \"interval\"?)");
  EXPECT_EQ(target.interval_ms, 0);
}

}  // namespace
}  // namespace narthex::config
