#include "otlp/response.h"

#include <gtest/gtest.h>

namespace narthex::otlp {
namespace {

using base::Code;

TEST(Response, FullSuccessIsEmpty) {
  EXPECT_EQ(EncodeExportResponse({}, Encoding::kProtobuf), "");
  EXPECT_EQ(EncodeExportResponse({}, Encoding::kJson), "{}");
}

TEST(Response, PartialSuccessRoundTrips) {
  for (const Encoding encoding : {Encoding::kProtobuf, Encoding::kJson}) {
    const std::string bytes = EncodeExportResponse({300, "too old"}, encoding);
    const auto partial = DecodeExportResponse(bytes, encoding);
    ASSERT_TRUE(partial.has_value());
    EXPECT_EQ(partial->rejected_points, 300);
    EXPECT_EQ(partial->message, "too old");
  }
  EXPECT_EQ(EncodeExportResponse({3, "old"}, Encoding::kJson),
            R"({"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"old"}})");
  EXPECT_FALSE(DecodeExportResponse("\x0a\x05", Encoding::kProtobuf).has_value());
  EXPECT_FALSE(DecodeExportResponse("{", Encoding::kJson).has_value());
}

TEST(Response, StatusInBothEncodings) {
  const base::Error error{Code::kInvalidArgument, "bad"};
  EXPECT_EQ(EncodeStatus(error, Encoding::kJson), R"({"code":3,"message":"bad"})");
  EXPECT_EQ(EncodeStatus(error, Encoding::kProtobuf),
            "\x08\x03\x12\x03"
            "bad");
  for (const Encoding encoding : {Encoding::kProtobuf, Encoding::kJson}) {
    EXPECT_EQ(DecodeStatusMessage(EncodeStatus(error, encoding, std::chrono::seconds(5)), encoding),
              "bad");
  }
  EXPECT_EQ(DecodeStatusMessage("<html>", Encoding::kJson), "");
}

TEST(Response, CodesMapAsTheOfficialCollectorDoes) {
  EXPECT_EQ(HttpStatusFromCode(Code::kUnavailable), 503);
  EXPECT_EQ(HttpStatusFromCode(Code::kResourceExhausted), 429);
  EXPECT_EQ(HttpStatusFromCode(Code::kInvalidArgument), 400);
  EXPECT_EQ(HttpStatusFromCode(Code::kUnimplemented), 404);
  EXPECT_EQ(HttpStatusFromCode(Code::kInternal), 500);
  EXPECT_EQ(CodeFromHttpStatus(503), Code::kUnavailable);
  EXPECT_EQ(CodeFromHttpStatus(429), Code::kResourceExhausted);
  EXPECT_EQ(CodeFromHttpStatus(418), Code::kUnknown);
  EXPECT_TRUE(IsRetryable(Code::kUnavailable));
  EXPECT_FALSE(IsRetryable(Code::kInvalidArgument));
}

TEST(Response, AnErrorsCodeAgreesWithWhetherItMayBeTriedAgain) {
  EXPECT_EQ(MarkRetryable({Code::kDeadlineExceeded, "x"}, true).code, Code::kDeadlineExceeded);
  EXPECT_EQ(MarkRetryable({Code::kUnauthenticated, "x"}, true).code, Code::kUnavailable);
  EXPECT_EQ(MarkRetryable({Code::kInvalidArgument, "x"}, false).code, Code::kInvalidArgument);
  EXPECT_EQ(MarkRetryable({Code::kResourceExhausted, "x"}, false).code, Code::kInternal);
  EXPECT_EQ(MarkRetryable({Code::kResourceExhausted, "x"}, false).message, "x");
}

TEST(Response, RetryDelayOfAStatus) {
  const base::Error error{Code::kUnavailable, "busy"};
  EXPECT_EQ(DecodeRetryDelay(EncodeStatus(error, Encoding::kProtobuf, std::chrono::seconds(7))),
            std::chrono::seconds(7));
  EXPECT_EQ(
      DecodeRetryDelay(EncodeStatus(error, Encoding::kProtobuf, std::chrono::milliseconds(7'250))),
      std::chrono::milliseconds(7'250));
  EXPECT_EQ(DecodeRetryDelay(EncodeStatus(error, Encoding::kProtobuf)), std::nullopt);
  EXPECT_EQ(DecodeRetryDelay("no protobuf"), std::nullopt);
}

}  // namespace
}  // namespace narthex::otlp
