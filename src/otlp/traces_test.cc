#include "otlp/traces.h"

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "otlp/testing/oracle.h"
#include "otlp/testing/requests.h"

namespace narthex::otlp {
namespace {

constexpr uint64_t kRounds = 300;

class Generator : private oracle::RandomValues {
 public:
  // `with_ids`: protobuf's JSON writes bytes in base64, which OTLP's does not for ids.
  Generator(uint64_t seed, bool with_unknown, bool with_ids = true)
      : RandomValues(seed, with_unknown), with_ids_(with_ids) {}

  oracle::TraceRequest Request() {
    oracle::TraceRequest request;
    for (uint64_t n = Count(3); n > 0; --n) Fill(*request.add_resource_spans());
    MaybeUnknown(request);
    return request;
  }

 private:
  void Fill(oracle::ResourceSpans& resource) {
    if (Chance()) FillAttributes(resource.mutable_resource()->mutable_attributes());
    for (uint64_t n = Count(3); n > 0; --n) Fill(*resource.add_scope_spans());
    resource.set_schema_url(Word());
    MaybeUnknown(resource);
  }
  void Fill(oracle::ScopeSpans& scope) {
    if (Chance()) {
      scope.mutable_scope()->set_name(Word());
      scope.mutable_scope()->set_version(Word());
      FillAttributes(scope.mutable_scope()->mutable_attributes());
    }
    for (uint64_t n = Count(3); n > 0; --n) Fill(*scope.add_spans());
    MaybeUnknown(scope);
  }
  void Fill(oracle::Span& span) {
    if (with_ids_) {
      span.set_trace_id("0123456789abcdef");
      span.set_span_id("01234567");
      span.set_parent_span_id("76543210");
      auto* link = span.add_links();
      link->set_trace_id("fedcba9876543210");
      FillAttributes(link->mutable_attributes());
    }
    span.set_trace_state(Word());
    span.set_name(Word());
    span.set_kind(static_cast<oracle::Span::Kind>(random_.Below(6)));
    span.set_start_time_unix_nano(Big());
    span.set_end_time_unix_nano(Big());
    FillAttributes(span.mutable_attributes());
    span.set_dropped_attributes_count(3);
    span.set_flags(1);
    for (uint64_t n = Count(3); n > 0; --n) {
      auto* event = span.add_events();
      event->set_time_unix_nano(Big());
      event->set_name(Word());
      FillAttributes(event->mutable_attributes());
      MaybeUnknown(*event);
    }
    if (Chance()) {
      span.mutable_status()->set_message(Word());
      span.mutable_status()->set_code(static_cast<oracle::Status::StatusCode>(random_.Below(3)));
    }
    MaybeUnknown(span);
  }

