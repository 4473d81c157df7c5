#include "server/active_queries.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "base/testing/manual_clock.h"

namespace narthex::server {
namespace {

class ActiveQueriesTest : public testing::Test {
 protected:
  ~ActiveQueriesTest() override { std::filesystem::remove(path_); }

  // What the next run learns.
  std::string Restart(size_t slots = 2) {
    active_ = std::make_unique<ActiveQueries>(clock_, slots);
    return active_->Open(base::PosixFileSystem(), path_).value();
  }

  const std::string path_ = testing::TempDir() + "queries.active." +
                            testing::UnitTest::GetInstance()->current_test_info()->name();
  base::ManualClock clock_;
  std::unique_ptr<ActiveQueries> active_;
};

TEST_F(ActiveQueriesTest, TellsTheNextRunWhichQueriesHadNotEnded) {
  clock_.AdvanceMs(5'900);
  EXPECT_EQ(Restart(), "");
  const size_t first = active_->Began("up");
  active_->Began("a == \"x\ny\"");
  active_->Ended(first);
  EXPECT_EQ(Restart(), R"([{"query":"a == \"x\ny\"","timestamp_sec":5}])");
  EXPECT_EQ(Restart(), "");
}

TEST_F(ActiveQueriesTest, CutsWhatIsTooLongForItsSlot) {
  Restart();
  std::string text;
  while (text.size() < 5000) text += "\xC3\xBC";
  active_->Began(text);
  active_->Began(std::string(900, '\x01'));  // Six bytes each.
  const std::string left = Restart();
  EXPECT_LE(left.size(), 2000u);
  EXPECT_THAT(left, testing::StartsWith("[{\"query\":\"\xC3\xBC\xC3\xBC"));
  EXPECT_THAT(left, testing::HasSubstr("\xC3\xBC\",\"timestamp_sec\":"));
  EXPECT_THAT(left, testing::HasSubstr("{\"query\":\"\\u0001\\u0001"));
}

TEST_F(ActiveQueriesTest, KeepsNoMoreThanItHasSlotsFor) {
  Restart(1);
  const size_t kept = active_->Began("a");
  active_->Ended(active_->Began("b"));
  active_->Ended(kept);
  active_->Began("c");
  EXPECT_THAT(Restart(1), testing::HasSubstr("\"c\""));
}

TEST_F(ActiveQueriesTest, KeepsNothingUntilItIsOpen) {
  ActiveQueries closed(clock_, 2);
  closed.Ended(closed.Began("a"));
  EXPECT_FALSE(closed.Open(base::PosixFileSystem(), path_ + "/none/there").has_value());
}

}  // namespace
}  // namespace narthex::server
