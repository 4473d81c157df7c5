#include "attributes/actions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace narthex::attributes {
namespace {

using testing::HasSubstr;

// What the actions make of {a: "x-1", n: 7, d: 2.5, t: true}, as "key=value …" with s, i, d, b for
// the types.
std::string After(std::string_view actions, std::string* errors = nullptr,
                  const otlp::ClientInfo* client = nullptr) {
  const config::Node node =
      *config::ParseYaml("actions: [" + std::string(actions) + "]", "test.yaml");
  config::Diagnostics diagnostics("test.yaml");
  config::MapReader reader(node, diagnostics);
  const Actions parsed = Actions::Read(reader, "actions", diagnostics);
  if (errors != nullptr) {
    *errors = diagnostics.ok() ? "" : diagnostics.ToStatus().error().message;
    return "";
  }
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.ToStatus().error().message;
  otlp::AttributeEditor editor("");
  editor.Set("a", otlp::EncodeValue("x-1"));
  editor.Set("n", otlp::EncodeValue(int64_t{7}));
  editor.Set("d", otlp::EncodeValue(2.5));
  editor.Set("t", otlp::EncodeValue(true));
  parsed.Apply(editor, client);
  std::string out;
  const std::string fields = editor.Encode(7);
  otlp::KeyValues reading(fields);
  while (const auto item = reading.Next()) {
    out += fmt::format("{}={}{} ", item->key, "-sbid"[static_cast<size_t>(item->value.kind())],
                       otlp::Text(item->value));
  }
  return out;
}
std::string Errors(std::string_view actions) {
  std::string errors;
  After(actions, &errors);
  return errors;
}

TEST(Actions, Put) {
  EXPECT_EQ(After("{key: a, action: insert, value: y}"), "a=sx-1 n=i7 d=d2.5 t=btrue ");
  EXPECT_EQ(After("{key: b, action: insert, value: y}"), "a=sx-1 n=i7 d=d2.5 t=btrue b=sy ");
  EXPECT_EQ(After("{key: a, action: update, value: 3}"), "a=i3 n=i7 d=d2.5 t=btrue ");
  EXPECT_EQ(After("{key: b, action: update, value: 3}"), "a=sx-1 n=i7 d=d2.5 t=btrue ");
  EXPECT_EQ(After("{key: a, action: upsert, value: '3'}"), "a=s3 n=i7 d=d2.5 t=btrue ");
  EXPECT_EQ(After("{key: b, action: upsert, from_attribute: n}"),
            "a=sx-1 n=i7 d=d2.5 t=btrue b=i7 ");
  EXPECT_EQ(After("{key: b, action: upsert, from_attribute: none}"), "a=sx-1 n=i7 d=d2.5 t=btrue ");
  EXPECT_EQ(After("{key: n, action: upsert, value: false}"), "a=sx-1 n=bfalse d=d2.5 t=btrue ");
}

TEST(Actions, TakeWhatCameWithTheRequest) {
  otlp::ClientInfo client{.address = "10.0.0.1", .auth = {{"username", "bob"}}};
  client.AddMetadata("X-Tenant", "shop");
  client.AddMetadata("X-Tenant", "bank");
  const auto put = [&](std::string_view name) {
    return After(fmt::format("{{key: a, action: upsert, from_context: {}}}", name), nullptr,
                 &client);
  };
  EXPECT_THAT(put("metadata.x-tenant"), HasSubstr("a=sshop;bank "));
  EXPECT_THAT(put("X-TENANT"), HasSubstr("a=sshop;bank "));
  EXPECT_THAT(put("auth.username"), HasSubstr("a=sbob "));
  EXPECT_THAT(put("client.address"), HasSubstr("a=s10.0.0.1 "));
  EXPECT_THAT(put("metadata.other"), HasSubstr("a=sx-1 "));
  EXPECT_THAT(put("auth.other"), HasSubstr("a=sx-1 "));
}

TEST(Actions, WithoutAClientThereIsNothingToTake) {
  EXPECT_THAT(After("{key: a, action: upsert, from_context: metadata.x}"), HasSubstr("a=sx-1 "));
  EXPECT_THAT(After("{key: a, action: upsert, from_context: client.address}"), HasSubstr("a=s "));
}

TEST(Actions, Delete) {
  EXPECT_EQ(After("{key: a, action: delete}, {key: zz, action: delete}"), "n=i7 d=d2.5 t=btrue ");
  EXPECT_EQ(After("{pattern: '^[an]$', action: delete}"), "d=d2.5 t=btrue ");
}

TEST(Actions, HashIsSha256) {
  EXPECT_THAT(After("{key: a, action: hash}"),
              HasSubstr("a=s"
                        "e0f26c5c92757661153f941e9d0e65ece63b67e4e2e4640e69d7a71437f2aa31"));
}

TEST(Actions, ExtractTakesNamedGroups) {
  EXPECT_THAT(After("{key: a, action: extract, pattern: '(?P<left>.)-(?P<right>.)'}"),
              HasSubstr("left=sx right=s1"));
  EXPECT_EQ(After("{key: a, action: extract, pattern: '(?P<left>q)'}"),
            "a=sx-1 n=i7 d=d2.5 t=btrue ");
}

TEST(Actions, Convert) {
  EXPECT_THAT(After("{key: n, action: convert, converted_type: string}"), HasSubstr("n=s7"));
  EXPECT_THAT(After("{key: n, action: convert, converted_type: double}"), HasSubstr("n=d7"));
  EXPECT_THAT(After("{key: d, action: convert, converted_type: int}"), HasSubstr("d=i2"));
  EXPECT_THAT(After("{key: t, action: convert, converted_type: int}"), HasSubstr("t=i1"));
  EXPECT_THAT(After("{key: a, action: convert, converted_type: int}"), HasSubstr("a=sx-1"));
}

TEST(Actions, Mistakes) {
  EXPECT_THAT(Errors(""), HasSubstr("at least one action"));
  EXPECT_THAT(Errors("{key: a, action: explode}"),
              HasSubstr("test.yaml:1:28: action: unsupported"));
  EXPECT_THAT(Errors("{action: insert, value: 1}"), HasSubstr("key: must be given"));
  EXPECT_THAT(Errors("{key: a, action: insert}"), HasSubstr("needs one of value, from_attribute"));
  EXPECT_THAT(Errors("{key: a, action: delete, value: 1}"), HasSubstr("takes no value"));
  EXPECT_THAT(Errors("{key: a, action: extract, pattern: '(.)'}"), HasSubstr("unnamed"));
  EXPECT_THAT(Errors("{key: a, action: extract, pattern: '('}"), HasSubstr("pattern: missing"));
  EXPECT_THAT(Errors("{key: a, action: convert}"), HasSubstr("int, double or string"));
  EXPECT_THAT(Errors("{key: a, action: insert, from_context: x, value: 1}"),
              HasSubstr("needs one of"));
  EXPECT_THAT(Errors("{kei: a, action: insert, value: 1}"), HasSubstr("did you mean"));
}

}  // namespace
}  // namespace narthex::attributes
