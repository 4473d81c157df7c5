#include "otlp/cut_items.h"

#include <gmock/gmock.h>

#include "otlp/items.h"
#include "otlp/traces.h"
#include "otlp/value.h"
#include "otlp/writer.h"

namespace narthex::otlp {
namespace {

using testing::ElementsAre;

// Each a resource's name and, per scope, how many spans it has.
using Shape = std::vector<std::pair<std::string, std::vector<int>>>;

std::string Request(const Shape& shape, uint32_t scope_field = 2) {
  Writer writer;
  int span = 0;
  for (const auto& [name, scopes] : shape) {
    const auto resource = writer.Begin(1);
    for (const int spans : scopes) {
      const auto scope = writer.Begin(scope_field);
      for (int i = 0; i < spans; ++i) {
        const auto mark = writer.Begin(2);
        writer.Bytes(5, std::to_string(span++));
        writer.End(mark);
      }
      writer.Bytes(3, "scope's schema");
      writer.End(scope);
    }
    const auto own = writer.Begin(1);  // Behind the scopes, where it may be as well.
    const auto attribute = writer.Begin(1);
    writer.Bytes(1, name);
    writer.End(attribute);
    writer.End(own);
    writer.Bytes(15, "unknown");
    writer.End(resource);
  }
  return writer.Take();
}

// "a(0 1)(2) b(3)": resources by their attribute, scopes, and the names of spans.
std::string Shown(std::string_view request) {
  const Traces traces = DecodeTraces(std::string(request)).value();
  std::string out;
  for (const ResourceSpans& resource : traces.resources) {
    out += (out.empty() ? "" : " ") + std::string(KeyValues(resource.attributes).Next()->key);
    for (const ScopeSpans& scope : traces.ScopesOf(resource)) {
      std::string names;
      for (const Span& span : traces.SpansOf(scope)) {
        names += (names.empty() ? "" : " ") + std::string(span.name);
      }
      out += '(' + names + ')';
    }
  }
  return out;
}

std::vector<std::string> Cut(const Shape& shape, size_t items_max, uint32_t scope_field = 2) {
  const std::string request = Request(shape, scope_field);
  std::vector<std::string> shown;
  const auto parts = CutItems(request, items_max).value();
  for (const ItemsPart& part : parts) {
    EXPECT_LE(part.items, items_max);
    EXPECT_EQ(CountItems(part.bytes).value(), part.items);
    shown.push_back(Shown(part.bytes));
  }
  return shown;
}

TEST(CutItems, EveryPartHasTheResourcesAndScopesOfItsItems) {
  const Shape shape = {{"a", {2, 1}}, {"b", {3}}};
  EXPECT_THAT(Cut(shape, 2), ElementsAre("a(0 1)", "a(2) b(3)", "b(4 5)"));
  EXPECT_THAT(Cut(shape, 1), ElementsAre("a(0)", "a(1)", "a(2)", "b(3)", "b(4)", "b(5)"));
  EXPECT_THAT(Cut(shape, 6), ElementsAre("a(0 1)(2) b(3 4 5)"));
  EXPECT_THAT(Cut(shape, 100), ElementsAre("a(0 1)(2) b(3 4 5)"));
  // Senders before 0.15.
  EXPECT_THAT(Cut(shape, 2, 1000), ElementsAre("a(0 1)", "a(2) b(3)", "b(4 5)"));
}

TEST(CutItems, WhatHasNoItemsIsLeftOut) {
  EXPECT_THAT(Cut({{"a", {}}, {"b", {0, 1, 0}}, {"c", {0}}}, 5), ElementsAre("b(0)"));
  EXPECT_THAT(Cut({}, 5), ElementsAre());
}

TEST(CutItems, UnknownFieldsAreKeptOnce) {
  size_t seen = 0;
  const auto parts = CutItems(Request({{"a", {5}}}), 2).value();
  for (const ItemsPart& part : parts) {
    for (size_t at = 0; (at = part.bytes.find("unknown", at)) != std::string::npos; ++at) ++seen;
  }
  EXPECT_EQ(seen, 1u);
}

std::vector<std::string> CutJson(std::string_view request, size_t items_max) {
  std::vector<std::string> shown;
  const auto parts = CutItemsJson(request, items_max).value();
  for (const ItemsPart& part : parts) {
    EXPECT_LE(part.items, items_max);
    EXPECT_EQ(CountItemsJson(part.bytes).value(), part.items) << part.bytes;
    shown.push_back(part.bytes);
  }
  return shown;
}

TEST(CutItems, JsonIsCutAsItIsWritten) {
  EXPECT_THAT(
      CutJson(R"({"resourceSpans": [
        {"resource": {"a": "]}\\\""}, "scopeSpans": [
          {"scope": {"name": "s"}, "spans": [{"n": 0}, {"n": [1, "}"]}], "schemaUrl": "u"},
          {"spans": [{"n": 2}]}, {"spans": []}]},
        {"scopeSpans": []}, 5,
        {"resource": null, "scope_spans": [{"logRecords": [{ }]}]}]})",
              2),
      ElementsAre(
          R"({"resourceSpans":[{"resource":{"a": "]}\\\""},"scopeSpans":[{"scope":{"name": "s"},)"
          R"("schemaUrl":"u","spans":[{"n": 0},{"n": [1, "}"]}]}]}]})",
          R"({"resourceSpans":[{"resource":{"a": "]}\\\""},"scopeSpans":[{"spans":[{"n": 2}]}]},)"
          R"({"resource":null,"scope_spans":[{"logRecords":[{ }]}]}]})"));
}

TEST(CutItems, WhatNobodyKnowsInJsonIsKeptOnce) {
  EXPECT_THAT(
      CutJson(R"({"x":1,"resource_logs":[{"y":2,"scopeLogs":[{"log_records":[1,2]}]}]})", 1),
      ElementsAre(R"({"x":1,"resource_logs":[{"y":2,"scopeLogs":[{"log_records":[1]}]}]})",
                  R"({"resource_logs":[{"scopeLogs":[{"log_records":[2]}]}]})"));
  EXPECT_THAT(CutJson("{}", 1), ElementsAre());
  EXPECT_THAT(CutJson(R"({"resourceSpans":null})", 1), ElementsAre());
}

TEST(CutItems, JsonThatCannotBeCutIsAnError) {
  for (const char* const request :
       {"", "[]", "{", R"({"resourceSpans":[{"scopeSpans":[{"spans":[{]}]}]})",
        R"({"resourceSpans":[{"scopeSpans":[{"spans":[{}],"spans":[{}]}]}]})",
        R"({"resource\u0053pans":[{"scopeSpans":[{"spans":[{}]}]}]})"}) {
    EXPECT_EQ(CutItemsJson(request, 1).error().code, base::Code::kInvalidArgument) << request;
  }
}

TEST(CutItems, DamagedBytesAreAnError) {
  EXPECT_FALSE(CutItems("\x0a\x05", 1).has_value());
  const std::string request = Request({{"a", {3}}});
  for (size_t size = 1; size < request.size(); ++size) {
    EXPECT_FALSE(CutItems(std::string_view(request).substr(0, size), 2).has_value()) << size;
  }
}

}  // namespace
}  // namespace narthex::otlp
