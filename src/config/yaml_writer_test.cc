#include "config/yaml_writer.h"

#include <gtest/gtest.h>

namespace narthex::config {
namespace {

bool SameValue(const Node& a, const Node& b) {
  if (a.kind != b.kind || a.scalar != b.scalar || a.quoted != b.quoted) return false;
  if (a.items.size() != b.items.size() || a.members.size() != b.members.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (!SameValue(a.items[i], b.items[i])) return false;
  }
  for (size_t i = 0; i < a.members.size(); ++i) {
    if (a.members[i].key.scalar != b.members[i].key.scalar) return false;
    if (!SameValue(a.members[i].value, b.members[i].value)) return false;
  }
  return true;
}

TEST(FormatYaml, ReadsBackAsItWas) {
  const Node node = *ParseYaml(R"(
receivers:
  otlp:
    protocols: {grpc: , http: {endpoint: "localhost:4318"}}
processors:
  filter: {metric_conditions: ['name == "x"', "a\\b\n\tc"]}
empty: {map: {}, list: [], text: "", null: }
lists: [[1, 2], [{a: b}, -3], "007", 007, yes, "yes", 1.5s, '-', ':', 'a: b', '# no']
unicode: "grün"
)",
                               "a.yaml");
  const std::string text = FormatYaml(node);
  const auto again = ParseYaml(text, "b.yaml");
  ASSERT_TRUE(again.has_value()) << again.error().message << text;
  EXPECT_EQ(FormatYaml(*again), text);
  // What needs quotes has them afterwards; all else is the same.
  EXPECT_TRUE(SameValue(*ParseYaml(FormatYaml(*again), "c.yaml"), *again)) << text;
  EXPECT_EQ(again->Find("lists")->items.size(), 11u);
  EXPECT_EQ(again->Find("lists")->items[3].scalar, "007");
  EXPECT_FALSE(again->Find("lists")->items[3].quoted);
  EXPECT_TRUE(again->Find("lists")->items[2].quoted);
  EXPECT_EQ(again->Find("processors")->Find("filter")->Find("metric_conditions")->items[1].scalar,
            "a\\b\n\tc");
}

TEST(FormatYaml, SecretsAreNotShown) {
  const Node node = *ParseYaml("{a: {password: x, user: y}, tokens: [p, q]}", "a.yaml");
  EXPECT_EQ(FormatYaml(node,
                       [](std::string_view path) {
                         return path.ends_with("password") || path.starts_with("tokens");
                       }),
            "a:\n  password: \"[REDACTED]\"\n  user: y\ntokens:\n  - \"[REDACTED]\"\n"
            "  - \"[REDACTED]\"\n");
  EXPECT_EQ(FormatYaml(Node()), "null\n");
}

}  // namespace
}  // namespace narthex::config
