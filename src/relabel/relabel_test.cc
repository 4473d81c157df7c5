#include "relabel/relabel.h"

#include <gtest/gtest.h>

namespace narthex::relabel {
namespace {

using Labels = std::vector<model::Label>;

// The labels after one rule; "dropped" for none.
std::string After(Rule::Spec spec, const Labels& before) {
  model::LabelsBuilder builder(*model::Labels::From(before));
  const std::vector<Rule> rules = {*Rule::From(std::move(spec))};
  return Apply(rules, builder) ? builder.Build().ToString() : "dropped";
}

TEST(Relabel, AppliesEveryAction) {
  const Labels in = {{"a", "foo"}, {"b", "Bar"}, {"__meta_x", "y"}};
  using S = Rule::Spec;
  EXPECT_EQ(After(S{.source_labels = {"a", "b"},
                    .regex = "f(.*);(.*)r",
                    .target_label = "d",
                    .replacement = "$1-${2}"},
                  in),
            R"({__meta_x="y", a="foo", b="Bar", d="oo-Ba"})");
  EXPECT_EQ(After(S{.source_labels = {"a"}, .regex = "nope", .target_label = "a"}, in),
            R"({__meta_x="y", a="foo", b="Bar"})");
  EXPECT_EQ(After(S{.source_labels = {"a"}, .target_label = "b", .replacement = ""}, in),
            R"({__meta_x="y", a="foo"})");
  EXPECT_EQ(After(S{.source_labels = {"a"}, .regex = "(f).*", .target_label = "${1}x"}, in),
            R"({__meta_x="y", a="foo", b="Bar", fx="f"})");
  EXPECT_EQ(After(S{.action = Action::kKeep, .source_labels = {"a"}, .regex = "fo"}, in),
            "dropped");
  EXPECT_EQ(After(S{.action = Action::kDrop, .source_labels = {"a"}, .regex = "foo"}, in),
            "dropped");
  EXPECT_EQ(After(S{.action = Action::kDropEqual, .source_labels = {"a"}, .target_label = "a"}, in),
            "dropped");
  EXPECT_EQ(After(S{.action = Action::kKeepEqual, .source_labels = {"a"}, .target_label = "b"}, in),
            "dropped");
  EXPECT_EQ(After(S{.action = Action::kLabelMap, .regex = "__meta_(.*)"}, in),
            R"({__meta_x="y", a="foo", b="Bar", x="y"})");
  EXPECT_EQ(After(S{.action = Action::kLabelDrop, .regex = "[ab]"}, in), R"({__meta_x="y"})");
  EXPECT_EQ(After(S{.action = Action::kLabelKeep, .regex = "[ab]"}, in), R"({a="foo", b="Bar"})");
  EXPECT_EQ(After(S{.action = Action::kUppercase, .source_labels = {"a"}, .target_label = "a"},
                  {{"a", "foo"}}),
            R"({a="FOO"})");
  // MD5("foo") ends in ...fccc4a4d8, a multiple of 8.
  EXPECT_EQ(
      After(
          S{.action = Action::kHashMod, .source_labels = {"a"}, .modulus = 8, .target_label = "h"},
          {{"a", "foo"}}),
      R"({a="foo", h="0"})");
}

TEST(Relabel, ChecksThatThePartsFitTheAction) {
  using S = Rule::Spec;
  EXPECT_FALSE(Rule::From(S{}).has_value());
  EXPECT_FALSE(Rule::From(S{.action = Action::kHashMod, .target_label = "x"}).has_value());
  EXPECT_FALSE(Rule::From(S{.action = Action::kLabelDrop, .target_label = "x"}).has_value());
  EXPECT_FALSE(Rule::From(S{.regex = "(", .target_label = "x"}).has_value());
  EXPECT_FALSE(ParseAction("renew").has_value());
  EXPECT_EQ(ParseAction("LabelMap"), Action::kLabelMap);
}

}  // namespace
}  // namespace narthex::relabel