  const bool with_ids_;
};

// What the index says, as generated code would hold it.
oracle::TraceRequest Rebuild(const Traces& traces) {
  oracle::TraceRequest request;
  for (const ResourceSpans& resource : traces.resources) {
    auto& to_resource = *request.add_resource_spans();
    oracle::CopyAttributes(resource.attributes,
                           to_resource.mutable_resource()->mutable_attributes());
    for (const ScopeSpans& scope : traces.ScopesOf(resource)) {
      auto& to_scope = *to_resource.add_scope_spans();
      to_scope.mutable_scope()->set_name(std::string(scope.name));
      to_scope.mutable_scope()->set_version(std::string(scope.version));
      oracle::CopyAttributes(scope.attributes, to_scope.mutable_scope()->mutable_attributes());
      for (const Span& span : traces.SpansOf(scope)) {
        auto& to = *to_scope.add_spans();
        to.set_trace_id(std::string(span.trace_id));
        to.set_span_id(std::string(span.span_id));
        to.set_trace_state(std::string(span.trace_state));
        to.set_name(std::string(span.name));
        to.set_kind(static_cast<oracle::Span::Kind>(span.kind));
        to.set_start_time_unix_nano(span.start_ns);
        to.set_end_time_unix_nano(span.end_ns);
        oracle::CopyAttributes(span.attributes, to.mutable_attributes());
        to.mutable_status()->set_code(static_cast<oracle::Status::StatusCode>(span.status_code));
        for (const SpanEvent& event : traces.EventsOf(span)) {
          auto& to_event = *to.add_events();
          to_event.set_name(std::string(event.name));
          oracle::CopyAttributes(event.attributes, to_event.mutable_attributes());
        }
      }
    }
  }
  return request;
}

// Without what the index does not hold.
oracle::TraceRequest Normalised(oracle::TraceRequest request) {
  request.DiscardUnknownFields();
  oracle::Normalise(request, {"schema_url", "parent_span_id", "links", "flags", "message",
                              "time_unix_nano", "dropped_attributes_count"});
  return request;
}

Traces Decode(std::string bytes) {
  auto traces = DecodeTraces(std::move(bytes));
  EXPECT_TRUE(traces.has_value()) << traces.error().message;
  return traces.has_value() ? *std::move(traces) : Traces();
}

TEST(Traces, IndexAgreesWithGeneratedCode) {
  for (uint64_t seed = 0; seed < kRounds; ++seed) {
    SCOPED_TRACE(seed);
    const oracle::TraceRequest request = Generator(seed, seed % 2 == 0).Request();
    const Traces traces = Decode(request.SerializeAsString());
    if (!oracle::Equal(Normalised(request), Normalised(Rebuild(traces)))) break;
  }
}

TEST(Traces, TakesTheJsonThatProtobufWrites) {
  for (uint64_t seed = 0; seed < kRounds; ++seed) {
    SCOPED_TRACE(seed);
    const oracle::TraceRequest request = Normalised(Generator(seed, false, false).Request());
    for (const bool snake : {false, true}) {
      google::protobuf::util::JsonPrintOptions options;
      options.preserve_proto_field_names = snake;
      options.always_print_primitive_fields = snake;
      options.always_print_enums_as_ints = seed % 2 == 0;
      std::string json;
      ASSERT_TRUE(google::protobuf::util::MessageToJsonString(request, &json, options).ok());
      const auto traces = DecodeTracesJson(json);
      ASSERT_TRUE(traces.has_value()) << traces.error().message << "\n" << json;
      if (!oracle::Equal(request, Normalised(Rebuild(*traces)))) return;
    }
  }
}

TEST(Traces, JsonHasHexadecimalIds) {
  const auto traces = DecodeTracesJson(
      R"({"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C",
          "spanId":"eee19b7ec3c1b174","name":"I","kind":2,"status":{"code":"STATUS_CODE_ERROR"},
          "parentSpanId":"whatever","unknown":{}}]}]}]})");
  ASSERT_TRUE(traces.has_value()) << traces.error().message;
  const Span& span = traces->spans.at(0);
  EXPECT_EQ(span.trace_id.size(), 16u);
  EXPECT_EQ(span.trace_id[0], '\x5b');
  EXPECT_EQ(span.span_id.size(), 8u);
  EXPECT_EQ(SpanKindName(span.kind), "SPAN_KIND_SERVER");
  EXPECT_EQ(StatusCodeName(span.status_code), "STATUS_CODE_ERROR");
  EXPECT_EQ(SpanKindName(6), "");
  EXPECT_EQ(StatusCodeName(UINT32_MAX), "");
}

TEST(Traces, MistakesInJsonAreNamed) {
  const auto error = [](std::string_view span) {
    const auto traces = DecodeTracesJson(
        fmt::format(R"({{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}})", span));
    return traces.has_value() ? "" : traces.error().message;
  };
  EXPECT_EQ(error(R"({"kind":"SERVER"})"),
            "invalid OTLP/JSON: kind: is no value of its enumeration");
  EXPECT_EQ(error(R"({"traceId":"xyz"})"), "invalid OTLP/JSON: traceId: is not hexadecimal");
  EXPECT_EQ(error(R"({"events":{}})"), "invalid OTLP/JSON: events: must be an array");
  EXPECT_EQ(error("7"), "invalid OTLP/JSON: spans: must be an object");
}

TEST(Traces, ErrorsNameTheOffset) {
  const auto error = [](std::string bytes) { return DecodeTraces(bytes).error().message; };
  EXPECT_EQ(error("\x0a\x05"), "protobuf: offset 0: damaged or truncated field");
  EXPECT_EQ(error(std::string("\x0a\x06\x12\x04\x12\x02\x0a\x05", 8)),
            "protobuf: offset 6: damaged or truncated field");
}

TEST(Traces, RequestsOfNothingButEmptyMessagesAreRefused) {
  std::string spans;
  for (int i = 0; i < 1'000'000; ++i) spans += std::string("\x12\x00", 2);
  Writer writer;
  const auto resource = writer.Begin(1);
  writer.Bytes(2, spans);
  writer.End(resource);
  EXPECT_TRUE(DecodeTraces(writer.Take())
                  .error()
                  .message.starts_with("protobuf: the request consists of empty messages"));
}

TEST(Traces, DamageIsAnErrorOrAnotherMessageButNeverACrash) {
  base::Random random(7);
  for (uint64_t seed = 0; seed < kRounds; ++seed) {
    const std::string bytes = Generator(seed, true).Request().SerializeAsString();
    if (bytes.empty()) continue;
    for (int round = 0; round < 20; ++round) {
      std::string damaged = bytes;
      damaged[random.Below(damaged.size())] = static_cast<char>(random.Next());
      if (round % 3 == 0) damaged.resize(random.Below(damaged.size()));
      if (const auto traces = DecodeTraces(damaged)) (void)Rebuild(*traces);
    }
  }
}

}  // namespace
}  // namespace narthex::otlp
