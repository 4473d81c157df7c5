#include "translate/series_labels.h"

#include <gtest/gtest.h>

namespace narthex::translate {
namespace {

using otlp::TranslationStrategy;

TEST(SeriesLabels, NamesThatBecomeTheSameAreJoined) {
  SeriesLabels labels(TranslationStrategy::kUnderscoreEscapingWithSuffixes);
  labels.Add("b", "1");
  labels.Add("a", "2");
  labels.Add("b", "3");
  EXPECT_EQ(labels.Sorted(),
            (std::vector<std::pair<std::string, std::string>>{{"a", "2"}, {"b", "1;3"}}));
  EXPECT_EQ(labels.Render(), R"(a="2",b="1;3")");
}

TEST(SeriesLabels, EscapedForReadersWithoutUtf8) {
  SeriesLabels labels(TranslationStrategy::kNoTranslation);
  labels.Add("a.b", "1");
  EXPECT_TRUE(labels.has_utf8_names());
  EXPECT_EQ(labels.Render(/*escaped=*/true), R"(a_b="1")");
}

}  // namespace
}  // namespace narthex::translate
