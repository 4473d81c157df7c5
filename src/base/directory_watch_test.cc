#include "base/directory_watch.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace narthex::base {
namespace {

constexpr std::chrono::milliseconds kLong{10'000};

class DirectoryWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "directory_watch_" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ + "/other");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
  std::unique_ptr<DirectoryWatch> watch_ = *DirectoryWatch::Create();
};

TEST_F(DirectoryWatchTest, SaysWhereAFileWasWrittenMovedAndRemoved) {
  ASSERT_TRUE(watch_->Watch({folder_}));
  const std::set<std::string> expected = {folder_};
  {
    std::ofstream(folder_ + "/a.tmp") << "text";
  }
  EXPECT_EQ(watch_->Wait(kLong), expected);
  std::filesystem::rename(folder_ + "/a.tmp", folder_ + "/a");
  EXPECT_EQ(watch_->Wait(kLong), expected);
  std::filesystem::remove(folder_ + "/a");
  EXPECT_EQ(watch_->Wait(kLong), expected);
}

TEST_F(DirectoryWatchTest, AWakeEndsTheWait) {
  watch_->Wake();
  EXPECT_TRUE(watch_->Wait(kLong).empty());
}

TEST_F(DirectoryWatchTest, WhatIsNoLongerWatchedSaysNothing) {
  ASSERT_TRUE(watch_->Watch({folder_, folder_ + "/other"}));
  ASSERT_TRUE(watch_->Watch({folder_ + "/other"}));
  {
    std::ofstream(folder_ + "/a") << "text";
  }
  {
    std::ofstream(folder_ + "/other/b") << "text";
  }
  EXPECT_EQ(watch_->Wait(kLong), std::set<std::string>{folder_ + "/other"});
}

TEST_F(DirectoryWatchTest, AMissingDirectoryIsAnErrorAndTheOthersAreWatched) {
  const Status status = watch_->Watch({folder_ + "/absent", folder_ + "/other"});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kNotFound);
  {
    std::ofstream(folder_ + "/other/b") << "text";
  }
  EXPECT_EQ(watch_->Wait(kLong), std::set<std::string>{folder_ + "/other"});
}

TEST_F(DirectoryWatchTest, ADirectoryMadeAnewIsWatchedAgain) {
  ASSERT_TRUE(watch_->Watch({folder_ + "/other"}));
  std::filesystem::remove(folder_ + "/other");
  EXPECT_EQ(watch_->Wait(kLong), std::set<std::string>{folder_ + "/other"});
  std::filesystem::create_directory(folder_ + "/other");
  ASSERT_TRUE(watch_->Watch({folder_ + "/other"}));
  {
    std::ofstream(folder_ + "/other/b") << "text";
  }
  EXPECT_EQ(watch_->Wait(kLong), std::set<std::string>{folder_ + "/other"});
}

}  // namespace
}  // namespace narthex::base
