#pragma once

#include <fmt/core.h>

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace narthex::base {

// What went wrong, for the caller who has to decide: gRPC's canonical codes.
// Source: google.rpc.Code.
enum class Code {
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// "INVALID_ARGUMENT" and so on.
std::string_view CodeName(Code code);

// A code for programs and a message for people. A value.
struct Error {
  Code code = Code::kUnknown;
  std::string message;

  // The same error with "<where>: " in front. Callers add context outwards.
  Error In(std::string_view where) && {
    return {code, std::string(where) + ": " + std::move(message)};
  }
};

// A value or an Error that cannot be ignored.
template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
};

// Success or an Error.
using Status = Result<void>;

// Makes the error side of a Result: `return Fail(Code::kNotFound, "no target {}", name);`
template <class... Args>
std::unexpected<Error> Fail(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Error{code, fmt::format(format, std::forward<Args>(args)...)});
}

// An Error from errno: "<what>: No space left on device", with a code that tells apart what can be
// retried (kUnavailable, kResourceExhausted) from what cannot.
std::unexpected<Error> FailErrno(int error_number, std::string_view what);

}  // namespace narthex::base

#define NARTHEX_CONCAT_INNER(a, b) a##b
#define NARTHEX_CONCAT(a, b) NARTHEX_CONCAT_INNER(a, b)

// Evaluates a Result<T>; returns its error, or else assigns its value to `lhs`.
#define ASSIGN_OR_RETURN(lhs, ...) \
  ASSIGN_OR_RETURN_INNER(NARTHEX_CONCAT(result_, __LINE__), lhs, __VA_ARGS__)
#define ASSIGN_OR_RETURN_INNER(result, lhs, ...)                              \
  auto result = (__VA_ARGS__);                                                \
  if (!result.has_value()) return std::unexpected(std::move(result).error()); \
  lhs = std::move(result).value()

// Evaluates a Status; returns its error.
#define RETURN_IF_ERROR(...)                                              \
  do {                                                                    \
    if (auto narthex_status = (__VA_ARGS__); !narthex_status.has_value()) \
      return std::unexpected(std::move(narthex_status).error());          \
  } while (false)
