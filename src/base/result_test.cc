#include "base/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

namespace narthex::base {
namespace {

Result<int> Half(int n) {
  if (n % 2 != 0) return Fail(Code::kInvalidArgument, "{} is odd", n);
  return n / 2;
}

Result<std::unique_ptr<int>> Quarter(int n) {
  ASSIGN_OR_RETURN(const int half, Half(n));
  ASSIGN_OR_RETURN(const int quarter, Half(half));
  return std::make_unique<int>(quarter);
}

TEST(Result, CarriesTheFirstErrorOutwards) {
  EXPECT_EQ(**Quarter(8), 2);
  const auto failed = Quarter(6);
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().message, "3 is odd");
  EXPECT_EQ(Error(failed.error()).In("here").message, "here: 3 is odd");
}

TEST(Result, TellsRetryableErrnoFromFinal) {
  EXPECT_EQ(FailErrno(ENOSPC, "x").error().code, Code::kResourceExhausted);
  EXPECT_EQ(FailErrno(ENOENT, "x").error().message, "x: No such file or directory");
}

}  // namespace
}  // namespace narthex::base
