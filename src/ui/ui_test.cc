#include "ui/ui.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace narthex::ui {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Ui, ServesTheQueryPageWhole) {
  const auto page = Find("/query");
  ASSERT_TRUE(page.has_value());
  EXPECT_EQ(page->content_type, "text/html; charset=utf-8");
  EXPECT_TRUE(page->bytes.starts_with("<!doctype html>"));
  EXPECT_TRUE(page->bytes.ends_with("</html>\n"));
}

TEST(Ui, AsksNoOtherServer) {
  const std::string page(Find("/query")->bytes);
  EXPECT_THAT(page, Not(HasSubstr("https://")));
  EXPECT_THAT(page, Not(HasSubstr("src=\"")));
}

TEST(Ui, KnowsOldAddresses) {
  EXPECT_EQ(RedirectOf("/"), "/query");
  EXPECT_EQ(RedirectOf("/graph"), "/query");
  EXPECT_EQ(RedirectOf("/query"), "");
  EXPECT_FALSE(Find("/").has_value());
}

}  // namespace
}  // namespace narthex::ui
