#include "demo/child_process.h"

#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "demo/backoff.h"

namespace narthex::demo {
namespace {

class ChildProcessTest : public ::testing::Test {
 protected:
  ChildProcess Shell(std::string script) {
    return ChildProcess::Start({.arguments = {"/bin/sh", "-c", std::move(script)},
                                .variables = {{"GREETING", "hello"}},
                                .log_path = log_path_})
        .value();
  }
  std::string Log() {
    std::ostringstream text;
    text << std::ifstream(log_path_).rdbuf();
    return text.str();
  }

  const std::string log_path_ = testing::TempDir() + "child_process_test_" +
                                testing::UnitTest::GetInstance()->current_test_info()->name();
  ChildProcessTest() { std::remove(log_path_.c_str()); }
};

TEST_F(ChildProcessTest, OutputAndEnvironment) {
  ChildProcess child = Shell("echo $GREETING; echo error >&2; exit 3");
  EXPECT_TRUE(child.End(0, std::chrono::seconds(10)));
  EXPECT_EQ(child.Poll(), "exit code 3");
  EXPECT_FALSE(child.exited_well());
  EXPECT_EQ(Log(), "hello\nerror\n");
}

TEST_F(ChildProcessTest, EndsOnRequestOrIsKilled) {
  ChildProcess polite = Shell("trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done");
  while (Log().empty()) {
  }
  EXPECT_TRUE(polite.End(SIGTERM, std::chrono::seconds(10)));
  EXPECT_TRUE(polite.exited_well());
  ChildProcess stubborn = Shell("trap '' TERM; echo ready; while :; do sleep 0.01; done");
  while (Log().size() < 12) {
  }
  EXPECT_FALSE(stubborn.End(SIGTERM, std::chrono::milliseconds(20)));
  EXPECT_EQ(stubborn.Poll(), "signal 9 (Killed)");
}

TEST(Backoff, DoublesUpToHalfAMinute) {
  Backoff backoff;
  for (const int seconds : {1, 2, 4, 8, 16, 30, 30}) {
    EXPECT_EQ(backoff.Next(), std::chrono::seconds(seconds));
  }
  backoff.Reset();
  EXPECT_EQ(backoff.Next(), std::chrono::seconds(1));
}

}  // namespace
}  // namespace narthex::demo
