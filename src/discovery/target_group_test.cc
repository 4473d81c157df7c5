#include "discovery/target_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace narthex::discovery {
namespace {

using testing::HasSubstr;

TEST(TargetGroup, JsonAndYamlSayTheSame) {
  const std::vector<TargetGroup> expected = {
      {.targets = {{{"__address__", "a:1"}}, {{"__address__", "b:2"}}},
       .labels = {{"env", "x"}, {"__scheme__", "https"}}},
      {.targets = {{{"__address__", "c:3"}}}, .labels = {}}};
  const auto json = ParseJsonTargets(
      R"([{"targets":["a:1","b:2"],"labels":{"env":"x","__scheme__":"https"}},
          {"targets":["c:3"],"labels":null}])",
      "f.json");
  ASSERT_TRUE(json) << json.error().message;
  EXPECT_EQ(*json, expected);
  const auto yaml = ParseYamlTargets(
      "- targets: [\"a:1\", \"b:2\"]\n  labels: {env: x, __scheme__: https}\n"
      "- targets: [\"c:3\"]\n",
      "f.yml");
  ASSERT_TRUE(yaml) << yaml.error().message;
  EXPECT_EQ(*yaml, expected);
}

TEST(TargetGroup, NoGroupsAreNoMistake) {
  EXPECT_TRUE(ParseJsonTargets("[]", "f.json").value().empty());
  EXPECT_TRUE(ParseYamlTargets("[]", "f.yml").value().empty());
  EXPECT_TRUE(ParseYamlTargets("", "f.yml").value().empty());
}

TEST(TargetGroup, MistakesHaveAPlace) {
  constexpr std::pair<const char*, const char*> kJson[] = {
      {"", "f.json: "},
      {"{}", "f.json: expected an array"},
      {"[null]", "f.json: target group 0: expected an object"},
      {R"([{"targets":[]},{"target":[]}])", "f.json: target group 1: unknown field \"target\""},
      {R"([{"targets":[1]}])", "targets: expected strings"},
      {R"([{"targets":"a"}])", "targets: expected an array"},
      {R"([{"labels":{"a":1}}])", "label \"a\": expected a string"},
      {R"([{"labels":{"":"x"}}])", "is not a valid label name"},
      {R"([{"labels":[]}])", "labels: expected an object"},
      {R"([{"targets":[]}] x)", "f.json"},
  };
  for (const auto& [text, message] : kJson) {
    const auto groups = ParseJsonTargets(text, "f.json");
    ASSERT_FALSE(groups) << text;
    EXPECT_THAT(groups.error().message, HasSubstr(message)) << text;
  }
  constexpr std::pair<const char*, const char*> kYaml[] = {
      {"a: b", "f.yml:1:1: expected a list"},
      {"- ", "expected a target group"},
      {"- target: [a]", "f.yml:1:3: unknown key \"target\""},
      {"- labels: {a: [b]}", "f.yml:1:15: label \"a\": expected text"},
      {"- targets: {}", "f.yml:1:12"},
      {"- targets: [a", "f.yml:"},
  };
  for (const auto& [text, message] : kYaml) {
    const auto groups = ParseYamlTargets(text, "f.yml");
    ASSERT_FALSE(groups) << text;
    EXPECT_THAT(groups.error().message, HasSubstr(message)) << text;
  }
}

}  // namespace
}  // namespace narthex::discovery
