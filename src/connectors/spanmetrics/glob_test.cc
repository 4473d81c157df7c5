#include "connectors/spanmetrics/glob.h"

#include <gtest/gtest.h>

namespace narthex::connectors {
namespace {

bool Matches(std::string_view glob, std::string_view name) {
  const auto pattern = ParseGlob(glob);
  EXPECT_TRUE(pattern.has_value()) << glob;
  return pattern.has_value() && re2::RE2::FullMatch(name, **pattern);
}

TEST(Glob, HasStarsQuestionsClassesAndChoices) {
  EXPECT_TRUE(Matches("k8s.*", "k8s.pod.name"));
  EXPECT_FALSE(Matches("k8s.*", "ak8s.pod"));
  EXPECT_FALSE(Matches("k8s.*", "k8s-pod"));
  EXPECT_TRUE(Matches("*", ""));
  EXPECT_TRUE(Matches("a?c", "abc"));
  EXPECT_FALSE(Matches("a?c", "ac"));
  EXPECT_TRUE(Matches("h[a-c.]t", "h.t"));
  EXPECT_FALSE(Matches("h[!a-c]t", "hbt"));
  EXPECT_TRUE(Matches("h[!a-c]t", "h-t"));
  EXPECT_TRUE(Matches("http.{request,response{,s}}.size", "http.responses.size"));
  EXPECT_FALSE(Matches("http.{request,response}.size", "http..size"));
  EXPECT_TRUE(Matches("a\\*,}", "a*,}"));
}

TEST(Glob, WithoutAnEndIsAnError) {
  for (const char* const glob : {"", "[", "[]", "a{b", "a\\", "[z-a]"}) {
    EXPECT_EQ(ParseGlob(glob).error().code, base::Code::kInvalidArgument) << glob;
  }
}

}  // namespace
}  // namespace narthex::connectors
