#include "collector/config_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/testing/memory_file_system.h"
#include "net/http_server.h"

namespace narthex::collector {
namespace {

using config::Node;
using testing::HasSubstr;

class ConfigSourceTest : public testing::Test {
 protected:
  GetEnv env() {
    return [this](const std::string& name) -> std::optional<std::string> {
      const auto found = variables_.find(name);
      return found != variables_.end() ? std::optional(found->second) : std::nullopt;
    };
  }
  base::Result<LoadedConfig> Load(std::vector<std::string> uris,
                                  std::vector<std::string> sets = {}) {
    return LoadConfig({std::move(uris), std::move(sets)}, files_, env(), base::NullLogger());
  }
  // The value of `v` in a document of one key.
  Node Expand(std::string_view value) {
    auto loaded = Load({"yaml:v: " + std::string(value)});
    EXPECT_TRUE(loaded.has_value()) << loaded.error().message;
    return loaded.has_value() ? *loaded->root.Find("v") : Node();
  }
  void Write(const std::string& path, std::string_view text) {
    auto file = files_.Open(path, base::FileSystem::Mode::kAppend);
    ASSERT_TRUE(file.has_value());
    ASSERT_TRUE((*file)->Append(text).has_value());
  }

  std::map<std::string, std::string> variables_ = {
      {"PORT", "8080"}, {"EMPTY", ""}, {"LIST", "[a, b]"}, {"NAME", "PORT"}, {"NUM", "0123"}};
  base::MemoryFileSystem files_;
};

TEST_F(ConfigSourceTest, ExpandsVariables) {
  EXPECT_EQ(Expand("${env:PORT}").scalar, "8080");
  EXPECT_EQ(Expand("${PORT}").scalar, "8080");
  EXPECT_EQ(Expand("localhost:${env:PORT}/x").scalar, "localhost:8080/x");
  EXPECT_EQ(Expand("${env:NUM}").scalar, "0123");  // Text keeps its looks.
  EXPECT_EQ(Expand("${env:NONE:-fall:back}").scalar, "fall:back");
  EXPECT_EQ(Expand("${NONE:-x}").scalar, "x");
  EXPECT_EQ(Expand("a${env:EMPTY:-unused}b").scalar, "ab");  // Set but empty stays empty.
  EXPECT_TRUE(Expand("${env:NONE}").is_null());
  EXPECT_EQ(Expand("${env:${env:NAME}}").scalar, "8080");
  EXPECT_EQ(Expand("${yaml:7}").scalar, "7");
}

TEST_F(ConfigSourceTest, DollarsThatAreNoExpansionStay) {
  EXPECT_EQ(Expand("a$$b").scalar, "a$b");
  EXPECT_EQ(Expand("$${env:PORT}").scalar, "${env:PORT}");
  EXPECT_EQ(Expand("$PORT").scalar, "$PORT");
  EXPECT_EQ(Expand("${env:PORT").scalar, "${env:PORT");
}

TEST_F(ConfigSourceTest, AWholeValueMayBeAnyYaml) {
  const Node list = Expand("${env:LIST}");
  ASSERT_TRUE(list.is_list());
  EXPECT_EQ(list.items[1].scalar, "b");
  EXPECT_EQ(Expand("x ${env:LIST}").scalar, "x [a, b]");
}

TEST_F(ConfigSourceTest, BadExpansionsAreErrorsWithAPlace) {
  const auto error = [&](std::string_view value) {
    const auto loaded = Load({"yaml:v: " + std::string(value)});
    return loaded.has_value() ? "" : loaded.error().message;
  };
  EXPECT_THAT(error("${env:1X}"), HasSubstr("has invalid name"));
  EXPECT_THAT(error("${vault:x}"), HasSubstr("1:4: scheme \"vault\" is not supported"));
  EXPECT_NE(error("${file:/missing}"), "");
}

TEST_F(ConfigSourceTest, LaterSourcesWin) {
  Write("/a.yaml", "m:\n  x: 1\n  y: 2\nl: [1, 2]\nw: {z: 1}\n");
  Write("/b.yaml", "m:\n  y: 3\nl: [9]\nw:\nn: ${file:/value}\n");
  Write("/value", "from file");
  const auto loaded = Load({"/a.yaml", "file:/b.yaml"}, {"m.q.r=5", "l=[7]"});
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  const Node& root = loaded->root;
  EXPECT_EQ(root.Find("m")->Find("x")->scalar, "1");
  EXPECT_EQ(root.Find("m")->Find("y")->scalar, "3");
  EXPECT_EQ(root.Find("m")->Find("q")->Find("r")->scalar, "5");
  EXPECT_EQ(root.Find("l")->items[0].scalar, "7");
  EXPECT_TRUE(root.Find("w")->is_null());
  EXPECT_EQ(root.Find("n")->scalar, "from file");
  EXPECT_EQ(loaded->name, "/a.yaml+/b.yaml");
}

TEST_F(ConfigSourceTest, OtherSources) {
  variables_["CONFIG"] = "a: {b: 1}";
  const auto loaded = Load({"env:CONFIG", "yaml:a::c::d: 2"});
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->root.Find("a")->Find("b")->scalar, "1");
  EXPECT_EQ(loaded->root.Find("a")->Find("c")->Find("d")->scalar, "2");
}

TEST_F(ConfigSourceTest, ServersHaveConfigurations) {
  const auto server = *net::HttpServer::Start(
      {.listen_address = "127.0.0.1:0"}, [](net::HttpRequest request, net::Responder responder) {
        responder.Send(request.path == "/c.yaml" ? net::HttpResponse::Text(200, "a: {b: 1}")
                                                 : net::HttpResponse::Text(404, "no"));
      });
  const std::string url = "http://127.0.0.1:" + std::to_string(server->port());
  const auto loaded = Load({url + "/c.yaml", "yaml:c: ${" + url + "/c.yaml}"});
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->root.Find("a")->Find("b")->scalar, "1");
  EXPECT_EQ(loaded->root.Find("c")->Find("a")->Find("b")->scalar, "1");
  EXPECT_THAT(Load({url + "/none"}).error().message, HasSubstr("status code: 404"));
}

TEST_F(ConfigSourceTest, WhatCannotBeReadIsAnError) {
  EXPECT_EQ(Load({}).error().message, "at least one config flag must be provided");
  EXPECT_FALSE(Load({"/missing.yaml"}).has_value());
  EXPECT_FALSE(Load({"http://127.0.0.1:1/c.yaml"}).has_value());
  EXPECT_FALSE(Load({"yaml:a: 1"}, {"no equals sign"}).has_value());
  Write("/bad.yaml", "a: [1\n");
  EXPECT_THAT(Load({"/bad.yaml"}).error().message, HasSubstr("/bad.yaml:"));
}

}  // namespace
}  // namespace narthex::collector
